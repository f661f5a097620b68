"""Backbones by what ``extract.backbone`` says: a program, one of Paddle's vision models, or the packaged MobileNetV2.

The latter two are exported once, without their classifier, and are programs from then on.
"""

from hashlib import sha256
from pathlib import Path
from typing import Any

from bmn.base.errors import BmnError
from bmn.base.files import atomic_folder, once
from bmn.base.schema import ExtractParams
from bmn.runtimes.backbone import Backbone, open_backbone
from bmn.runtimes.programs import PROGRAMS
from bmn.video.packaged import PACKAGE, packaged_weights

NAME = "backbone"
CACHE = Path(".cache/download/backbones")  # of those that were exported, in the project's folder


def backbone_program(name: str, root: Path) -> Path:
    """The program of a backbone; one that has a name is exported into the cache where it is not there.

    Args:
        name: ``extract.backbone``.
        root: the project's folder, that relative paths start from.

    Raises:
        BmnError: there is no such file or name, or its weights cannot be fetched.
    """
    if name.endswith(PROGRAMS):
        return root / name
    folder = root / CACHE / name

    def export() -> None:
        with atomic_folder(folder) as temporary:
            _write(_packaged() if name == PACKAGE else _pretrained(name), temporary)

    once(folder, export)
    return next(path for path in folder.iterdir() if path.suffix in PROGRAMS)


def checksum(program: Path) -> str:
    """What tells a backbone from another: the SHA-256 of its weights, for ONNX of the whole file.

    Raises:
        BmnError: the files cannot be read.
    """
    files = [program] if program.suffix == ".onnx" else [program.with_suffix(".pdiparams")]
    try:
        return sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    except OSError as error:
        raise BmnError(f"{error.filename}: cannot be read ({error.strerror}); correct extract.backbone") from error


def opened(extract: ExtractParams, program: Path, device: str, threads: int) -> Backbone:
    """The backbone, ready to run.

    Raises:
        BmnError: see :func:`bmn.runtimes.backbone.open_backbone`.
    """
    return open_backbone(program, extract.output, extract.frames, extract.size, device, threads)


def _pretrained(name: str) -> Any:
    paddle = _paddle(name)
    build = getattr(paddle.vision.models, name, None) if name.islower() else None
    if build is None:
        raise BmnError(
            f"params.yaml: extract.backbone is {name!r}; {PACKAGE}, a model of paddle.vision.models such as "
            f"mobilenet_v2, or a file that ends with {', '.join(PROGRAMS)} is expected"
        )
    try:
        return build(pretrained=True, num_classes=0)
    except (Exception, SystemExit) as error:  # whatever the download raises
        reason = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        raise BmnError(
            f"params.yaml: extract.backbone is {name!r}, whose weights Paddle cannot fetch ({reason}); try again, or "
            "name another backbone"
        ) from error


def _packaged() -> Any:
    paddle = _paddle(PACKAGE)
    network = paddle.vision.models.mobilenet_v2(num_classes=0)
    ours, theirs = network.state_dict(), packaged_weights()
    for (name, tensor), (their_name, array) in zip(ours.items(), theirs.items(), strict=True):
        assert tuple(tensor.shape) == array.shape, (name, their_name)
        tensor.set_value(array)
    return network


def _write(network: Any, folder: Path) -> None:
    from bmn.model.paddle import paddle

    network.eval()
    images = paddle.static.InputSpec([None, 3, None, None], "float32")
    paddle.jit.save(network, str(folder / NAME), input_spec=[images])


def _paddle(name: str) -> Any:
    try:
        from bmn.model.paddle import paddle
    except ImportError as error:
        raise BmnError(f"extract.backbone is {name!r}, which Paddle runs; pip install paddlepaddle") from error
    return paddle
