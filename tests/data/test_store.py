"""The packed store: round trips, checksums, damage."""

import json
import tracemalloc
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bmn.base.errors import BmnError
from bmn.data.store import open_store, write_store
from bmn.data.windows import Window


def pack(folder, features, windows, subset="training", stamps=None, work=None):
    """A video a window; ``features`` may be a list with a function for what is to go wrong."""

    def load(number):
        one = features[number]
        return [(windows[number], one() if callable(one) else one)]

    tscale, channels = next(one.shape for one in features if not callable(one))
    videos = [(stamps[number] if stamps else f"{number}", partial(load, number)) for number in range(len(windows))]
    work = work or folder.parent / f"{folder.name}-work"
    work.mkdir(parents=True, exist_ok=True)
    write_store(folder, subset, videos, tscale, channels, work)


def fill(folder, count=5, tscale=3, channels=4, subset="training"):
    features = np.random.default_rng(0).normal(size=(count, tscale, channels)).astype("float32")
    windows = [Window(f"v_{number}", 0.5 * number, 10.0 + number / 3) for number in range(count)]
    pack(folder, list(features), windows, subset)
    return features, windows


@given(st.integers(1, 6), st.integers(1, 5), st.integers(1, 5), st.data())
def test_what_is_written_is_read_in_any_order(tmp_path_factory, count, tscale, channels, data):
    folder = tmp_path_factory.mktemp("store")
    features, windows = fill(folder, count, tscale, channels)
    store = open_store(folder, "training")
    assert len(store) == count
    assert store.windows == tuple(windows)
    assert (store.tscale, store.channels) == (tscale, channels)
    rows = data.draw(st.lists(st.integers(0, count - 1), max_size=8))
    batch = store.read(rows)
    assert batch.dtype == np.float32
    assert batch.flags.c_contiguous
    assert batch.shape == (len(rows), channels, tscale)
    np.testing.assert_array_equal(batch, features[np.array(rows, dtype=int)].transpose(0, 2, 1))
    store.verify()


def test_the_array_is_a_plain_npy_file(tmp_path):
    features, _ = fill(tmp_path)
    np.testing.assert_array_equal(np.load(tmp_path / "training.npy"), features.transpose(0, 2, 1))


def test_the_same_input_gives_the_same_bytes(tmp_path):
    fill(tmp_path / "one")
    fill(tmp_path / "two")
    for name in ("training.npy", "training.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_changed_array_does_not_verify(tmp_path):
    fill(tmp_path)
    with open(tmp_path / "training.npy", "r+b") as file:
        file.seek(-1, 2)
        last = file.read(1)
        file.seek(-1, 2)
        file.write(bytes([last[0] ^ 1]))
    with pytest.raises(BmnError, match="SHA-256"):
        open_store(tmp_path, "training").verify()


def test_damaged_features_are_named_by_their_video(tmp_path):
    features, _ = fill(tmp_path)
    features[3, 1, 2] = np.nan
    np.save(tmp_path / "training.npy", np.ascontiguousarray(features.transpose(0, 2, 1)))
    store = open_store(tmp_path, "training")
    assert np.isfinite(store.read([0, 1, 2, 4])).all()
    with pytest.raises(BmnError, match="damaged at video v_3"):
        store.read([0, 3])


def truncate(folder):
    path = folder / "training.npy"
    path.write_bytes(path.read_bytes()[:-8])


def replace_array(folder):
    np.save(folder / "training.npy", np.zeros((4, 4, 3), dtype="float32"))


def change_type(folder):
    np.save(folder / "training.npy", np.zeros((5, 4, 3)))


def lose_array(folder):
    (folder / "training.npy").unlink()


def lose_index(folder):
    (folder / "training.json").unlink()


def other_index(folder):
    (folder / "training.json").write_text("[]")


def lose_window(folder):
    index = json.loads((folder / "training.json").read_text())
    index["windows"].pop()
    (folder / "training.json").write_text(json.dumps(index))


def odd_window(folder):
    index = json.loads((folder / "training.json").read_text())
    index["windows"][0] = ["v_0"]
    (folder / "training.json").write_text(json.dumps(index))


@pytest.mark.parametrize(
    "damage",
    [
        truncate,
        replace_array,
        change_type,
        lose_array,
        lose_index,
        other_index,
        lose_window,
        odd_window,
    ],
)
def test_a_damaged_store_is_refused_when_it_is_opened(tmp_path, damage):
    fill(tmp_path)
    damage(tmp_path)
    with pytest.raises(BmnError, match=r"training\.(npy|json): "):
        open_store(tmp_path, "training")


def fail():
    raise BmnError("v_2.npy: no such feature file")


@pytest.mark.parametrize("changed", [None, 0, 1, 2])
def test_an_interrupted_packing_goes_on_where_it_stopped(tmp_path, changed):
    features = np.random.default_rng(0).normal(size=(5, 3, 4)).astype("float32")
    windows = [Window(f"v_{number}", 0.0, 10.0) for number in range(5)]
    out, work = tmp_path / "out", tmp_path / "work"
    with pytest.raises(BmnError, match=r"v_2\.npy"):
        pack(out, [features[0], features[1], fail, features[3], features[4]], windows, work=work)
    assert [path.name for path in out.iterdir()] == ["training.npy.part"]
    with open(work / "training.jsonl", "a") as journal:
        journal.write('["2", [["v_')  # killed while writing

    read = []

    def noting(number):
        def give():
            read.append(number)
            return features[number]

        return give

    stamps = [f"{number}" if number != changed else "another" for number in range(5)]
    givers = [noting(number) for number in range(5)]
    videos = [(stamps[n], lambda n=n: [(windows[n], givers[n]())]) for n in range(5)]
    write_store(out, "training", videos, 3, 4, work)
    assert read == list(range(2 if changed is None else changed, 5))
    store = open_store(out, "training")
    np.testing.assert_array_equal(store.array, features.transpose(0, 2, 1))
    store.verify()
    write_store(out, "training", videos, 3, 4, work)
    assert len(read) == 5 - (2 if changed is None else changed)  # nothing is read again


def test_a_video_may_have_any_number_of_windows(tmp_path):
    features = np.arange(24, dtype="float32").reshape(2, 3, 4)
    rows = [(Window("v_1", 0.0, 1.0), features[0]), (Window("v_1", 1.0, 2.0), features[1])]
    write_store(tmp_path, "training", [("0", list), ("1", lambda: rows), ("2", list)], 3, 4, tmp_path)
    assert [window.video for window in open_store(tmp_path, "training").windows] == ["v_1", "v_1"]


def test_writing_holds_one_window_at_a_time(tmp_path):
    tscale, channels, count = 100, 40, 200

    def load():
        return [(Window("v", 0.0, 1.0), np.ones((tscale, channels), dtype="float32"))]

    tracemalloc.start()
    write_store(tmp_path, "training", [("", load)] * count, tscale, channels, tmp_path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40 * tscale * channels * 4
