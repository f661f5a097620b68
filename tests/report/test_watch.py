"""What is written about a video, and the line about it."""

import numpy as np

from bmn.predict.predictor import Boundaries
from bmn.predict.videos import Watched
from bmn.report.watch import deliver


def test_a_proposal_with_two_labels_counts_once(tmp_path):
    segments = [[0.0, 2.0], [3.0, 5.0], [0.0, 2.0]]
    proposals = [
        {"label": label, "score": score, "segment": segment}
        for label, score, segment in zip(("spin", "spin", "cross"), (0.9, 0.5, 0.2), segments, strict=True)
    ]
    watched = Watched(tmp_path / "clip.mp4", 6.0, proposals, Boundaries(1.0, np.zeros(6), np.zeros(6)))
    line = deliver(watched, tmp_path, clips=0)
    assert line == f"{tmp_path}/clip.html: 2 proposals in 6.0 s; the best: 0.0 to 2.0 s, 3.0 to 5.0 s"
    assert len((tmp_path / "clip.proposals.csv").read_text().splitlines()) == 4
