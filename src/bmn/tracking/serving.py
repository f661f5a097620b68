"""``bmn serve``: MLflow's scoring server on an inference model, kept within bounds.

It answers JSON as ``mlflow models serve`` does, at ``/invocations``, and videos at ``/videos``
(:mod:`bmn.tracking.watching`); :mod:`bmn.tracking.gate` keeps the bounds, and :mod:`bmn.tracking.metered` tells
Prometheus at ``/metrics``.
"""

import asyncio
import os
import signal
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import mlflow
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from mlflow.environment_variables import MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import scoring_server

from bmn.base.errors import BmnError
from bmn.data.subset import open_subset
from bmn.tracking.connections import Clients, Connection
from bmn.tracking.gate import Endpoint, Gate, refusal
from bmn.tracking.metered import MeteredGate
from bmn.tracking.models import (
    REGISTERED,
    VALIDATED,
    champion_of,
    champions,
    check_exported,
    evaluated_settings,
    served_name,
)
from bmn.tracking.store import answering, first_line, open_store
from bmn.tracking.watching import PATH, videos_endpoint

EXAMPLE = "serving_input_example.json"
CONNECTIONS = 512  # clients that may be sending or receiving, and requests that may wait for the model
LARGEST_BODY = 32 * 2**20  # bytes of a request; about forty videos of the published size
LARGEST_SUM = 8 * LARGEST_BODY  # bytes of all requests and answers in memory
BODY_SECONDS = 30.0  # for a request to arrive
AT_ONCE = 2  # requests in the model: one is computed while the next is parsed
NEVER = 2**31  # seconds until MLflow gives up an answer; what it does not wait for is computed all the same
REFUSING = 1.0  # seconds to send refusals when the grace period has ended
DATA = Path("data/processed")


def serve(model: str | None, host: str, port: int, grace: float) -> None:
    """Serve a model until Ctrl-C or SIGTERM.

    Then new connections are refused at once and incomplete requests are cut off; complete ones are answered within the
    grace period, or refused at its end.

    Args:
        model: its MLflow URI, such as ``models:/bmn/3``; by default the champion of the current data.
        host, port: where to listen.
        grace: the grace period in seconds.

    Raises:
        BmnError: there is no such model, it is not one of ours, there is no champion, or MLflow does not respond.
    """
    open_store()
    with answering():
        address, about = (model, model) if model else champion()
        folder = _downloaded(address)
        settings = evaluated_settings(folder)
        name = served_name(address)
    served = mlflow.pyfunc.load_model(str(folder), model_config={"proposals": settings} if settings else None)
    MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT.set(NEVER)
    application = scoring_server.init(served)
    for kind in (RecursionError, ValueError, TypeError, OverflowError, MemoryError):  # raised by json and NumPy
        application.add_exception_handler(kind, _unreadable)
    ours = served.unwrap_python_model()
    videos = videos_endpoint(ours.predictor, ours.alone)
    gate = MeteredGate(name, _features_endpoint(application), {PATH: videos})
    server = f"http://{host}:{port}"
    print(ours.predictor, file=sys.stderr)
    print(f"{about} answers at {server}/invocations (stop it with Ctrl-C). Try:", flush=True)
    print(f"curl -H 'Content-Type: application/json' -d @{folder / EXAMPLE} {server}/invocations", flush=True)
    if ours.predictor.extractor:
        print(f"curl -H 'Content-Type: video/mp4' --data-binary @clip.mp4 {server}{PATH}", flush=True)
    asyncio.run(_serve(gate, host, port, grace))


def _downloaded(address: str) -> Path:
    try:
        folder = Path(mlflow.artifacts.download_artifacts(address))
    except (MlflowException, OSError) as error:
        raise BmnError(
            f"{address}: no such model ({first_line(error)}); make repro makes one, --model names another"
        ) from error
    check_exported(address, folder)
    return folder


def _features_endpoint(application: FastAPI) -> Endpoint:
    return Endpoint(
        application,
        kinds="application/json",
        declaration="JSON; send it with Content-Type: application/json",
        largest=LARGEST_BODY,
        smaller="send fewer videos",
        seconds=BODY_SECONDS,
        store=BytesIO,
        clients=Clients(CONNECTIONS, LARGEST_SUM),
        places=asyncio.Semaphore(AT_ONCE),
    )


async def _serve(gate: Gate, host: str, port: int, grace: float) -> None:
    # MLflow computes in the event loop's threads; a few of them use little memory.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(AT_ONCE))
    config = uvicorn.Config(
        gate, host=host, port=port, log_level="error", ws="none", http=Connection, proxy_headers=False,
        timeout_graceful_shutdown=grace,  # type: ignore[arg-type]  # a fraction is fine
    )  # fmt: skip
    try:
        await _Server(config).serve()
    finally:
        if gate.gave_up or gate.at_work:  # Python would wait for the computation, which cannot be interrupted
            sys.stdout.flush()
            os._exit(128 + signal.SIGTERM)


class _Server(uvicorn.Server):
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Say what happens, then let uvicorn do it."""
        waiting, grace = self.config.loaded_app.at_work, self.config.timeout_graceful_shutdown
        print(f"stopping: no new requests are accepted; {waiting} left to answer within {grace:g} s", flush=True)
        await super().shutdown(sockets)
        if refused := set(self.server_state.tasks):  # cancelled at the end of the grace period, they still say so
            await asyncio.wait(refused, timeout=REFUSING)


def champion() -> tuple[str, str]:
    """The MLflow URI of the champion of the current validation data, and a description of it; without data here that of
    the only champion.

    Raises:
        BmnError: there is no champion, or several and no data here that tell which is meant.
    """
    if not (DATA / "validation.json").exists():
        known = champions()
        if len(known) == 1:
            [(name, number)] = known.items()
            return f"models:/{REGISTERED}/{number}", f"{REGISTERED} version {number} ({name}, the only one)"
        if known:
            named = ", ".join(f"models:/{REGISTERED}@{name}" for name in known)
            raise BmnError(
                f"{DATA}: contains no validation data to tell which champion is meant; name a --model: {named}"
            )
        raise BmnError(
            f"{DATA}: contains no validation data, and the store no champion; run make repro, or name a --model"
        )
    data = open_subset(DATA, "validation").digest
    found = champion_of(data)
    if found is None:
        raise BmnError(f"no model was validated on the data in {DATA} ({data}); run make repro, or name a --model")
    auc = float(found.tags[VALIDATED])
    about = f"{REGISTERED} version {found.version} (AUC {auc:.2f} on the validation data in {DATA}, {data})"
    return f"models:/{REGISTERED}/{found.version}", about


def _unreadable(request: Request, error: Exception) -> JSONResponse:
    reason = "is nested too deeply" if isinstance(error, RecursionError) else f"cannot be used ({error!s:.200})"
    return refusal(400, f"the JSON {reason}; its inputs should be [video][snippet][channel]")
