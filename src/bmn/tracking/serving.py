"""``bmn serve``: MLflow's scoring server on an inference model, kept within bounds.

It answers JSON as ``mlflow models serve`` does, at ``/invocations``; :mod:`bmn.tracking.gate` keeps the bounds.
"""

import asyncio
import os
import signal
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mlflow
import uvicorn
from fastapi import Request
from fastapi.responses import JSONResponse
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import scoring_server

from bmn.base.errors import BmnError
from bmn.data.subset import open_subset
from bmn.tracking.gate import AT_ONCE, Connection, Gate, refusal
from bmn.tracking.models import REGISTERED, VALIDATED, champion_of, evaluated_settings
from bmn.tracking.store import first_line, open_store

EXAMPLE = "serving_input_example.json"
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
    for kind in (RecursionError, ValueError, TypeError, OverflowError, MemoryError):  # raised by json and NumPy
        application.add_exception_handler(kind, _unreadable)
    server = f"http://{host}:{port}"
    print(served.unwrap_python_model().predictor, file=sys.stderr)
    print(f"{about} answers at {server}/invocations (stop it with Ctrl-C). Try:", flush=True)
    print(f"curl -H 'Content-Type: application/json' -d @{folder / EXAMPLE} {server}/invocations", flush=True)
    asyncio.run(_serve(Gate(application), host, port, grace))


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
    """The MLflow URI of the champion of the current validation data, and a description of it.

    Raises:
        BmnError: there are no data, or no champion of them.
    """
    data = open_subset(DATA, "validation").digest if (DATA / "validation.json").exists() else None
    if data is None:
        raise BmnError(f"{DATA}: contains no validation data, hence no champion; run make repro, or name a --model")
    found = champion_of(data)
    if found is None:
        raise BmnError(f"no model was validated on the data in {DATA} ({data}); run make repro, or name a --model")
    auc = float(found.tags[VALIDATED])
    about = f"{REGISTERED} version {found.version} (AUC {auc:.2f} on the validation data in {DATA}, {data})"
    return f"models:/{REGISTERED}/{found.version}", about


def _unreadable(request: Request, error: Exception) -> JSONResponse:
    reason = "is nested too deeply" if isinstance(error, RecursionError) else f"cannot be used ({error!s:.200})"
    return refusal(400, f"the JSON {reason}; its inputs should be [video][snippet][channel]")
