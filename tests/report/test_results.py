import numpy as np
import pytest

from bmn.base.errors import BmnError
from bmn.report.results import read_proposals, write_proposals


def test_proposals_survive_a_round_trip(tmp_path):
    rows = np.array([[0.5, 3.25, 0.9], [1.0, 2.0, 0.1]])
    write_proposals(tmp_path / "proposals.json", {"v_UmAH95xls": rows, "b": np.empty((0, 3))})
    found = read_proposals(tmp_path / "proposals.json")
    assert {video: proposals.tolist() for video, proposals in found.items()} == {"v_UmAH95xls": rows.tolist(), "b": []}


def test_names_are_brought_to_ids_and_a_video_given_twice_is_refused(tmp_path):
    path = tmp_path / "proposals.json"
    path.write_text('{"results": {"v_a": [{"segment": [0, 1], "score": 0.5}]}}')
    assert list(read_proposals(path)) == ["a"]
    path.write_text('{"results": {"v_a": [], "b": [], "a": []}}')
    with pytest.raises(BmnError, match=r"proposals\.json: has video a twice, with and without v_; keep one"):
        read_proposals(path)
