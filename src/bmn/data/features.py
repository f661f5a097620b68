"""Feature files: one array a video, checked and brought to ``[snippet, channel]``."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bmn.errors import BmnError


def read_features(path: Path, channels: int) -> NDArray[np.float32]:
    """Read the features of one video.

    Args:
        path: a ``.npy`` file of shape ``[snippet, channel]`` or ``[channel, snippet]``; where both readings
            fit the first holds.
        channels: the number of channels.

    Returns:
        ``[snippet, channel]``, float32.

    Raises:
        BmnError: the file is missing or damaged, would have to be unpickled, has another shape, no snippets,
            or holds NaN or infinities.
    """
    try:
        array = np.load(path, allow_pickle=False)
    except FileNotFoundError as error:
        raise BmnError(f"{path}: no such feature file; add it or take the video out") from error
    except (OSError, ValueError, EOFError) as error:
        reason = str(error).splitlines()[0]
        raise BmnError(
            f"{path}: is not a readable .npy array ({reason}); write it with numpy.save"
        ) from error
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
        raise BmnError(f"{path}: holds no array of numbers; write it with numpy.save as float32")
    if array.ndim != 2 or channels not in array.shape or array.size == 0:
        raise BmnError(
            f"{path}: has the shape {array.shape} but must be [snippet, channel] with {channels} channels; "
            "extract it again or set the number of channels"
        )
    if array.shape[1] != channels:
        array = array.T
    with np.errstate(over="ignore"):
        features = np.ascontiguousarray(array, dtype=np.float32)
    if not np.isfinite(features).all():
        snippet, channel = np.argwhere(~np.isfinite(features))[0]
        raise BmnError(
            f"{path}: holds {features[snippet, channel]} at snippet {snippet}, channel {channel}; "
            "extract it again"
        )
    return features


def resize(features: NDArray[np.float32], tscale: int) -> NDArray[np.float32]:
    """Resize to ``tscale`` snippets by linear interpolation between snippet centres.

    A snippet stands for a stretch of time; its value lies at the middle of it, and the first and last value
    are held beyond the outermost middles. This is what ActionFormer and OpenTAD do (``interpolate``,
    ``align_corners=False``).

    Args:
        features: ``[snippet, channel]``.

    Returns:
        ``[tscale, channel]``, float32; the input itself when it has this length.
    """
    length = len(features)
    if length == tscale:
        return features
    position = np.clip((np.arange(tscale) + 0.5) * (length / tscale) - 0.5, 0, length - 1)
    below = np.floor(position).astype(np.int64)
    above = np.minimum(below + 1, length - 1)
    weight = (position - below).astype(np.float32)[:, None]
    resized: NDArray[np.float32] = features[below] * (1 - weight) + features[above] * weight
    return resized
