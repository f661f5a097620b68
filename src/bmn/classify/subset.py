"""The classifier of segments over a subset of the data: trained after the network, and asked about its proposals."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from bmn.base.schema import ClassifyParams
from bmn.classify.classifier import SegmentClassifier, by_class
from bmn.classify.fit import fit
from bmn.classify.pooling import Floats
from bmn.data.subset import Subset
from bmn.model.network import BMN
from bmn.proposals import PUBLISHED
from bmn.proposals.subset import subset_proposals

PROPOSED = 128  # training videos whose proposals are learned from: enough, and few seconds on a CPU
FIRST = 20  # of their proposals, each
BATCH_SIZE = 16  # of its own: what is learned does not depend on evaluate.*


def learn(network: BMN, training: Subset, settings: ClassifyParams) -> SegmentClassifier | None:
    """Train the classifier on the segments of a subset and on what a trained network proposes in it.

    Returns:
        None where all segments have one label, so that there is nothing to tell apart.
    """
    videos = list(training.rows_by_video())
    chosen = {videos[place] for place in np.unique(np.linspace(0, len(videos) - 1, PROPOSED).astype(int))}
    rows = [row for row, window in enumerate(training.store.windows) if window.video in chosen]
    store = replace(
        training.store,
        windows=tuple(training.store.windows[row] for row in rows),
        array=training.store.array[rows],
    )
    part = replace(training, store=store, segments=[training.segments[row] for row in rows])
    proposals = subset_proposals(network, part, PUBLISHED, BATCH_SIZE)
    return fit(training, {video: found[:FIRST] for video, found in proposals.items()}, settings)


def subset_detections(
    classifier: SegmentClassifier, subset: Subset, proposals: Mapping[str, Floats]
) -> dict[str, dict[str, Floats]]:
    """The detections of every video of a subset: class → video → ``[detection, 3]`` (start, end in seconds, score)."""
    found = {}
    for video, rows in subset.rows_by_video().items():
        windows = [subset.store.windows[row] for row in rows]
        found[video] = classifier.detect(subset.store.read(rows), windows, proposals[video])
    return by_class(found)
