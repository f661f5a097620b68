"""Hostile things that come over a network: archives, downloads, requests."""

import hashlib
import http.client
import io
import json
import socket
import tarfile
import zipfile
from pathlib import Path

from hostile.judge import demand, finite
from hostile.liar import Liar
from hostile.mutations import TEXTS, damaged, restructured, rewritten

from bmn.base.errors import BmnError


class Archives:
    """Archives, to files."""

    def __init__(self, samples):
        from bmn.acquire.archives import unpack

        self.unpack = unpack
        self.samples = [path.read_bytes() for path in sorted(samples.glob("archive.*"))]

    def attack(self, rng, folder):
        content = damaged(rng, rng.choice(self.samples), self.samples) if rng.random() < 0.6 else self.packed(rng)
        path = folder / "archive"
        path.write_bytes(content)
        out = folder / "deep" / "out"
        count = self.unpack(path, out)
        found = {str(file.relative_to(out)): file.read_bytes() for file in out.rglob("*") if file.is_file()}
        demand(not any(file.is_symlink() for file in out.rglob("*")), "a link")
        demand(count == len(found), (count, len(found)))
        if content.startswith(b"PK"):
            with zipfile.ZipFile(path) as packed:
                wanted = {str(Path(name)): packed.read(name) for name in packed.namelist() if not name.endswith("/")}
        else:
            with tarfile.open(path) as packed:
                wanted = {str(Path(info.name)): packed.extractfile(info).read() for info in packed if info.isreg()}
        demand(found == wanted, "other files")

    def packed(self, rng):
        packed = io.BytesIO()
        names = [rng.choice(("v_a.npy", "a/v_b.npy", "deep/../v_c.npy", *TEXTS)) for _ in range(rng.randint(1, 4))]
        if rng.random() < 0.4:
            with zipfile.ZipFile(packed, "w", rng.choice((0, 8, 12, 14))) as archive:
                for name in names:
                    with_mode = zipfile.ZipInfo(name.encode("utf-8", "replace").decode() or "x")
                    with_mode.external_attr = rng.choice((0, 0o100644, 0o120777, 0o010644, 0o060644)) << 16
                    archive.writestr(with_mode, rng.randbytes(9) * rng.choice((1, 99, 9_999_999 // 9)))
            return packed.getvalue()
        with tarfile.open(fileobj=packed, mode=rng.choice(("w", "w:gz")), errors="surrogateescape") as archive:
            for name in names:
                info = tarfile.TarInfo(name.encode("utf-8", "replace").decode().replace("\0", "") or "x")
                info.type = rng.choice((b"0", b"0", b"0", b"1", b"2", b"3", b"4", b"5", b"6", b"S"))
                info.linkname = rng.choice(("/etc/passwd", "../../outside", ""))
                info.size = rng.choice((0, 10, 10, 9999)) if info.type == b"0" else 0
                archive.addfile(info, io.BytesIO(bytes(info.size)))
        return packed.getvalue()


class Downloads:
    """A file from a server that lies."""

    def __init__(self, samples):
        from bmn.acquire.download import Patience, fetch

        self.fetch = fetch
        self.patience = Patience(answer=0.2, attempts=3, pause=0.001, longest_pause=0.002, slowest=1e4, slow=0.4)

    def attack(self, rng, folder):

        versions = [bytes([letter]) * rng.choice((1, 1000, 100_000)) for letter in b"ab"]
        checked = rng.random() < 0.3
        with Liar(rng, versions) as liar:
            self.fetch(
                liar.url, folder / "file", hashlib.sha256(versions[0]).hexdigest() if checked else None, self.patience
            )
            found = (folder / "file").read_bytes()
            demand(not checked or found == versions[0], "another file than the checksum says")
            demand(found in liar.said, f"{len(found)} bytes, {set(found)}, that the server never gave as a whole")


class Requests:
    """Requests to a running server, to answers."""

    def __init__(self, samples):
        self.address = json.loads((samples / "server.json").read_text())
        self.good = json.loads((samples / "request.json").read_text())

    def attack(self, rng, folder):
        body = json.dumps(self.good).encode()
        match rng.randrange(6):
            case 0 | 1:
                body = restructured(rng, self.good)
            case 2 | 3:
                body = rewritten(rng, body.decode())
            case 4:
                body = damaged(rng, body)
        kinds = ("application/json",) * 12 + (None, "", "text/csv", "application/json; x=y", "application/octet-stream")
        kinds += ("application/vnd.apache.parquet", "application/json; charset=utf-16", "\xff", "a" * 9999)
        kind = rng.choice(kinds)
        length = rng.choice((len(body),) * 15 + (len(body) - 1, len(body) + 1, "", "-1", "9" * 30, "1e3", None))
        lines = [f"POST {rng.choice(('/invocations',) * 12 + ('/ping', '/', '/%00', '//'))} HTTP/1.1", "Host: a"]
        lines += [f"Content-Type: {kind}"] * (kind is not None) + [f"Content-Length: {length}"] * (length is not None)
        extra = ("X: y", "Expect: 100-continue", "Transfer-Encoding: chunked", "Upgrade: websocket")
        lines += [rng.choice(extra)] * (rng.random() < 0.1)
        good_head = "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")
        head = damaged(rng, good_head) if rng.random() < 0.05 else good_head
        unfinished = head != good_head or length == len(body) + 1 or b"chunked" in head
        status, answer = self.ask(head + body, unfinished)
        if status == 200:
            predictions = json.loads(answer)["predictions"]
            for video in predictions:
                for proposal in video["proposals"]:
                    demand(finite(*proposal["segment"], proposal["score"]), proposal)
            return
        if status is not None:
            demand(400 <= status < 500, f"{status} {answer[:300]}")
            demand(len(answer) < 2000, f"{len(answer)} bytes to say no")
            demand(b"Traceback" not in answer, answer[:300])
        assert self.ask(self.request(self.good))[0] == 200, "a good request fails now"
        raise BmnError(f"{status} {answer[:200]!r}")

    def request(self, body):
        body = json.dumps(body).encode()
        head = "POST /invocations HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nConnection: close\r\n"
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body

    def ask(self, request, unfinished=False):
        """The status and body of what comes back; None where the server ends the connection without a word.

        Args:
            unfinished: the server would wait for more, so tell it that nothing follows.
        """
        with socket.create_connection(tuple(self.address), timeout=50) as client:
            try:
                client.sendall(request)
                if unfinished:
                    client.shutdown(socket.SHUT_WR)
                answer = http.client.HTTPResponse(client)
                answer.begin()
                return answer.status, answer.read()
            except (ConnectionError, http.client.BadStatusLine, http.client.IncompleteRead):
                return None, b""
