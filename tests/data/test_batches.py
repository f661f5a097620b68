"""Orders of batches, shares of processes, and the thread that reads ahead."""

import threading
import time
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bmn.base.errors import BmnError
from bmn.base.prefetch import prefetch
from bmn.data.batches import (
    epoch_order,
    load_batches,
    ordered_batches,
    row_segments,
    training_batches,
    video_batches,
)
from bmn.data.store import open_store, write_store
from bmn.data.videos import Segment, Video
from bmn.data.windows import Window

counts = st.integers(1, 60)


@given(st.integers(0, 2**31), st.integers(0, 50), counts)
def test_an_epoch_is_a_permutation_that_its_numbers_alone_decide(seed, epoch, count):
    order = epoch_order(seed, epoch, count)
    assert sorted(order) == list(range(count))
    np.testing.assert_array_equal(order, epoch_order(seed, epoch, count))


def test_epochs_and_seeds_differ():
    orders = {tuple(epoch_order(seed, epoch, 50)) for seed in range(3) for epoch in range(3)}
    assert len(orders) == 9


@given(st.integers(1, 9), st.integers(1, 4), counts, st.data())
def test_the_shares_of_all_processes_make_up_the_global_batches(batch_size, ranks, count, data):
    if count < batch_size or batch_size < ranks:
        with pytest.raises(BmnError, match="batch of"):
            training_batches(1, 0, count, batch_size, 0, ranks)
        return
    whole = training_batches(1, 0, count, batch_size)
    shares = [training_batches(1, 0, count, batch_size, rank, ranks) for rank in range(ranks)]
    assert len(whole) == count // batch_size
    assert [len(batch) for batch in whole] == [batch_size] * len(whole)
    np.testing.assert_array_equal(np.concatenate(whole), epoch_order(1, 0, count)[: len(whole) * batch_size])
    for number, batch in enumerate(whole):
        for rank in range(ranks):
            np.testing.assert_array_equal(shares[rank][number], np.array_split(batch, ranks)[rank])


@given(st.integers(1, 9), counts)
def test_evaluation_sees_every_row_once_and_in_order(batch_size, count):
    batches = ordered_batches(count, batch_size)
    assert all(len(batch) == batch_size for batch in batches[:-1])
    assert 0 < len(batches[-1]) <= batch_size
    np.testing.assert_array_equal(np.concatenate(batches), np.arange(count))


@given(st.lists(st.integers(1, 7), min_size=1, max_size=12), st.integers(1, 5), st.integers(1, 4))
def test_windows_of_a_video_stay_with_one_process(counts, batch_size, ranks):
    windows = [Window(f"v_{video}", k, k + 1.0) for video, count in enumerate(counts) for k in range(count)]
    shares = [video_batches(windows, batch_size, rank, ranks) for rank in range(ranks)]
    owners = [{windows[row].video for batch in share for row in batch} for share in shares]
    assert sum(map(len, owners)) == len(counts)
    whole = ordered_batches(len(windows), batch_size)
    assert sorted(tuple(batch) for share in shares for batch in share) == [tuple(batch) for batch in whole]
    assert [tuple(batch) for batch in video_batches(windows, batch_size)] == [tuple(batch) for batch in whole]


@pytest.fixture
def store(tmp_path):
    features = np.arange(5 * 3 * 4, dtype="float32").reshape(5, 3, 4)
    rows = [[(Window(f"v_{number}", 0.0, 10.0), features[number])] for number in range(5)]
    write_store(tmp_path, "training", [("", partial(list, row)) for row in rows], 3, 4, tmp_path)
    return open_store(tmp_path, "training")


def videos(count):
    return [
        Video(f"v_{number}", "training", 10.0, tuple(Segment(k, k + 1.0, "jump") for k in range(number)))
        for number in range(count)
    ]


def test_a_batch_holds_features_and_padded_segments_of_its_rows(store):
    segments = row_segments(store, videos(5))
    batches = list(load_batches(store, segments, [np.array([4, 0]), np.array([2])]))
    assert [batch.rows.tolist() for batch in batches] == [[4, 0], [2]]
    np.testing.assert_array_equal(batches[0].features, store.read([4, 0]))
    assert batches[0].segments.shape == (2, 4, 2)
    np.testing.assert_allclose(batches[0].segments[0], [[k / 10, (k + 1) / 10] for k in range(4)])
    assert batches[1].segments.shape == (1, 2, 2)


def test_a_store_without_annotations_for_a_video_is_refused(store):
    with pytest.raises(BmnError, match="no annotations for v_3"):
        row_segments(store, videos(3))


def test_damage_met_while_reading_ahead_is_told_in_its_place(store):
    features = np.array(store.array)
    features[3] = np.nan
    np.save(store.path, features)
    damaged = open_store(store.path.parent, "training")
    batches = load_batches(damaged, row_segments(damaged, videos(5)), [np.array([number]) for number in range(5)])
    assert [next(batches).rows.item() for _ in range(3)] == [0, 1, 2]
    with pytest.raises(BmnError, match="video v_3"):
        next(batches)


def test_results_come_in_order_and_are_ready_before_they_are_asked_for():
    loaded = []

    def load(item):
        loaded.append(item)
        return item * item

    results = prefetch(load, range(6), ahead=2)
    assert next(results) == 0
    deadline = time.monotonic() + 30
    while loaded != [0, 1, 2] and time.monotonic() < deadline:
        time.sleep(0.001)
    assert loaded == [0, 1, 2]
    assert list(results) == [1, 4, 9, 16, 25]


@given(st.integers(0, 5), st.integers(0, 4))
def test_any_depth_gives_what_map_gives(count, ahead):
    assert list(prefetch(str, range(count), ahead)) == list(map(str, range(count)))


def test_an_abandoned_reader_ends_its_thread():
    results = prefetch(str, range(1000), ahead=3)
    next(results)
    assert any(thread.name.startswith("prefetch") for thread in threading.enumerate())
    results.close()
    assert not any(thread.name.startswith("prefetch") for thread in threading.enumerate())
