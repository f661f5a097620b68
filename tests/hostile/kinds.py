"""What is attacked: for each kind of input how a hostile one is made, what the product does with it, and what an
accepted one must mean.

An accepted input is judged twice. Its meaning keeps the promises of the product (a segment lies within its video,
numbers are finite); and an independent reader finds the same in the same bytes (json, csv, zipfile and tarfile of
Python, the loader of NumPy, the pure form of ruamel.yaml), or, where there is none, it is the same when it is written
and read again.
"""

import csv
import io
import json
import math
import tarfile
import zipfile
from pathlib import Path

import numpy as np
from hostile.mutations import NUMBERS, TEXTS, damaged, restructured, rewritten

from bmn.base.errors import BmnError

CHANNELS = 8


class Garbage(Exception):
    """The product accepted what means nothing."""


def demand(promise, told):
    if not promise:
        raise Garbage(told)


def finite(*values):
    return all(isinstance(value, int | float) and math.isfinite(value) for value in values)


class Annotations:
    """Annotation files, to videos."""

    def __init__(self, samples):
        from bmn.conversion.annotations import clean, refuse
        from bmn.conversion.dialects import read_annotations
        from bmn.data.videos import write_annotations

        self.read, self.clean, self.refuse, self.write = read_annotations, clean, refuse, write_annotations
        self.samples = [path.read_text() for path in sorted(samples.glob("annotations*"))]

    def attack(self, rng, folder):
        text = rng.choice(self.samples)
        if text.startswith("{") and rng.random() < 0.6:
            content = restructured(rng, json.loads(text))
        elif rng.random() < 0.5:
            content = rewritten(rng, text)
        else:
            content = damaged(rng, text.encode(), [other.encode() for other in self.samples])
        path = folder / "annotations.json"
        path.write_bytes(content)
        videos = self.videos(path)
        for video in videos:
            demand(video.subset in ("training", "validation", "testing"), video)
            demand(finite(video.duration) and video.duration > 0, video)
            demand(video.id and "/" not in video.id and not video.id.startswith("."), video)
            for segment in video.segments:
                demand(finite(segment.start, segment.end), video)
                demand(0 <= segment.start < segment.end <= video.duration, video)
                demand(segment.label.strip(), video)
        again = folder / "again.json"
        self.write(again, videos)
        demand(self.videos(again) == videos, "written and read again it is another")

    def videos(self, path):
        videos, findings = self.clean(self.read(path))
        self.refuse(findings, path)
        return videos


