"""A file server that says one thing and does another."""

import re
import socket
import threading
import time
from contextlib import suppress


class Liar:
    """Serves one of two versions of a file, each request with another lie.

    Attributes:
        said: what it gave as a whole file: a version, or as much of one as it announced or as came before it hung up.
    """

    def __init__(self, rng, versions):
        self.rng, self.versions = rng, versions
        self.said = {versions[0], versions[1]}

    def __enter__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}/file"
        threading.Thread(target=self.run, daemon=True).start()
        return self

    def __exit__(self, *_):
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    def run(self):
        with suppress(OSError):
            while True:
                client, _ = self.socket.accept()
                with suppress(OSError), client:
                    client.settimeout(1)
                    self.answer(client, client.recv(10_000).decode("latin-1"))

    def answer(self, client, request):
        rng = self.rng
        number = rng.choice((0, 0, 0, 1))
        content, tag = self.versions[number], f'"{"ab"[number]}"'
        asked = re.search(r"Range: bytes=(\d+)-", request)
        begin = int(asked[1]) if asked else 0
        lie = rng.choice(
            ("none",) * 6 + ("fault", "short", "long", "endless", "range", "tag", "trickle", "garbage", "page")
        )
        if lie == "fault":
            client.sendall(f"HTTP/1.1 {rng.choice((403, 408, 416, 429, 500, 503, 999))} X\r\n\r\n".encode())
            return
        if lie == "garbage":
            client.sendall(rng.randbytes(rng.choice((1, 100, 100_000))))
            return
        partial = begin and rng.random() < 0.9
        rest = content[begin:] if partial else content
        last = len(content) - 1
        if lie == "range":
            begin, last = rng.choice(
                ((begin + 1, last), (0, last), (begin, last + 7), (begin, begin), (10**30, 10**31))
            )
        lines = ["HTTP/1.1 206 Partial Content" if partial else "HTTP/1.1 200 OK"]
        lines += [f"Content-Range: bytes {begin}-{last}/{last + 1}"] * bool(partial)
        lines += [f"ETag: {rng.choice(('W/', '')) if lie == 'tag' else ''}{tag}"] * (lie != "tag" or rng.random() < 0.5)
        announced = len(rest) + {"short": -len(rest) // 3, "long": 10}.get(lie, 0)
        if lie == "endless" or rng.random() < 0.85:
            lines.append(f"Content-Length: {announced}")
            if not partial:
                self.said.add(content[:announced])
        elif not partial:
            self.said |= {content[: len(content) // 2], rest}
        if lie == "page":
            lines.append("Content-Type: text/html")
        client.sendall("\r\n".join([*lines, "", ""]).encode())
        match rng.randrange(4):
            case 0:
                rest = rest[: len(rest) // 2]
        if lie == "trickle":
            for byte in rest[:200]:
                client.sendall(bytes([byte]))
                time.sleep(0.01)
            return
        client.sendall(rest)
        if lie == "endless":
            until = time.monotonic() + 5
            while time.monotonic() < until:
                client.sendall(rest[:1] * 10_000)
