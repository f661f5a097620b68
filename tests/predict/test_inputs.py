import json
from pathlib import Path

import numpy as np
import pytest

from bmn.acquire.synthetic import make_synthetic
from bmn.base.errors import BmnError
from bmn.predict.inputs import Item, find_items

ROOT = Path(__file__).parents[2]


def test_the_shipped_example_is_a_video_of_the_embedded_data_set(tmp_path):
    make_synthetic(tmp_path, seed=7, videos={"validation": 1})
    [(video, entry)] = json.loads((tmp_path / "annotations.json").read_text()).items()
    [item] = find_items([str(ROOT / "data/example_feat.list")], None)
    assert item == Item("data/example_feat.npy", entry["duration_second"])
    shipped = np.load(ROOT / item.path)
    np.testing.assert_allclose(shipped, np.load(tmp_path / f"features/{video}.npy"), rtol=0, atol=1e-5)


def test_a_list_in_the_published_format(tmp_path):
    path = tmp_path / "videos.list"
    path.write_text(
        '{"feat_path": "a.npy", "duration_second": 12}\n\n{"feat_path": "b c.npy", "duration_second": 0.5, "more": 1}\n'
    )
    assert find_items([str(path)], None) == [Item("a.npy", 12.0), Item("b c.npy", 0.5)]


def test_a_feature_file_stands_for_itself():
    assert find_items(["x/a.npy"], 8.5) == [Item("x/a.npy", 8.5)]
    assert find_items(["x/a.npy"], None) == [Item("x/a.npy", 1.0)]


def test_folders_and_globs_stand_for_the_feature_files_in_them(tmp_path):
    names = ["b.npy", "a.npy", "below/c.npy"]
    for name in [*names, "a.txt", "below/d.list"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [item.path for item in find_items([str(tmp_path)], 3.0)] == [
        str(tmp_path / name) for name in ("a.npy", "b.npy", "below/c.npy")
    ]
    assert find_items([f"{tmp_path}/[ab].*"], 3.0) == [Item(f"{tmp_path}/{name}", 3.0) for name in ("a.npy", "b.npy")]
    assert len(find_items([f"{tmp_path}/**/*.npy"], 3.0)) == 3


def test_a_file_named_twice_is_predicted_once_but_not_with_two_durations(tmp_path):
    path = tmp_path / "videos.list"
    path.write_text('{"feat_path": "a.npy", "duration_second": 12}')
    assert find_items(["a.npy", "b.npy", str(path)], 12.0) == [Item("a.npy", 12.0), Item("b.npy", 12.0)]
    with pytest.raises(BmnError, match=r"a\.npy lasts 12\.0 s here and 8\.0 s before"):
        find_items(["a.npy", str(path)], 8.0)


@pytest.mark.parametrize("given", ["", "*.npy"])
def test_a_folder_or_glob_without_feature_files_is_refused(tmp_path, given):
    with pytest.raises(BmnError, match="names no feature file"):
        find_items([f"{tmp_path}/{given}"], None)


@pytest.mark.parametrize("duration", [0.0, -1.0, float("nan"), float("inf")])
def test_an_invalid_duration_is_refused(duration):
    with pytest.raises(BmnError, match=f"the duration is {duration}; it should be a number of seconds above 0"):
        find_items(["a.npy"], duration)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "names no feature file"),
        ("a.npy 12", "line 1: is not JSON"),
        ('{"feat_path": "a.npy", "duration_second": 1}\n["a.npy", 1]', "line 2: is .* it should be like"),
        ('{"feat_path": "a.npy"}', "line 1: is .* it should be like"),
        ('{"feat_path": 3, "duration_second": 1}', "line 1: is .* it should be like"),
        ('{"feat_path": "a.npy", "duration_second": "1"}', "line 1: is .* it should be like"),
        (
            '{"feat_path": "a.npy", "duration_second": 0}',
            "duration_second is 0; it should be a number of seconds above 0",
        ),
        (
            '{"feat_path": "a.npy", "duration_second": true}',
            "duration_second is True; it should be a number of seconds above 0",
        ),
        (
            '{"feat_path": "a.npy", "duration_second": NaN}',
            "duration_second is nan; it should be a number of seconds above 0",
        ),
    ],
)
def test_the_error_for_a_bad_list_names_the_line(tmp_path, text, sentence):
    path = tmp_path / "videos.list"
    path.write_text(text)
    with pytest.raises(BmnError, match=rf"videos\.list.*{sentence}") as caught:
        find_items([str(path)], None)
    assert "\n" not in str(caught.value)


def test_a_missing_or_binary_list_is_refused(tmp_path):
    with pytest.raises(BmnError, match="cannot be read as a list"):
        find_items([str(tmp_path / "nowhere.list")], None)
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BmnError, match="cannot be read as a list"):
        find_items([str(tmp_path / "binary")], None)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (
            '{"feat_path": "a.npy", "duration_second": ' + "9" * 400 + "}",
            "duration_second is 9{40}; it should be a number",
        ),
        ('{"feat_path": "a.npy", "duration_second": ' + "9" * 5000 + "}", "is not JSON .*4300 digits"),
        ('{"feat_path": "a.npy", "duration_second": 1e999}', "duration_second is inf"),
        ('{"feat_path": "a\\u0000.npy", "duration_second": 1}', "which cannot be a file name"),
        ('{"feat_path": "a\\ud800.npy", "duration_second": 1}', "which cannot be a file name"),
        ("[" * 100_000, "is not JSON"),
        ('{"feat_path": "a.npy", "duration_second": 1, "duration_second": 2}', "appears 2 times"),
    ],
    ids=["400 digits", "5000 digits", "infinite", "NUL", "surrogate", "deep", "twice"],
)
def test_a_hostile_line_is_refused_in_a_short_sentence(tmp_path, line, sentence):
    path = tmp_path / "videos.list"
    path.write_text(line)
    with pytest.raises(BmnError, match=f"line 1: .*{sentence}") as caught:
        find_items([str(path)], None)
    assert len(str(caught.value)) < 500
