import json
from pathlib import Path

import numpy as np
import pytest

from bmn.data.synthetic import make_synthetic
from bmn.errors import BmnError
from bmn.inference.inputs import Item, read_items

ROOT = Path(__file__).parents[2]


def test_the_shipped_example_is_a_video_of_the_embedded_data_set(tmp_path):
    make_synthetic(tmp_path, seed=7, videos={"validation": 1})
    [(video, entry)] = json.loads((tmp_path / "annotations.json").read_text()).items()
    [item] = read_items(ROOT / "data/example_feat.list", None)
    assert item == Item("data/example_feat.npy", entry["duration_second"])
    shipped = np.load(ROOT / item.path)
    np.testing.assert_allclose(shipped, np.load(tmp_path / f"features/{video}.npy"), rtol=0, atol=1e-5)


def test_a_list_in_the_published_form(tmp_path):
    path = tmp_path / "videos.list"
    path.write_text(
        '{"feat_path": "a.npy", "duration_second": 12}\n\n{"feat_path": "b c.npy", "duration_second": 0.5, "more": 1}\n'
    )
    assert read_items(path, None) == [Item("a.npy", 12.0), Item("b c.npy", 0.5)]


def test_a_feature_file_stands_for_itself():
    assert read_items(Path("x/a.npy"), 8.5) == [Item("x/a.npy", 8.5)]
    assert read_items(Path("x/a.npy"), None) == [Item("x/a.npy", 1.0)]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "names no feature file"),
        ("a.npy 12", "line 1: is not JSON"),
        ('{"feat_path": "a.npy", "duration_second": 1}\n["a.npy", 1]', "line 2: is .* is expected"),
        ('{"feat_path": "a.npy"}', "line 1: is .* is expected"),
        ('{"feat_path": 3, "duration_second": 1}', "line 1: is .* is expected"),
        ('{"feat_path": "a.npy", "duration_second": "1"}', "line 1: is .* is expected"),
        ('{"feat_path": "a.npy", "duration_second": 0}', "duration_second is 0; a number of seconds above 0"),
        ('{"feat_path": "a.npy", "duration_second": NaN}', "duration_second is nan; a number of seconds above 0"),
    ],
)
def test_a_bad_list_is_refused_in_a_sentence_that_names_the_line(tmp_path, text, sentence):
    path = tmp_path / "videos.list"
    path.write_text(text)
    with pytest.raises(BmnError, match=rf"videos\.list.*{sentence}") as caught:
        read_items(path, None)
    assert "\n" not in str(caught.value)


def test_a_list_that_is_missing_or_no_text_is_refused(tmp_path):
    with pytest.raises(BmnError, match="cannot be read as a list"):
        read_items(tmp_path / "nowhere.list", None)
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BmnError, match="cannot be read as a list"):
        read_items(tmp_path / "binary", None)
