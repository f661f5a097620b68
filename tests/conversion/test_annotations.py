"""What is mended, what is refused, and what the canonical files look like."""

import json
import math
import tempfile
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bmn.base.errors import BmnError
from bmn.base.ids import video_id
from bmn.conversion.annotations import Entry, as_they_stand, clean, refuse, split, table, write_findings
from bmn.conversion.dialects import read_annotations
from bmn.data.videos import Segment, subset_videos, write_annotations, write_ground_truth


def write_both(folder, videos):
    write_annotations(folder / "annotations.json", videos)
    write_ground_truth(folder / "ground_truth.json", videos)


def entry(*segments, id="v_a", subset="training", duration=10.0):
    return Entry(id, subset, duration, tuple((start, end, "jump") for start, end in segments))


def test_a_good_entry_becomes_a_video_with_sorted_segments():
    videos, findings = clean([entry((5, 7.5), (1, 2), subset="Train")])
    assert findings == []
    assert videos[0].id == "v_a"
    assert videos[0].subset == "training"
    assert videos[0].duration == 10.0
    assert videos[0].segments == (Segment(1.0, 2.0, "jump"), Segment(5.0, 7.5, "jump"))


@pytest.mark.parametrize(
    ("segment", "action", "remaining"),
    [
        ((8, 12), "cut", (8, 10)),
        ((-1, 3), "cut", (0, 3)),
        ((-1, 12), "cut", (0, 10)),
        ((4, 4), "dropped", None),
        ((0, 0), "dropped", None),
        ((12, 13), "dropped", None),
        ((-2, -1), "dropped", None),
        ((-1, 0), "dropped", None),
    ],
)
def test_what_is_mended(segment, action, remaining, tmp_path):
    videos, findings = clean([entry(segment, (1, 2))])
    assert [finding.action for finding in findings] == [action]
    expected = {(1, 2), remaining} - {None}
    assert {(found.start, found.end) for found in videos[0].segments} == expected
    refuse(findings, tmp_path)
    with pytest.raises(BmnError, match=r"video v_a: annotations\[0\]\.segment is"):
        refuse(findings, tmp_path, strict=True)


def test_a_segment_given_twice_is_kept_and_reported():
    videos, findings = clean([entry((1, 2), (1, 2), (1, 2))])
    assert len(videos[0].segments) == 3
    assert [finding.action for finding in findings] == ["kept", "kept"]


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        (entry((3, 2)), r"annotations\[0\].segment is \[3, 2\], but the end must be after the start"),
        (entry((1, math.nan)), r"segment is \[1, nan\], but must be two finite numbers"),
        (entry((math.inf, 1)), r"but must be two finite numbers"),
        (entry(("1", 2)), r"segment is \['1', 2\], but must be two finite numbers"),
        (entry((None, None)), r"but must be two finite numbers"),
        (entry((True, 2)), r"but must be two finite numbers"),
        (entry((1, 10**400)), r"but must be two finite numbers"),
        (entry(duration=None), "duration is None, but must be a number of seconds above 0"),
        (entry(duration=0), "duration is 0, but"),
        (entry(duration=-3.5), "duration is -3.5, but"),
        (entry(duration=math.inf), "duration is inf, but"),
        (entry(duration="10"), "duration is '10', but"),
        (entry(subset=None), "subset is None, but must be training, validation or testing"),
        (entry(subset="trian"), "subset is 'trian', but"),
        (entry(id="../../x"), r"id is '../../x', but must be a plain file name"),
        (entry(id="/etc/x"), "id is '/etc/x', but"),
        (entry(id="a\\b"), "id is .* but"),
        (entry(id="a\nb"), "id is .* but"),
        (entry(id=".."), "id is '..', but"),
        (entry(id=""), "id is '', but"),
        (entry(id=7), "id is 7, but"),
        (entry(id="x" * 500), "id is .* but"),
        (entry(*[(1, 2)] * 10_001), "annotations is a list of 10001, but may hold 10000"),
        (
            Entry("v_a", "training", 9.0, ((1, 2, ""),)),
            r"annotations\[0\].label is '', but must name a class",
        ),
        (Entry("v_a", "training", 9.0, ((1, 2, None),)), r"annotations\[0\].label is None, but"),
    ],
)
def test_what_is_refused(bad, sentence, tmp_path):
    good = entry(id="v_good")
    videos, findings = clean([bad, good])
    assert [video.id for video in videos] == ["v_good"]
    with pytest.raises(BmnError, match=sentence) as caught:
        refuse(findings, tmp_path / "anno.json")
    assert str(caught.value).startswith(f"{tmp_path / 'anno.json'}: video ")
    assert len(str(caught.value).splitlines()) == 1


def test_a_second_video_of_an_id_is_refused(tmp_path):
    videos, findings = clean([entry((1, 2)), entry((3, 4))])
    assert videos[0].segments == (Segment(1.0, 2.0, "jump"),)
    with pytest.raises(BmnError, match="id is 'v_a', which an earlier video already has"):
        refuse(findings, tmp_path)


def test_many_findings_are_counted_and_the_first_told(tmp_path):
    _, findings = clean([entry((3, 2), id=f"v_{number}") for number in range(12)])
    with pytest.raises(BmnError, match=r"video v_0.*video v_2.*and 9 more") as caught:
        refuse(findings, tmp_path)
    assert "v_3" not in str(caught.value)


