import json

import pytest

from bmn.base.errors import BmnError
from bmn.data.classifier import read_classifier


def test_class_scores_are_read_and_checked(tmp_path):
    path = tmp_path / "scores.json"
    path.write_text(json.dumps({"class": ["a", "b"], "results": {"v_x": [0.25, 0.5]}}))
    read = read_classifier(path)
    assert list(read.classes) == ["a", "b"]
    assert read.scores["x"].tolist() == [0.25, 0.5]
    for bad in (
        [],
        {"results": {}},
        {"class": ["a"], "results": {"x": [1, 2]}},
        {"class": ["a"], "results": {"x": ["y"]}},
    ):
        path.write_text(json.dumps(bad))
        with pytest.raises(BmnError, match=r"scores\.json"):
            read_classifier(path)
