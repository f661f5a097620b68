"""Proposals of whole videos from maps of their windows."""

import numpy as np
import paddle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bmn.data.batches import Batch, video_batches
from bmn.data.store import FeatureStore
from bmn.data.subset import Subset
from bmn.data.videos import Video
from bmn.data.windows import Window
from bmn.proposals import Proposals, ProposalSettings, concatenate, decode, in_seconds, merge, propose, score, soft_nms
from bmn.proposals.subset import Proposer

T, D = 8, 6


def subset_of(windows, durations, tmp_path):
    videos = {name: Video(name, "validation", duration, ()) for name, duration in durations.items()}
    store = FeatureStore(tmp_path, tuple(windows), np.zeros((len(windows), 4, T), "float32"), "")
    return Subset(store, videos, [], [])


def maps_of(count, seed=0):
    rng = np.random.default_rng(seed)
    shapes = (count, 2, D, T), (count, T), (count, T)
    return [rng.random(shape, dtype=np.float32) for shape in shapes]


def run(subset, maps, batch_size):
    proposer = Proposer(subset, ProposalSettings())
    for rows in video_batches(subset.store.windows, batch_size):
        batch = Batch(rows, np.empty(0, "float32"), np.empty(0))
        proposer.add(batch, tuple(paddle.to_tensor(array[rows]) for array in maps))
    return proposer.found


def test_a_window_a_video_is_decoded_and_suppressed_alone(tmp_path):
    durations = {"v_a": 10.0, "v_b": 30.0, "v_c": 7.5}
    subset = subset_of([Window(name, 0.0, end) for name, end in durations.items()], durations, tmp_path)
    maps = maps_of(3)
    seconds = np.array(list(durations.values()))
    expected = in_seconds(soft_nms(score(decode(*maps))), seconds, seconds)
    for batch_size in (1, 2, 3):
        found = run(subset, maps, batch_size)
        assert list(found) == list(durations)
        for rows, wanted in zip(found.values(), expected, strict=True):
            np.testing.assert_array_equal(rows, wanted)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 5])
def test_candidates_of_all_windows_of_a_video_are_suppressed_together(tmp_path, batch_size):
    windows = [Window("v_a", 4.0 * k, 4.0 * k + 8) for k in range(3)] + [Window("v_b", 0.0, 8.0)]
    subset = subset_of(windows, {"v_a": 16.0, "v_b": 5.0}, tmp_path)
    maps = maps_of(4)
    found = run(subset, maps, batch_size)

    # By the definition: every candidate in seconds, all in one list, divided by the window for Soft-NMS.
    candidates = score(decode(*maps))
    rows = [
        (start + 0.5 * k, end + 0.5 * k, score)
        for k in range(3)
        for start, end, score in zip(candidates.starts[k], candidates.ends[k], candidates.scores[k], strict=True)
        if score > 0
    ]
    rows.sort(key=lambda row: -row[2])
    together = Proposals(*(np.array(column)[None] for column in zip(*rows, strict=True)), np.array([len(rows)]))
    [expected] = in_seconds(soft_nms(together), np.array([8.0]), np.array([16.0]))
    np.testing.assert_allclose(found["v_a"], expected)
    assert found["v_a"][:, 1].max() <= 16.0
    assert found["v_b"][:, 1].max() <= 5.0  # its window is longer than the video


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.integers(0, 99))
def test_merging_keeps_every_candidate(counts, seed):
    windows = sum(counts)
    candidates = concatenate([decode(*maps_of(1, seed + k)) for k in range(windows)])
    first = np.cumsum([0, *counts[:-1]])
    offsets = np.concatenate([0.5 * np.arange(count) for count in counts])
    merged, candidates = score(merge(candidates, offsets, first)), score(candidates)
    for video, (low, count) in enumerate(zip(first, counts, strict=True)):
        wanted = [
            (candidates.scores[w, k], candidates.starts[w, k] + offsets[w], candidates.ends[w, k] + offsets[w])
            for w in range(low, low + count)
            for k in range(candidates.counts[w])
        ]
        kept = merged.counts[video]
        columns = (merged.scores, merged.starts, merged.ends)
        found = list(zip(*(column[video, :kept] for column in columns), strict=True))
        assert sorted(found) == sorted(wanted)
        assert (np.diff(merged.scores[video, :kept]) <= 0).all()
        assert (merged.scores[video, kept:] == 0).all()


def test_a_batch_at_a_time_gives_what_all_maps_at_once_give(tmp_path):
    windows = [Window("v_a", 4.0 * k, 4.0 * k + 8) for k in range(3)] + [Window("v_b", 0.0, 8.0)]
    durations = {"v_a": 16.0, "v_b": 5.0}
    maps = maps_of(4)
    at_once = propose(tuple(maps), windows, durations, ProposalSettings())
    by_batches = run(subset_of(windows, durations, tmp_path), maps, 2)
    assert list(at_once) == list(by_batches) == list(durations)
    for video, rows in at_once.items():
        np.testing.assert_array_equal(rows, by_batches[video])
