"""Exported programs: finding them and opening them safely."""

from importlib.util import find_spec
from pathlib import Path

from bmn.base.checksums import sha256
from bmn.base.errors import BmnError
from bmn.base.files import read_json
from bmn.runtimes.engines import Program, open_engine
from bmn.runtimes.trial import try_out

MANIFEST = "manifest.json"  # beside the programs of an exported model
PARAMETERS = "parameters_sha256"  # the manifest's key for the checksum of the .pdiparams
PROGRAMS = (".pdmodel", ".json", ".onnx")  # the published format, that of Paddle 3, ONNX


def find_program(model: Path, device: str = "cpu") -> Path:
    """The program file of an exported model: ``model`` itself, or the fastest in that folder that can run here.

    On a CPU ONNX Runtime is the fastest. On a GPU it was not measured; there Paddle's programs go first.

    Raises:
        BmnError: there is none, or its ``.pdiparams`` is not beside it.
    """
    candidates = [model] if model.suffix in PROGRAMS else [model / f"BMN{suffix}" for suffix in PROGRAMS]
    found = [
        program
        for program in candidates
        if program.is_file() and (program.suffix == ".onnx" or program.with_suffix(".pdiparams").is_file())
    ]
    if not found:
        raise BmnError(f"{model}: contains no BMN.pdmodel with BMN.pdiparams; export a model first (dvc repro export)")

    def rank(program: Path) -> tuple[bool, bool]:
        is_installed = find_spec("onnxruntime" if program.suffix == ".onnx" else "paddle") is not None
        return not is_installed, (program.suffix == ".onnx") != (device == "cpu")

    return min(found, key=rank)


def told(program: Path) -> str:
    """A program and what runs it, in words."""
    return f"{program} in {'ONNX Runtime' if program.suffix == '.onnx' else 'Paddle Inference'}"


def open_program(program: Path, device: str = "cpu", use_tensorrt: bool = False) -> Program:
    """Open a program file. Whatever its origin, it is refused unless all its operators are pure computation.

    Unless a manifest beside it vouches for it, it is first tried in a separate process, since a damaged program can
    crash a runtime.

    Args:
        device: ``cpu`` or ``gpu``.
        use_tensorrt: let TensorRT run what it supports; GPU only.

    Raises:
        BmnError: the program could do more than compute, is damaged, differs from its manifest, or is not a BMN; the
            device is unavailable; or the runtime is not installed.
    """
    if not is_as_exported(program):
        try_out(program)
    return open_engine(program, device, use_tensorrt)


def is_as_exported(program: Path) -> bool:
    """Whether a manifest beside a program lists its checksum and that of its weights.

    Raises:
        BmnError: the manifest is not JSON, or lists other checksums.
    """
    path = program.with_name(MANIFEST)
    manifest = read_json(path) if path.exists() else {}
    try:
        named = {program: manifest["programs"][program.name]["sha256"]}
        if program.suffix != ".onnx":
            named[program.with_suffix(".pdiparams")] = manifest[PARAMETERS]
    except (KeyError, TypeError):
        return False
    for file, checksum in named.items():
        if sha256(file) != checksum:
            raise BmnError(f"{file}: is damaged or was replaced: {path.name} lists another checksum; export it again")
    return True
