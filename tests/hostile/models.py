"""Hostile models: weights and programs."""

import json

import numpy as np
from hostile.judge import CHANNELS, demand, finite
from hostile.mutations import damaged, restructured, rewritten


class Weights:
    """``.pdparams`` files, to a network."""

    def __init__(self, samples):
        from bmn.base.schema import ModelParams
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
