"""What in the data would keep a model from learning, in sentences."""

import hashlib

import numpy as np

from bmn.data.store import FeatureStore
from bmn.data.subset import Subset
from bmn.report.facts import SAMPLED, ChannelFacts

SCALES = 100  # ratio of standard deviations above which channels are too different
WHOLE = 0.95  # fraction of a video
NAMED = 5  # examples per sentence


def data_warnings(training: Subset, validation: Subset, channels: ChannelFacts) -> list[str]:
    """Suspicious properties of converted data, a sentence each; empty if there are none.

    Args:
        channels: statistics of the training features.
    """
    found = [*_channels(channels), *_repeats(training.store)]
    segments = [(one.end - one.start) / video.duration for video in training.videos.values() for one in video.segments]
    whole = sum(length >= WHOLE for length in segments)
    if 2 * whole > len(segments):
        found.append(
            f"{whole} of {len(segments)} training segments cover a whole video: the network will learn to propose all "
            "of it; add videos with more than the action, or join the parts of longer ones"
        )
    labels = [
        {one.label for video in subset.videos.values() for one in video.segments} for subset in (validation, training)
    ]
    if unseen := sorted(labels[0] - labels[1]):
        found.append(f"validation classes that do not occur in training: {_some(unseen)}")
    return found


def _channels(channels: ChannelFacts) -> list[str]:
    found = []
    if constant := channels.constant.tolist():
        found.append(f"{len(constant)} channels are constant and carry nothing: {_some(constant)}")
    varying = channels.std[channels.std > 0]
    if len(varying) and (ratio := varying.max() / varying.min()) > SCALES:
        found.append(
            f"the standard deviations of the channels differ by a factor of {ratio:.0f} (the largest is that of "
            f"channel {channels.std.argmax()}): the largest drown the others; normalize each channel"
        )
    return found


def _repeats(store: FeatureStore) -> list[str]:
    """Windows of different videos with the same content, and windows whose snippets are all equal."""
    frozen, same = [], []
    owners: dict[bytes, str] = {}
    for row in np.unique(np.linspace(0, len(store) - 1, SAMPLED).astype(np.int64)):
        features, video = store.read([row])[0], store.windows[row].video
        if (features == features[:, :1]).all():
            frozen.append(video)
            continue
        owner = owners.setdefault(hashlib.sha256(features.tobytes()).digest(), video)
        if owner != video:
            same.append(f"{owner} and {video}")
    found = []
    if frozen:
        found.append(f"the features of {len(frozen)} windows are the same at every snippet: {_some(frozen)}")
    if same:
        found.append(f"videos with the same features: {_some(same)}; were they extracted from the right files?")
    return found


def _some(names: list[str]) -> str:
    return ", ".join(map(str, names[:NAMED])) + (", …" if len(names) > NAMED else "")
