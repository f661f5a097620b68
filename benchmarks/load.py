"""``python -m benchmarks.load EXAMPLE ADDRESS``: many clients send the same request, and every response is checked."""

import argparse
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import requests


@dataclass(frozen=True)
class Load:
    """The result of a load test.

    Attributes:
        answered: seconds of each request with the right response.
        failed: requests with a wrong response or none.
        memory: peak bytes of the server; 0 if it is on another host.
    """

    answered: list[float]
    failed: int
    memory: int


def load(address: str, body: bytes, clients: int, seconds: float) -> Load:
    """Send requests from several clients without pause, and compare with the response to a single client."""
    expected = _ask(address, body)
    expected.raise_for_status()
    server = _listener(urlsplit(address).port)
    memory = server.memory_info().rss if server else 0
    end = time.monotonic() + seconds

    def client() -> tuple[list[float], int]:
        answered, failed = [], 0
        while time.monotonic() < end:
            begin = time.monotonic()
            try:
                right = _ask(address, body).content == expected.content
            except requests.RequestException:
                right = False
            if right:
                answered.append(time.monotonic() - begin)
            else:
                failed += 1
        return answered, failed

    with ThreadPoolExecutor(clients) as pool:
        results = [pool.submit(client) for _ in range(clients)]
        while time.monotonic() < end:
            memory = max(memory, server.memory_info().rss if server else 0)
            time.sleep(0.1)
        seen = [result.result() for result in results]
    return Load([time for answered, _ in seen for time in answered], sum(failed for _, failed in seen), memory)


def _ask(address: str, body: bytes) -> requests.Response:
    return requests.post(address, body, headers={"Content-Type": "application/json"}, timeout=120)


def _listener(port: int | None) -> psutil.Process | None:
    """The process on this host that listens on a port."""
    for connection in psutil.net_connections("tcp"):
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
            return psutil.Process(connection.pid)
    return None


def main() -> None:
    """Run a load test and print the result."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("example", type=Path, help="a request: the file named by make serve")
    parser.add_argument("address", help="http://127.0.0.1:5001/invocations")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=180)
    given = parser.parse_args()
    seen = load(given.address, given.example.read_bytes(), given.clients, given.seconds)
    median, slowest = statistics.median(seen.answered), max(seen.answered)
    print(f"{len(seen.answered)} requests answered, {seen.failed} failed")
    print(f"median {median:.2f} s, slowest {slowest:.2f} s, {len(seen.answered) / given.seconds:.1f} per second")
    print(f"server memory: at most {seen.memory / 2**20:.0f} MiB")


if __name__ == "__main__":
    main()
