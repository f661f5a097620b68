"""Real MLflow servers, on SQLite and on PostgreSQL."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

PATIENCE = 300.0  # seconds; a server's first start is slow on a busy machine


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Server:
    """A real ``mlflow server`` on loopback."""

    def __init__(self, store: str, folder: Path) -> None:
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self.words = [
            sys.executable, "-m", "mlflow", "server", "--workers", "1", "--port", str(self.port),
            "--backend-store-uri", store, "--artifacts-destination", str(folder / "artifacts"),
        ]  # fmt: skip
        self.log = folder / "server.log"
        self.start()

    def start(self) -> None:
        with open(self.log, "ab") as log:
            environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
            self.process = subprocess.Popen(self.words, stdout=log, stderr=log, env=environment)
        self.wait_until_healthy()

    def wait_until_healthy(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                with urllib.request.urlopen(f"{self.uri}/health", timeout=5):
                    return
            except (urllib.error.URLError, OSError):
                assert self.process.poll() is None, self.log.read_text()
                assert time.monotonic() < deadline, self.log.read_text()
                time.sleep(0.2)

    def stop(self) -> None:
        family = [psutil.Process(self.process.pid), *psutil.Process(self.process.pid).children(recursive=True)]
        for process in family:
            process.send_signal(signal.SIGKILL)
        self.process.wait()


@contextmanager
def postgres():
    """Our own PostgreSQL on loopback, run by a user other than root, as it demands."""
    if not (shutil.which("initdb") and shutil.which("pg_ctl")):
        pytest.skip("needs a PostgreSQL server: put its initdb and pg_ctl on the PATH")
    pytest.importorskip("psycopg", reason="PostgreSQL's driver is not installed")
    as_user = []
    if os.geteuid() == 0:
        if (
            not shutil.which("runuser")
            or subprocess.run(["id", "postgres"], capture_output=True, check=False).returncode
        ):
            pytest.skip("needs a PostgreSQL server, which root may not run: make a user postgres")
        as_user = ["runuser", "-u", "postgres", "--"]
    port, data = free_port(), Path(tempfile.mkdtemp())  # pytest's folders are closed to other users
    if as_user:
        shutil.chown(data, "postgres")
    run = {"check": True, "capture_output": True, "cwd": "/"}
    subprocess.run([*as_user, "initdb", "-D", data, "-A", "trust", "-U", "mlflow"], **run)
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={data}"
    subprocess.run([*as_user, "pg_ctl", "-D", data, "-w", "-l", data / "log", "-o", options, "start"], **run)
    try:
        yield f"postgresql+psycopg://mlflow@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run([*as_user, "pg_ctl", "-D", data, "-m", "immediate", "stop"], **run)
        shutil.rmtree(data)


@contextmanager
def serving(kind: str, folder: Path):
    if kind == "sqlite":
        server = Server(f"sqlite:///{folder / 'server.db'}", folder)
        yield server
        server.stop()
    else:
        with postgres() as store:
            server = Server(store, folder)
            yield server
            server.stop()
