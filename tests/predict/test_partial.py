import os

import pytest

from bmn.base.errors import BmnError
from bmn.predict.inputs import Item
from bmn.predict.partial import PartFile


@pytest.fixture
def items(tmp_path):
    found = [Item(str(tmp_path / f"{name}.npy"), 10.0) for name in "abc"]
    for item in found:
        open(item.path, "w").close()
    return found


def result(score):
    return [{"score": score, "segment": [0.0, 1.0]}]


def filled(tmp_path, items, origin="model"):
    part = PartFile(tmp_path / "deep/part", {"of": origin})
    part.append([(items[0], result(0.5)), (items[1], result(0.25))])
    return part.path


def test_written_results_are_resumed(tmp_path, items):
    part = PartFile(filled(tmp_path, items), {"of": "model"})
    assert [part.holds(item) for item in items] == [True, True, False]
    part.append([(items[2], result(0.125))])
    assert [(item.path, found[0]["score"]) for item, found in part.read(items)] == [
        (item.path, score) for item, score in zip(items, (0.5, 0.25, 0.125), strict=True)
    ]
    assert [item for item, _ in part.read(items[1:])] == items[1:]


def test_results_of_another_origin_are_discarded(tmp_path, items):
    part = PartFile(filled(tmp_path, items), {"of": "another model"})
    assert not any(map(part.holds, items))
    part.append([(items[2], result(0.125))])
    assert [item for item, _ in part.read(items)] == [items[2]]


@pytest.mark.parametrize("kept", range(1, 40, 3))
def test_a_line_cut_short_by_a_kill_is_predicted_again(tmp_path, items, kept):
    path = filled(tmp_path, items)
    whole = path.read_bytes()
    last = whole.rindex(b"{", 0, whole.rindex(b'"file"') + 1)
    path.write_bytes(whole[: last + kept])
    part = PartFile(path, {"of": "model"})
    assert [part.holds(item) for item in items] == [True, False, False]
    part.append([(items[1], result(0.25))])
    assert path.read_bytes() == whole


def test_a_rewritten_file_or_another_duration_is_predicted_again(tmp_path, items):
    path = filled(tmp_path, items)
    os.utime(items[0].path, ns=(0, 1))
    part = PartFile(path, {"of": "model"})
    changed = Item(items[1].path, 11.0)
    assert [part.holds(item) for item in (items[0], items[1], changed)] == [False, True, False]
    part.append([(items[0], result(0.125)), (changed, result(0.0625))])
    assert [found[0]["score"] for _, found in part.read([items[0], changed])] == [0.125, 0.0625]


def test_a_folder_that_cannot_be_created_is_named(tmp_path, items):
    (tmp_path / "deep").touch()
    with pytest.raises(BmnError, match="part: cannot be written"):
        PartFile(tmp_path / "deep/part", {}).append([])
