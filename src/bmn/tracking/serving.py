"""``bmn serve``: MLflow's scoring server on an inference model, kept within bounds.

It answers as ``mlflow models serve`` does, at ``/invocations``; besides it refuses bodies that are too large and holds
few of them in memory at a time, however many clients there are.
"""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import mlflow
import uvicorn
from fastapi import Request
from fastapi.responses import JSONResponse
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import scoring_server

from bmn.base.errors import BmnError
from bmn.data.subset import open_subset
from bmn.tracking.models import REGISTERED, VALIDATED, champion_of, evaluated_settings
from bmn.tracking.store import first_line, open_store

LARGEST_BODY = 32 * 2**20  # bytes; about forty videos of the published size
AT_ONCE = 2  # requests in memory: one is computed while the next one is parsed
EXAMPLE = "serving_input_example.json"
DATA = Path("data/processed")


class Bounded:
    """An ASGI application that passes on what fits, and lets the rest wait or refuses it.

    Args:
        application: what answers.
        largest: bytes of a body.
        at_once: requests that are read and answered at the same time.
    """

    def __init__(self, application: Any, largest: int = LARGEST_BODY, at_once: int = AT_ONCE) -> None:
        self._application, self._largest = application, largest
        self._places = asyncio.Semaphore(at_once)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._application(scope, receive, send)
            return
        length = dict(scope["headers"]).get(b"content-length", b"")
        if not length.isdigit():
            sentence = "the request does not tell its length; send it with a Content-Length"
            await _refusal(411, sentence)(scope, receive, send)
        elif int(length) > self._largest:
            while (await receive()).get("more_body"):  # a client listens when it has said all
                pass
            sentence = f"the request has {int(length)} bytes; at most {self._largest} are allowed, send fewer videos"
            await _refusal(413, sentence)(scope, receive, send)
        else:
            async with self._places:
                await self._application(scope, receive, _plainly(scope, receive, send))


def serve(model: str | None, host: str, port: int) -> None:
    """Serve a model until Ctrl-C.

    Args:
        model: MLflow's address of it, such as ``models:/bmn/3``; by default the champion of the data in use.
        host, port: where to listen.

    Raises:
        BmnError: there is no such model, or no champion.
    """
    open_store()
    address, about = (model, model) if model else champion()
    try:
        folder = Path(mlflow.artifacts.download_artifacts(address))
    except (MlflowException, OSError) as error:
        raise BmnError(
            f"{address}: no such model ({first_line(error)}); make repro makes one, --model names another"
        ) from error
    settings = evaluated_settings(folder)
    served = mlflow.pyfunc.load_model(str(folder), model_config={"proposals": settings} if settings else None)
    application = scoring_server.init(served)
    application.add_exception_handler(RecursionError, _too_deep)
    server = f"http://{host}:{port}"
    print(f"{about} answers at {server}/invocations (stop it with Ctrl-C). Try:", flush=True)
    print(f"curl -H 'Content-Type: application/json' -d @{folder / EXAMPLE} {server}/invocations", flush=True)
    config = uvicorn.Config(Bounded(application), host=host, port=port, log_level="warning")
    asyncio.run(_serve(uvicorn.Server(config)))


async def _serve(server: uvicorn.Server) -> None:
    # MLflow computes in the loop's threads; few of them hold little memory.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(AT_ONCE))
    await server.serve()


def champion() -> tuple[str, str]:
    """The address of the champion of the validation data in use, and what is known of it.

    Raises:
        BmnError: there are no data, or no champion of them.
    """
    data = open_subset(DATA, "validation").digest if (DATA / "validation.json").exists() else None
    if data is None:
        raise BmnError(f"{DATA}: holds no validation data, so no champion of them; run make repro, or name a --model")
    found = champion_of(data)
    if found is None:
        raise BmnError(f"no model was validated on the data in {DATA} ({data}); run make repro, or name a --model")
    auc = float(found.tags[VALIDATED])
    about = f"{REGISTERED} version {found.version} (AUC {auc:.2f} on the validation data in {DATA}, {data})"
    return f"models:/{REGISTERED}/{found.version}", about


def _plainly(scope: Any, receive: Any, send: Any) -> Any:
    """Answers pass as they are, refusals without the dump of the arrays that MLflow puts before its reason."""
    status, body = 0, b""

    async def pass_on(message: Any) -> None:
        nonlocal status, body
        if message["type"] == "http.response.start" and message["status"] >= 400:
            status = message["status"]
        elif not status:
            await send(message)
        else:
            body += message.get("body", b"")
            if not message.get("more_body"):
                await _refusal(status, _reason(body.decode()))(scope, receive, send)

    return pass_on


def _reason(answer: str) -> str:
    try:
        message = str(json.loads(answer)["message"])
    except (ValueError, TypeError, KeyError):  # plain text
        return answer
    return message.rpartition("Error: ")[2] if message.startswith("Failed to predict data") else message


def _too_deep(request: Request, error: Exception) -> JSONResponse:
    return _refusal(400, "the JSON is nested too deeply; inputs [video][snippet][channel] is expected")


def _refusal(status: int, sentence: str) -> JSONResponse:
    """In the form of MLflow's own."""
    return JSONResponse({"error_code": "BAD_REQUEST", "message": sentence}, status)