class Features:
    """Feature files of one form, to arrays."""

    def __init__(self, samples, form):
        from bmn.acquire.features import common_channels, read_features

        self.read, self.channels, self.form = read_features, common_channels, form
        self.samples = [path.read_bytes() for path in sorted(samples.glob(f"v_*.{form}"))]

    def attack(self, rng, folder):
        content = rng.choice(self.samples)
        if self.form == "csv" and rng.random() < 0.7:
            content = rewritten(rng, content.decode())
        elif self.form != "csv" and rng.random() < 0.4:
            content = self.other_header(rng, content)
        else:
            content = damaged(rng, content, self.samples)
        path = folder / f"v_a.{self.form}"
        path.write_bytes(content)
        found = self.read(path, CHANNELS)
        demand(found.dtype == np.float32 and found.ndim == 2, found.dtype)
        demand(found.shape[1] == CHANNELS and len(found) > 0, found.shape)
        demand(np.isfinite(found).all(), "numbers that are not finite")
        demand(self.channels({"v_a": path}) > 0, "no channels")
        wanted = np.asarray(self.independent(path), np.float32)
        demand(np.array_equal(found, wanted if wanted.shape[1] == CHANNELS else wanted.T), "other numbers")

    def other_header(self, rng, content):
        """A header of ``.npy`` that says something else, packed again where it was packed."""
        if self.form == "npz":
            with zipfile.ZipFile(io.BytesIO(content)) as packed:
                [name] = packed.namelist()
                content = packed.read(name)
        length = int.from_bytes(content[8:10], "little")
        header, rest = content[10 : 10 + length].decode(), content[10 + length :]
        shape = header[header.index("(") : header.index(")") + 1]
        dtype = rng.choice(
            ("<f4", ">f8", "|O", "<U9", "|V4", "<f2", "<i8", "<M8[s]", "<c8", "(9999999,)<f4", "|S0", "?")
        )
        other = rng.choice(
            (
                header.replace(shape, f"({rng.choice(NUMBERS)}, {rng.choice(NUMBERS)})"),
                header.replace(shape, "(True, 16)"),
                header.replace(shape, "(" * rng.choice((9, 300)) + ")"),
                header.replace("<f4", dtype),
                header.replace("'<f4'", "[('a', '<f4')]"),
                header.replace("False", "True"),
                header.replace("'shape'", "'shape': (1, 8), 'shape'"),
            )
        )
        written = other.encode("utf-8", "surrogatepass")
        content = content[:8] + (len(written) % 65536).to_bytes(2, "little") + written + rest
        if self.form == "npy":
            return content
        packed = io.BytesIO()
        compression = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
        with zipfile.ZipFile(packed, "w", compression) as archive:
            for number in range(rng.choice((1, 1, 1, 2))):
                archive.writestr(f"{rng.choice(('a.npy', '../outside.npy', 'a'))}{'x' * number}", content)
            if rng.random() < 0.05:
                with archive.open("bomb.npy", "w") as bomb:
                    for _ in range(200):
                        bomb.write(bytes(1_000_000))
        return packed.getvalue()

    def independent(self, path):
        if self.form != "csv":
            loaded = np.load(path, allow_pickle=False)
            return loaded if isinstance(loaded, np.ndarray) else loaded[loaded.files[0]]
        rows = [row for row in csv.reader(path.read_text(encoding="utf-8-sig").splitlines()) if "".join(row).strip()]
        named = not any(_is_number(field) for field in rows[0])
        counted = [field.strip() for field in rows[0]] == [str(number) for number in range(len(rows[0]))]
        return [[float(field) for field in row] for row in rows[named or counted :]]


def _is_number(text):
    try:
        return float(text) is not None
    except ValueError:
        return False


class Params:
    """``params.yaml``."""

    def __init__(self, samples):
        from ruamel.yaml import YAML

        from bmn.base.params import flatten, load_params

        self.load, self.flatten, self.yaml = load_params, flatten, YAML
        self.sample = (samples / "params.yaml").read_text()

    def attack(self, rng, folder):
        content = rewritten(rng, self.sample) if rng.random() < 0.7 else damaged(rng, self.sample.encode())
        if rng.random() < 0.1:
            content += b"\nx0: &x0 [a, a]\n" + b"".join(
                b"x%d: &x%d [*x%d, *x%d]\n" % (n + 1, n + 1, n, n) for n in range(40)
            )
        path = folder / "params.yaml"
        path.write_bytes(content)
        accepted = dict(self.flatten(self.load(path).model_dump()))
        values = self.yaml(typ="safe", pure=True).load(content.decode("utf-8-sig"))
        for key, value in self.flatten(values):
            demand(accepted.get(key) == value or (value == {} and key not in accepted), (key, value, accepted.get(key)))


