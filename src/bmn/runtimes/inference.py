"""Exported programs opened in Paddle Inference, which is imported on demand: ONNX Runtime works without it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bmn.base.errors import BmnError

GPU_MEMORY = 200  # MiB that Paddle reserves at first; it grows
LARGEST_BATCH = 64  # on a GPU; TensorRT is built for it


def open_predictor(
    program: Path, device: str, threads: int, *, onednn: bool, tensorrt: Mapping[str, Sequence[int]] | None = None
) -> Any:
    """Open a program.

    Args:
        program: ``.pdmodel`` or ``.json``, with its ``.pdiparams`` beside it.
        device: ``cpu`` or ``gpu``; ``auto``: a GPU if Paddle can use one.
        threads: that compute, on a CPU.
        onednn: whether oneDNN computes, on a CPU. Convolutions are up to six times as fast, and the bits of the eight
            backbones that were compared are the same on 1 to 4 threads. Those of a BMN are only without it.
        tensorrt: the sizes of each input but its batch, if TensorRT is to compute.

    Returns:
        Paddle's predictor.

    Raises:
        BmnError: Paddle is not installed, or there is no GPU. Paddle raises anything at all if the program is damaged.
    """
    try:
        from bmn.model.device import require_gpus
        from bmn.model.paddle import paddle
    except ImportError as error:
        raise BmnError(
            f"{program}: Paddle is not installed; pip install paddlepaddle, or use a .onnx program"
        ) from error
    inference = paddle.inference
    config = inference.Config(str(program), str(program.with_suffix(".pdiparams")))
    config.disable_glog_info()
    if program.suffix == ".pdmodel":  # without it all activations stay in memory; .json does not need it
        config.enable_memory_optim()
    if device == "gpu" or (device == "auto" and paddle.device.cuda.device_count() > 0):
        require_gpus(device)
        config.enable_use_gpu(GPU_MEMORY, 0)
    else:
        config.disable_gpu()
        config.set_cpu_math_library_num_threads(threads)
    if tensorrt:
        config.enable_tensorrt_engine(max_batch_size=LARGEST_BATCH, precision_mode=inference.PrecisionType.Float32)
        batches = (1, LARGEST_BATCH, 16)  # the least, the most, the usual
        config.set_trt_dynamic_shape_info(
            *({name: [batch, *sizes] for name, sizes in tensorrt.items()} for batch in batches)
        )
    if onednn:
        config.enable_mkldnn()
        return inference.create_predictor(config)
    config.disable_mkldnn()
    with _without_onednn(paddle):
        return inference.create_predictor(config)


@contextmanager
def _without_onednn(paddle: Any) -> Iterator[None]:
    """Programs opened in it use no oneDNN: its flag counts beside what the program's configuration says."""
    flags = paddle.get_flags("FLAGS_use_mkldnn")
    paddle.set_flags({"FLAGS_use_mkldnn": False})
    try:
        yield
    finally:
        paddle.set_flags(flags)
