"""What is lost to labels."""

import numpy as np

from benchmarks.labels import with_true_labels
from bmn.data.videos import Segment, Video


def test_a_proposal_gets_the_label_of_the_segment_that_it_overlaps_most():
    video = Video("v", "validation", 100.0, (Segment(0, 10, "jump"), Segment(8, 40, "run")))
    proposals = np.array([[0, 9, 0.9], [5, 30, 0.8], [90, 100, 0.1]])
    found = with_true_labels([video], {"v": proposals})
    assert {label: rows["v"].tolist() for label, rows in found.items()} == {
        "jump": [[0, 9, 0.9], [90, 100, 0.1]],
        "run": [[5, 30, 0.8]],
    }