class Lists:
    """Lists for ``bmn predict``, to its results."""

    def __init__(self, samples):
        from bmn.predict.files import predict_files
        from bmn.predict.inputs import find_items
        from bmn.predict.outputs import save_csv, save_json
        from bmn.predict.predictor import Predictor

        self.find, self.predict = find_items, predict_files
        self.savers = {"json": save_json, "csv": save_csv}
        self.predictor = Predictor(samples / "export" / "BMN.onnx")
        self.good = [{"feat_path": str(path), "duration_second": 12.5} for path in sorted(samples.glob("v_*"))]

    def attack(self, rng, folder):
        entries = [rng.choice(self.good) | {"duration_second": rng.uniform(1, 100)} for _ in range(rng.randint(1, 4))]
        lines = [json.dumps(entry) for entry in entries]
        at = rng.randrange(len(lines))
        match rng.randrange(4):
            case 0:
                lines[at] = restructured(rng, entries[at]).decode("utf-8", "surrogatepass")
            case 1:
                number = rng.choice(NUMBERS)
                lines[at] = json.dumps(entries[at] | {"duration_second": 77777}).replace("77777", number)
            case 2:
                entries[at]["feat_path"] = rng.choice((*TEXTS, "/dev/zero", "/dev/stdin", "/proc/self/mem", "/"))
                lines[at] = json.dumps(entries[at])
        text = "\n".join(lines)
        content = text.encode("utf-8", "surrogatepass") if rng.random() < 0.7 else rewritten(rng, text)
        path = folder / "videos.list"
        path.write_bytes(content)
        items = self.find([str(path)], None)
        written = [json.loads(line) for line in content.decode().splitlines() if line.strip()]
        demand({item.path for item in items} == {entry["feat_path"] for entry in written}, items)
        for item in items:
            demand(finite(item.duration) and item.duration > 0, item)
        self.predict(items, self.predictor, folder / "results", self.savers, 2, quiet=True)
        [found] = (folder / "results").glob("*.json")
        json.loads(found.read_text(encoding="utf-8"))


class Weights:
    """``.pdparams`` files, to a network."""

    def __init__(self, samples):
        from bmn.base.params import ModelParams
        from bmn.model.weights import load_network, read_weights, write_weights

        self.read, self.write, self.network = read_weights, write_weights, load_network
        self.model = ModelParams.model_validate_json((samples / "model.json").read_text())
        self.samples = [path.read_bytes() for path in sorted(samples.glob("*.pdparams"))]

    def attack(self, rng, folder):
        content = rng.choice(self.samples)
        match rng.randrange(4):
            case 0:
                swap = (b"float32", b"f4", b"ndarray", b"dtype", b"_reconstruct", b"numpy", b"weight")
                told = rng.choice([word for word in swap if word in content])
                other = rng.choice((b"os", b"system", b"posix", b"eval", b"f8", b"O8", b"V8", b"builtins", b"x" * 300))
                content = content.replace(told, other[: len(told)].ljust(len(told), b"_"), rng.choice((1, -1)))
            case 1:
                at = rng.randrange(len(content))
                content = (
                    content[:at]
                    + rng.choice((b"cos\nsystem\n(S'id'\ntR", b"\x85R", b"}" * 99, b"(" * 9999))
                    + content[at:]
                )
            case _:
                content = damaged(rng, content, self.samples)
        path = folder / "w.pdparams"
        path.write_bytes(content)
        weights = self.read(path)
        for name, array in weights.items():
            demand(isinstance(name, str) and array.dtype == np.float32, name)
            demand(np.isfinite(array).all(), name)
        again = folder / "again.pdparams"
        self.write(weights, again)
        found = self.read(again)
        demand(found.keys() == weights.keys(), "other names")
        demand(all(np.array_equal(found[name], weights[name]) for name in weights), "other numbers")
        self.network(self.model, path)


