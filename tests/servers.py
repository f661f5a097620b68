"""Real servers on loopback: PostgreSQL, and MLflow on SQLite or on it."""

import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from filelock import FileLock
from shell import wait_for

PORTS: list[FileLock] = []


def free_port() -> int:
    """A port that no other test on this machine is given: below those that the kernel gives to clients, and locked."""
    while True:
        port = random.SystemRandom().randrange(20000, 32768)
        lock = FileLock(Path(tempfile.gettempdir()) / f"bmn-test-port-{port}.lock", timeout=0)
        with socket.socket() as listener, suppress(OSError):
            lock.acquire()
            listener.bind(("127.0.0.1", port))
            PORTS.append(lock)  # held until the process ends
            return port


def wait_until_healthy(url: str, process: subprocess.Popen, log: Path) -> None:
    """Until a server answers there, and with no error."""

    def healthy() -> bool:
        with suppress(OSError):  # errors of HTTP too
            urllib.request.urlopen(url, timeout=10).close()
            return True
        return False

    wait_for(healthy, process, log)


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
        wait_until_healthy(f"{self.uri}/health", self.process, self.log)

    def stop(self) -> None:
        family = [psutil.Process(self.process.pid), *psutil.Process(self.process.pid).children(recursive=True)]
        for process in family:
            with suppress(psutil.NoSuchProcess):  # its parent, which is killed first, may take it along
                process.kill()
        self.process.wait()


@contextmanager
def postgres(password=""):
    """The address, without the password, of a PostgreSQL of our own on loopback."""
    usual = sorted(Path("/usr/lib/postgresql").glob("*/bin"))  # Debian keeps it off the PATH
    path = os.pathsep.join([os.environ["PATH"], *map(str, usual)])
    if not (shutil.which("initdb", path=path) and shutil.which("pg_ctl", path=path)):
        pytest.skip("needs a PostgreSQL server: put its initdb and pg_ctl on the PATH")
    pytest.importorskip("psycopg", reason="PostgreSQL's driver is not installed")
    folder, become = Path(tempfile.mkdtemp()), []  # pytest's folders are closed to other users
    (folder / "password").write_text(f"{password}\n")
    if os.geteuid() == 0:  # as which it refuses to run
        become = ["runuser", "-u", "nobody", "--"]
        shutil.chown(folder, "nobody")
        shutil.chown(folder / "password", "nobody")

    def call(program, *words):
        # Its output must be no pipe of ours: the server would hold it open.
        with open(folder / "calls", "a") as log:
            subprocess.run([*become, shutil.which(program, path=path), "-D", folder / "data", *words],
                           cwd=folder, stdout=log, stderr=log, check=True)  # fmt: skip

    how = ["--auth=scram-sha-256", f"--pwfile={folder / 'password'}"] if password else ["--auth=trust"]
    call("initdb", "--username=mlflow", "--no-sync", *how)
    port = free_port()
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c fsync=off -c unix_socket_directories={folder}"
    call("pg_ctl", "-w", "-t", "600", "-l", folder / "log", "-o", options, "start")
    try:
        yield f"postgresql+psycopg://mlflow@127.0.0.1:{port}/postgres"
    finally:
        call("pg_ctl", "-t", "600", "-m", "immediate", "stop")
        shutil.rmtree(folder)


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
