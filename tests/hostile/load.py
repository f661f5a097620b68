"""``python -m hostile.load ADDRESS REQUEST``: good clients beside hostile ones; a good request must not notice."""

import argparse
import asyncio
import random
import statistics
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

DEADLINE = 60  # seconds, after which a good request has failed


@dataclass
class Seen:
    """What the clients saw: seconds of each good request, those that failed and why, and hostile connections."""

    answered: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    hostile: int = 0

    def __str__(self):
        slowest = max(self.answered, default=0)
        return (
            f"{len(self.answered)} good requests answered, {len(self.failed)} failed {self.failed[:3]}\n"
            f"median {statistics.median(self.answered or [0]):.3f} s, slowest {slowest:.3f} s\n"
            f"{self.hostile} hostile connections"
        )


def load(address, body, good, hostile, seconds, seed=1):
    """Ask with ``good`` clients, each again as soon as it is answered, beside ``hostile`` ones."""
    return asyncio.run(_load(urlsplit(address), body, good, hostile, seconds, seed))


async def _load(address, body, good, hostile, seconds, seed):
    seen, expected = Seen(), await _ask(address, body)
    end = time.monotonic() + seconds
    clients = [_good(address, body, expected, end, seen) for _ in range(good)]
    enemies = [asyncio.create_task(_hostile(address, body, random.Random(f"{seed}/{n}"), seen)) for n in range(hostile)]
    await asyncio.gather(*clients)
    for enemy in enemies:
        enemy.cancel()
    await asyncio.gather(*enemies, return_exceptions=True)
    return seen


async def _good(address, body, expected, end, seen):
    while time.monotonic() < end:
        begin = time.monotonic()
        try:
            async with asyncio.timeout(DEADLINE):
                answer = await _ask(address, body)
            if answer != expected:
                raise ValueError(answer[:200])
        except (OSError, ValueError, EOFError) as error:
            seen.failed.append(repr(error))
        else:
            seen.answered.append(time.monotonic() - begin)


def _request(address, body, length=None, kind="application/json"):
    head = f"POST {address.path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: {kind}\r\n"
    return f"{head}Content-Length: {len(body) if length is None else length}\r\n\r\n".encode() + body


async def _ask(address, body):
    """The status line and the body of an answer."""
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(_request(address, body))
    await writer.drain()
    head, _, content = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    status = head.partition(b"\r\n")[0]
    if b" 200 " not in status:
        raise ValueError(status + content[:200])
    return status + content


async def _hostile(address, body, rng, seen):
    while True:
        seen.hostile += 1
        with suppress(OSError):
            reader, writer = await asyncio.open_connection(address.hostname, address.port, limit=1024)
            try:
                await _misbehave(address, body, rng, reader, writer)
            finally:
                writer.transport.abort()
        await asyncio.sleep(0.05)


async def _misbehave(address, body, rng, reader, writer):
    match rng.randrange(9):
        case 0:  # says nothing
            await asyncio.sleep(20)
        case 1:  # headers without an end
            writer.write(b"POST /invocations HTTP/1.1\r\n")
            for _ in range(200):
                writer.write(b"X: y\r\n")
                await asyncio.sleep(0.1)
        case 2:  # announces a body and keeps it
            writer.write(_request(address, b"{", 1000))
            await asyncio.sleep(40)
        case 3:  # a body byte by byte
            writer.write(_request(address, b"", 30_000))
            for _ in range(400):
                writer.write(b" ")
                await asyncio.sleep(0.1)
        case 4:  # nearly all of the largest body, and no end
            writer.write(_request(address, b" " * (8 << 20), 32 << 20))
            await asyncio.sleep(20)
        case 5:  # takes no answer
            for _ in range(100):
                writer.write(b"GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n")
            await asyncio.sleep(20)
        case 6:  # hangs up in the middle
            writer.write(_request(address, body)[: rng.randrange(1, len(body))])
            await writer.drain()
        case 7:  # no HTTP
            writer.write(rng.randbytes(1000))
            await reader.read()
        case 8:  # cannot be used
            writer.write(_request(address, b"[" * 100_000))
            await reader.read()
            await asyncio.sleep(1)


def main():
    parser = argparse.ArgumentParser(prog="python -m hostile.load", description=__doc__)
    parser.add_argument("address", help="http://127.0.0.1:5001/invocations")
    parser.add_argument("request", type=Path, help="a request: the file that make serve prints")
    parser.add_argument("--good", type=int, default=8)
    parser.add_argument("--hostile", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=600)
    given = parser.parse_args()
    seen = load(given.address, given.request.read_bytes(), given.good, given.hostile, given.seconds)
    print(seen)


if __name__ == "__main__":
    main()