class Programs:
    """Programs of one form, to proposals."""

    def __init__(self, samples, form):
        from bmn.predict.predictor import Predictor

        self.open, self.form, self.folder = Predictor, form, samples / "export"
        self.program = (self.folder / f"BMN.{form}").read_bytes()
        self.weights = (self.folder / "BMN.pdiparams").read_bytes()
        self.manifest = (self.folder / "manifest.json").read_bytes()
        self.features = np.random.default_rng(0).normal(size=(20, CHANNELS)).astype(np.float32)
        Predictor(self.folder / f"BMN.{form}").propose(self.features, 10.0)  # what is loaded once is loaded now

    def attack(self, rng, folder):
        program, weights, manifest = self.program, self.weights, self.manifest
        match rng.randrange(8):
            case 0 if self.form != "onnx":
                weights = damaged(rng, weights)
            case 1 if self.form == "json":
                program = restructured(rng, json.loads(program))
            case 1 | 2 if self.form == "json":
                program = rewritten(rng, program.decode())
            case 3:
                manifest = restructured(rng, json.loads(manifest))
            case 4 | 5:
                program = self.renamed(rng)
            case _:
                program = damaged(rng, program, [self.weights])
        path = folder / f"BMN.{self.form}"
        path.write_bytes(program)
        if self.form != "onnx":
            path.with_suffix(".pdiparams").write_bytes(weights)
        vouched = manifest is not self.manifest or rng.random() < 0.2
        if vouched:
            (folder / "manifest.json").write_bytes(manifest)
        proposals = self.open(path).propose(self.features, 10.0)
        for proposal in proposals:
            start, end = proposal["segment"]
            demand(finite(start, end, proposal["score"]), proposal)
            demand(0 <= start < end <= 10 and 0 <= proposal["score"] <= 1, proposal)
        if vouched and manifest is self.manifest:
            demand((program, weights) == (self.program, self.weights), "the manifest names other bytes")

    def renamed(self, rng):
        """An operator, type or name that became another of the same length."""
        foreign = {
            "pdmodel": (b"save", b"load", b"read", b"print", b"while", b"py_func", b"run_program", b"save_combine"),
            "json": (
                b"1.save_combine",
                b"1.load_combine",
                b"1.py_func",
                b"1.print",
                b"1.if",
                b"1.while",
                b"3.custom",
                b"p",
            ),
            "onnx": (b"If", b"Loop", b"Scan", b"RandomNormal", b"external_data", b"ai.onnx.ml", b"com.microsoft"),
        }[self.form]
        known = {
            "pdmodel": (b"relu", b"scale", b"conv2d", b"sigmoid", b"concat", b"feat_input", b"elementwise_add"),
            "json": (b'"1.relu"', b'"1.scale"', b'"1.conv2d"', b'"1.sigmoid"', b'"1.data"', b'"builtin"'),
            "onnx": (b"Relu", b"Conv", b"Sigmoid", b"Concat", b"Reshape", b"Constant", b"feat_input"),
        }[self.form]
        old, new = rng.choice([name for name in known if name in self.program]), rng.choice(foreign)
        if self.form == "json":
            return self.program.replace(old, b'"' + new + b'"', rng.choice((1, -1)))
        old_field, new_field = bytes([len(old)]) + old, bytes([len(old)]) + new[: len(old)].ljust(len(old), b"_")
        return self.program.replace(old_field, new_field, rng.choice((1, -1)))


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
        import hashlib

        from hostile.liar import Liar

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
        lines += [rng.choice(("X: y", "Expect: 100-continue", "Transfer-Encoding: chunked", "Upgrade: websocket"))] * (
            rng.random() < 0.1
        )
        head = "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")
        if rng.random() < 0.05:
            head = damaged(rng, head)
        status, answer = self.ask(head + body)
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

    def ask(self, request):
        """The status and body of what comes back; None where the server ends the connection without a word."""
        import http.client
        import socket

        with socket.create_connection(tuple(self.address), timeout=50) as client:
            try:
                client.sendall(request)
                client.shutdown(socket.SHUT_WR)
                answer = http.client.HTTPResponse(client)
                answer.begin()
                return answer.status, answer.read()
            except (ConnectionError, http.client.BadStatusLine, http.client.IncompleteRead):
                return None, b""


KINDS = {
    "annotations": Annotations,
    "npy": lambda samples: Features(samples, "npy"),
    "npz": lambda samples: Features(samples, "npz"),
    "csv": lambda samples: Features(samples, "csv"),
    "params": Params,
    "lists": Lists,
    "weights": Weights,
    "pdmodel": lambda samples: Programs(samples, "pdmodel"),
    "json": lambda samples: Programs(samples, "json"),
    "onnx": lambda samples: Programs(samples, "onnx"),
    "archives": Archives,
    "downloads": Downloads,
    "requests": Requests,
}