def test_an_empty_subset_is_refused(tmp_path):
    videos, _ = clean([entry()])
    assert subset_videos(videos, "training", tmp_path) == videos
    with pytest.raises(BmnError, match="'validation' holds no video"):
        subset_videos(videos, "validation", tmp_path)


numbers = st.one_of(st.floats(), st.integers(-5, 15), st.none(), st.text(max_size=3))
anything = st.one_of(numbers, st.booleans(), st.lists(numbers, max_size=2))
entries = st.builds(
    Entry,
    id=st.one_of(st.text(max_size=4), st.sampled_from(["v_a", "v_b", "c"]), anything),
    subset=st.one_of(st.sampled_from(["training", "val", "TEST"]), anything),
    duration=st.one_of(st.floats(0.1, 20), anything),
    segments=st.lists(st.tuples(anything, anything, st.one_of(st.just("jump"), anything)), max_size=4).map(tuple),
)


@given(st.lists(entries, max_size=6))
def test_whatever_comes_in_only_sound_videos_come_out(raw):
    videos, findings = clean(raw)
    assert len(videos) + sum(finding.action == "refused" for finding in findings) >= len(raw)
    assert len({video.id for video in videos}) == len(videos)
    for video in videos:
        assert video.subset in {"training", "validation", "testing"}
        assert 0 < video.duration < math.inf
        assert list(video.segments) == sorted(video.segments)
        for segment in video.segments:
            assert 0 <= segment.start < segment.end <= video.duration
            assert segment.label.strip()


def as_read(raw):
    """The entry with the id that a reader gives it."""
    return replace(raw, id=video_id(raw.id)) if isinstance(raw.id, str) else raw


@given(st.lists(entries.map(as_read), max_size=6), st.randoms())
@example([Entry("v_UmAH95xls", "training", 1.0, ())], Random(0))
def test_the_canonical_form_reads_back_and_does_not_depend_on_the_order(raw, random):
    videos, _ = clean(raw)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_both(folder, videos)
        written = (folder / "annotations.json").read_bytes(), (folder / "ground_truth.json").read_bytes()
        if videos:
            again, findings = clean(read_annotations(folder / "annotations.json"))
            assert again == videos
            assert all(finding.action == "kept" for finding in findings)
        shuffled = list(videos)
        random.shuffle(shuffled)
        write_both(folder, shuffled)
        assert written == (
            (folder / "annotations.json").read_bytes(),
            (folder / "ground_truth.json").read_bytes(),
        )


def test_the_ground_truth_has_the_official_form(tmp_path):
    videos, _ = clean([entry((1, 2), id="a", subset="val"), entry(id="b")])
    write_ground_truth(tmp_path / "ground_truth.json", videos)
    truth = json.loads((tmp_path / "ground_truth.json").read_text())
    assert set(truth) == {"version", "taxonomy", "database"}
    assert truth["database"] == {
        "a": {
            "subset": "validation",
            "duration": 10.0,
            "annotations": [{"segment": [1.0, 2.0], "label": "jump"}],
        },
        "b": {"subset": "training", "duration": 10.0, "annotations": []},
    }


def test_findings_are_written_for_machines(tmp_path):
    _, findings = clean([entry((8, 12))])
    write_findings(tmp_path / "findings.json", findings)
    (found,) = json.loads((tmp_path / "findings.json").read_text())
    assert found == {
        "video": "v_a",
        "field": "annotations[0].segment",
        "value": "[8, 12]",
        "problem": "which extends beyond the video of 10.0 s; cut it",
        "action": "cut",
    }


def test_findings_are_counted_by_kind_for_people():
    _, findings = clean([entry((8, 12), (4, 4), id=f"v_{number}") for number in range(5)])
    lines = table(findings).splitlines()
    assert [line.split()[:2] for line in lines if line[0] != " "] == [
        ["action", "number"],
        ["cut", "5"],
        ["dropped", "5"],
    ]
    assert sum("v_" in line for line in lines) == 6


def test_a_published_ground_truth_is_left_as_it_stands(tmp_path):
    [video] = as_they_stand([entry((8, 12), (4, 4), (-1, 3), subset="val")], tmp_path)
    assert [(segment.start, segment.end) for segment in video.segments] == [(8, 12), (4, 4), (-1, 3)]
    for bad in (entry((1, None)), entry(subset="x"), entry(duration=None), entry(id=3)):
        with pytest.raises(BmnError, match="lacks a subset, duration or numeric segments"):
            as_they_stand([bad], tmp_path)


@given(st.integers(2, 40), st.randoms())
def test_one_video_in_five_validates_where_no_subset_is_named(count, random):
    raw = [entry((1, 2), id=f"clip{number}", subset=None) for number in range(count)]
    given_subsets, findings = split(raw)
    assert [one.action for one in findings] == ["chosen"] * count
    refuse(findings, Path("any"), strict=True)
    by_id = {one.id: one.subset for one in given_subsets}
    assert sum(subset == "validation" for subset in by_id.values()) == -(-count // 5)
    random.shuffle(raw)
    assert {one.id: one.subset for one in split(raw)[0]} == by_id


def test_subsets_that_are_named_are_kept():
    raw = [entry(id="a", subset="val"), entry(id="b", subset=None)]
    assert split(raw) == (raw, [])
