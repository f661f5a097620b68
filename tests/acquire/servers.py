"""A file server on the loopback address that misbehaves on request."""

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Site:
    """One file, and what goes wrong with the first requests for it.

    Attributes:
        faults: taken from the front, one a request: a status code; ``reset`` or ``stall`` (after half of what is
            asked for was sent); ``change`` (the file becomes ``other`` before it answers).
        requests: the Range header of each request so far, or None.
    """

    content: bytes
    other: bytes = b""
    faults: list[int | str] = field(default_factory=list)
    ranges: bool = True
    etag: bool = True
    length: bool = True
    content_type: str = "application/octet-stream"
    requests: list[str | None] = field(default_factory=list)
    url: str = ""


@contextmanager
def serve(site: Site) -> Iterator[Site]:
    """Serve the file until the block ends; ``site.url`` says where."""
    quiet = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def do_GET(self):
            asked = self.headers.get("Range")
            site.requests.append(asked)
            fault = site.faults.pop(0) if site.faults else None
            if isinstance(fault, int):
                self.send_response(fault)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            if fault == "change":
                site.content = site.other
            tag = f'"{hashlib.md5(site.content).hexdigest()}"'
            begin, whole = 0, len(site.content)
            fresh = self.headers.get("If-Range", tag) == tag
            if asked and site.ranges and fresh:
                begin = int(re.match(r"bytes=(\d+)-", asked)[1])
                if begin >= whole:
                    self.send_response(416)
                    self.send_header("Content-Range", f"bytes */{whole}")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {begin}-{whole - 1}/{whole}")
            else:
                self.send_response(200)
            body = site.content[begin:]
            if site.etag:
                self.send_header("ETag", tag)
            self.send_header("Content-Type", site.content_type)
            if site.length:
                self.send_header("Content-Length", str(len(body)))
            else:
                self.send_header("Connection", "close")
            self.end_headers()
            if fault in ("reset", "stall"):
                self.wfile.write(body[: len(body) // 2])
                self.wfile.flush()
                if fault == "stall":
                    quiet.wait()  # until the block ends: longer than anybody's patience
                self.close_connection = True
                return
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    site.url = f"http://127.0.0.1:{server.server_port}/file.tar.gz"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        quiet.set()
        server.shutdown()
        server.server_close()
        thread.join()
