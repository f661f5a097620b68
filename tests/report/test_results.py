import numpy as np

from bmn.report.results import read_proposals, write_proposals


def test_proposals_come_back_as_they_were_written(tmp_path):
    rows = np.array([[0.5, 3.25, 0.9], [1.0, 2.0, 0.1]])
    write_proposals(tmp_path / "proposals.json", {"v_a": rows, "b": np.empty((0, 3))})
    found = read_proposals(tmp_path / "proposals.json")
    assert {video: proposals.tolist() for video, proposals in found.items()} == {"a": rows.tolist(), "b": []}
