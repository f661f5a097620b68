"""Hostile data: annotations, features, parameters, lists."""

import csv
import io
import json
import zipfile

import numpy as np
from hostile.judge import CHANNELS, demand, finite
from hostile.mutations import NUMBERS, TEXTS, damaged, restructured, rewritten


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
        from bmn.predict.files import predict_batches, predict_files
        from bmn.predict.inputs import find_items
        from bmn.predict.outputs import save_csv, save_json
        from bmn.predict.predictor import Predictor

        self.find, self.predict = find_items, predict_files
        self.savers = {"json": save_json, "csv": save_csv}
        predictor = Predictor(samples / "export" / "BMN.onnx")
        self.compute = lambda batches, hear: predict_batches(batches, predictor, False, hear)
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
        self.predict(items, self.compute, {}, folder / "results", self.savers, 2, quiet=True)
        [found] = (folder / "results").glob("*.json")
        json.loads(found.read_text(encoding="utf-8"))
