"""Annotation files as they come, good and bad."""

import json
import lzma
from collections import Counter
from contextlib import suppress

import golden
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bmn.base.errors import BmnError
from bmn.conversion.annotations import Entry, clean, refuse, table
from bmn.conversion.dialects import read_annotations

OPENTAD = {"video_validation_0000690": "training", "video_test_0000004": "validation"}

PADDLEVIDEO = {
    "v_a": {
        "duration_second": 10.0,
        "duration_frame": 250,
        "feature_frame": 240,
        "subset": "training",
        "annotations": [{"segment": [1.0, 2.5], "label": "jump"}],
    },
    "v_b": {"duration_second": 4, "subset": "validation", "annotations": []},
}


def write(folder, content):
    path = folder / "annotations.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def test_paddlevideo_form(tmp_path):
    assert read_annotations(write(tmp_path, PADDLEVIDEO)) == [
        Entry("a", "training", 10.0, ((1.0, 2.5, "jump"),)),
        Entry("b", "validation", 4, ()),
    ]


def test_official_form(tmp_path):
    content = {
        "version": "VERSION 1.3",
        "taxonomy": [],
        "database": {
            "QOlSCBRmfWY": {
                "duration": 82.73,
                "subset": "training",
                "resolution": "1920x1080",
                "url": "",
                "annotations": [{"segment": [6.2, 77.7], "label": "Ballet"}],
            },
            "uqiMw7tQ1Cc": {"duration": 55.15, "subset": "testing", "annotations": []},
        },
    }
    assert read_annotations(write(tmp_path, content)) == [
        Entry("QOlSCBRmfWY", "training", 82.73, ((6.2, 77.7, "Ballet"),)),
        Entry("uqiMw7tQ1Cc", "testing", 55.15, ()),
    ]


def test_thumos_trains_on_validation_and_evaluates_on_test(tmp_path):
    def video(subset):
        annotation = {"label": "Diving", "segment": [1, 2], "segment(frames)": [30, 60], "label_id": 3}
        return {"subset": subset, "duration": 9.5, "fps": 30.0, "annotations": [annotation]}

    content = {
        "version": "Thumos14-30fps",
        "database": {
            "video_validation_0000690": video("Validation"),
            "video_test_0000004": video("Test"),
            "video_odd": video("Background"),
        },
    }
    entries = read_annotations(write(tmp_path, content))
    assert [entry.subset for entry in entries] == ["training", "validation", None]
    assert entries[0] == Entry("video_validation_0000690", "training", 9.5, ((1, 2, "Diving"),))


def test_thumos_as_opentad_renamed_it(tmp_path):
    videos = {name: {"subset": subset, "duration": 9.5, "annotations": []} for name, subset in OPENTAD.items()}
    entries = read_annotations(write(tmp_path, {"version": "Thumos14-30fps", "database": videos}))
    assert {entry.id: entry.subset for entry in entries} == OPENTAD


THUMOS_TEXTS = {
    "TH14_Temporal_annotations_validation/annotation/BaseballPitch_val.txt": "video_validation_0000266  72.8 76.4 \n",
    "TH14_Temporal_annotations_validation/annotation/Diving_val.txt": "video_validation_0000266  1 2\n\n",
    "TH14_Temporal_annotations_test/annotation/Diving_test.txt": "video_test_0000004  0.2 1.1\r\n",
    "TH14_Temporal_annotations_test/annotation/Ambiguous_test.txt": "video_test_0000004  3 4\nvideo_test_0000009 3 4",
    "TH14_Temporal_annotations_test/readme.txt": "not annotations",
}


def write_thumos(folder, texts):
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_thumos_own_text_files(tmp_path):
    folder = write_thumos(tmp_path / "thumos", THUMOS_TEXTS)
    (tmp_path / "seconds.csv").write_text("video,subset,seconds\nvideo_test_0000004,test,33.5\n")
    entries = read_annotations(folder, tmp_path / "seconds.csv")
    diving, baseball = (1.0, 2.0, "Diving"), (72.8, 76.4, "BaseballPitch")
    assert {entry.id: entry for entry in entries} == {
        "video_validation_0000266": Entry("video_validation_0000266", "training", None, (baseball, diving)),
        "video_test_0000004": Entry("video_test_0000004", "validation", 33.5, ((0.2, 1.1, "Diving"),)),
        "video_test_0000009": Entry("video_test_0000009", "validation", None, ()),
    }


@pytest.mark.parametrize("line", ["video_train_0000004 1 2", "video_test_0000004 1", "clip 1 2", "<html>"])
def test_other_lines_in_such_files_are_refused(tmp_path, line):
    folder = write_thumos(tmp_path / "thumos", {"Diving_test.txt": f"video_test_0000004 1 2\n{line}\n"})
    with pytest.raises(
        BmnError, match=r"Diving_test\.txt: line 2 is .*; it should be like video_test_0000004 12\.3 45\.6"
    ):
        read_annotations(folder)


def test_times_in_such_files_that_are_no_numbers_are_findings(tmp_path):
    folder = write_thumos(tmp_path / "thumos", {"Diving_test.txt": "video_test_0000004 one 2\n"})
    (tmp_path / "seconds.csv").write_text("video,subset,seconds\nvideo_test_0000004,test,33.5\n")
    with pytest.raises(BmnError, match=r"segment is \['one', 2\.0\], but must be two finite numbers"):
        refuse(clean(read_annotations(folder, tmp_path / "seconds.csv"))[1], folder)


def test_what_thumos_marks_as_ambiguous_is_no_class(tmp_path):
    rows = [{"label": label, "segment": [1, 2]} for label in ("Ambiguous", "Diving")]
    video = {"subset": "training", "duration": 9.5, "annotations": rows}
    for version, labels in (("Thumos14-30fps", ["Diving"]), ("VERSION 1.3", ["Ambiguous", "Diving"])):
        [entry] = read_annotations(write(tmp_path, {"version": version, "database": {"x": video}}))
        assert [label for _, _, label in entry.segments] == labels


def test_hacs_writes_durations_as_text(tmp_path):
    annotations = [{"label": "Dodgeball", "segment": [5.4, 11.6]}]
    video = {"annotations": annotations, "subset": "training", "duration": "92.166667", "url": ""}
    [entry] = read_annotations(write(tmp_path, {"database": {"--0edUL8zmA": video}}))
    assert entry == Entry("--0edUL8zmA", "training", 92.166667, ((5.4, 11.6, "Dodgeball"),))


def test_mmaction2_splits_its_annotations_into_files(tmp_path):
    def video(duration):
        annotation = {"segment": [1.0, 2.5], "label": "jump"}
        return {"duration_second": duration, "duration_frame": 250, "fps": 25.0, "annotations": [annotation]}

    parts = {"train": {"v_a": video(10.0)}, "val": {"v_b": video(4.0)}, "test": {"v_c": video(3.0)}}
    parts["full"] = parts["train"] | parts["val"] | parts["test"]
    for name, part in parts.items():
        (tmp_path / f"anet_anno_{name}.json").write_text(json.dumps(part))
    (tmp_path / "classes_train.txt").write_text("jump")
    entries = {entry.id: entry for entry in read_annotations(tmp_path)}
    assert {name: entry.subset for name, entry in entries.items()} == {
        "a": "training",
        "b": "validation",
        "c": "testing",
    }
    assert entries["a"] == Entry("a", "training", 10.0, ((1.0, 2.5, "jump"),))


@pytest.mark.parametrize(
    ("facts", "segment", "expected"),
    [
        ({"duration_second": 20.0}, {"segment": [2, 4]}, (20.0, 2, 4)),
        ({"duration_frame": 500, "fps": 25.0}, {"segment": [2, 4]}, (20.0, 2, 4)),
        ({"numFrame": 500, "fps": 30, "rfps": 25}, {"segment": [2, 4]}, (20.0, 2, 4)),
        ({"frames": 500, "fps": 25}, {"segment_frames": [50, 100]}, (20.0, 2.0, 4.0)),
        ({"frames": 500, "duration": 20}, {"segment(frames)": [50, 100]}, (20, 2.0, 4.0)),
        ({"frames": 500, "fps": 25}, {"segment": [2, 4], "segment(frames)": [1, 2]}, (20.0, 2, 4)),
        ({"duration": 20.0}, {"segment_fractions": [0.1, 0.2]}, (20.0, 2.0, 4.0)),
        ({"duration": 20.0}, {"segment_frames": [50, 100]}, (20.0, "frames 50", "frames 100")),
        ({"frames": 500, "fps": 0}, {"segment": [2, 4]}, (None, 2, 4)),
        ({"frames": "many", "fps": 25}, {"segment_fractions": [0.1, 0.2]}, (None, "fractions 0.1", "fractions 0.2")),
        ({"frames": 10**400, "fps": 1e-300}, {"segment": [2, 4]}, (None, 2, 4)),
    ],
)
def test_units_are_named_and_a_duration_may_follow_from_frames(tmp_path, facts, segment, expected):
    video = {"subset": "training", **facts, "annotations": [{"label": "jump", **segment}]}
    [entry] = read_annotations(write(tmp_path, {"v_a": video}))
    [(start, end, label)] = entry.segments
    assert (entry.duration, start, end, label) == (*expected, "jump")


@pytest.mark.parametrize(
    ("headings", "line", "expected"),
    [
        ("start_frame,end_frame,fps,frames", "50,100,25,500", (20.0, 2.0, 4.0)),
        ("start_frame,end_frame,duration,frames", "50,100,20,500", (20.0, 2.0, 4.0)),
        ("start_fraction,end_fraction,seconds", "0.1,0.2,20", (20.0, 2.0, 4.0)),
        ("start,end,frames,fps", "2,4,500,25", (20.0, 2.0, 4.0)),
    ],
)
def test_units_and_durations_in_a_csv(tmp_path, headings, line, expected):
    path = write(tmp_path, f"video,label,subset,{headings}\na,jump,training,{line}\n")
    [entry] = read_annotations(path)
    assert entry == Entry("a", "training", expected[0], ((expected[1], expected[2], "jump"),))


def test_csv_form(tmp_path):
    text = """\ufeffvideo, start, end, label, subset, duration
a,1,2.5,jump,training,10
b,,,,validation,4.5
a,3,4,"hop, skip",training,10
"""
    assert read_annotations(write(tmp_path, text)) == [
        Entry("a", "training", 10.0, ((1.0, 2.5, "jump"), (3.0, 4.0, "hop, skip"))),
        Entry("b", "validation", 4.5, ()),
    ]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("a,1,2,jump,training,12", "id is 'a', which an earlier video already has"),
        ("a,1,2,jump,validation,10", "id is 'a', which an earlier video already has"),
        ("c,1,2,jump,training,", "duration is None, but must be a number"),
        ("c,1,2,jump,,10", "subset is None, but must be training"),
        ("c,one,2,jump,training,10", r"segment is \['one', 2.0\], but must be two finite numbers"),
        ("c,1,nan,jump,training,10", r"segment is \[1.0, nan\], but must be two finite numbers"),
        ("c,1,2,,training,10", "label is '', but must name a class"),
        ("c,1,2,hop, skip,training,10", "line 3 does not have 6 fields"),
        ("c,1,2", "line 3 does not have 6 fields"),
        ('c,1,2,"jump,training,10', "is not valid CSV after line 2"),
    ],
)
def test_odd_lines_of_a_csv(tmp_path, line, sentence):
    path = write(tmp_path, f"video,start,end,label,subset,duration\na,1,2,jump,training,10\n{line}\n")
    with pytest.raises(BmnError, match=sentence) as caught:
        refuse(clean(read_annotations(path))[1], path)
    assert str(caught.value).startswith(f"{path}: ")


def test_subsets_from_a_csv_beside_it(tmp_path):
    content = {name: {k: v for k, v in video.items() if k != "subset"} for name, video in PADDLEVIDEO.items()}
    subsets = tmp_path / "video_info.csv"
    subsets.write_text("video,seconds,subset\nv_a,10,validation\nv_c,3,training\n")
    entries = read_annotations(write(tmp_path, content), subsets)
    assert [entry.subset for entry in entries] == ["validation", None]
    without = {name: {k: v for k, v in video.items() if k == "annotations"} for name, video in PADDLEVIDEO.items()}
    assert read_annotations(write(tmp_path, without), subsets)[0].duration == 10.0
    subsets.write_text("name,seconds\nx,1\n")
    with pytest.raises(BmnError, match="has the columns name, seconds but needs video and subset"):
        read_annotations(write(tmp_path, content), subsets)
    subsets.write_text("video,subset\n")
    with pytest.raises(BmnError, match="names no video"):
        read_annotations(write(tmp_path, content), subsets)


@pytest.mark.parametrize(
    ("video", "sentence"),
    [
        ({"annotations": []}, "duration is None"),
        (
            {"duration_second": 3, "subset": "training"},
            r"annotations\[0\].segment is \[None, None\]|label is None",
        ),
        ({"duration_second": 3, "subset": "training", "annotations": 5}, "label is None"),
        ({"duration_second": 3, "subset": "training", "annotations": [7]}, "label is None"),
        (
            {"duration_second": 3, "subset": "training", "annotations": [{"segment": [1], "label": "a"}]},
            r"segment is \[None, None\], but must be two finite numbers",
        ),
        (
            {"duration_second": 3, "subset": "training", "annotations": [{"segment": "12", "label": "a"}]},
            r"segment is \[None, None\]",
        ),
        ([], "duration is None"),
        (None, "subset is None"),
    ],
)
def test_odd_entries_are_findings_that_name_the_video(tmp_path, video, sentence):
    path = write(tmp_path, {**PADDLEVIDEO, "v_odd": video})
    _, findings = clean(read_annotations(path))
    with pytest.raises(BmnError, match=sentence) as caught:
        refuse(findings, path)
    assert f"{path}: video odd: " in str(caught.value)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "in an unknown format"),
        ("video,begin\nv_a,1\n", "in an unknown format"),
        ("what is this?", "in an unknown format"),
        ('{"v_a": ', "is not valid JSON"),
        ("[" * 100_000, "is not valid JSON"),
        ('{"v_a": {}, "v_a": {}}', "the key 'v_a' appears 2 times"),
        ("\n <!DOCTYPE html><html>503</html>", "is a web page"),
        ("[]", "in an unknown format"),
        ("{}", "in an unknown format"),
        ("7", "in an unknown format"),
        ('{"database": 3}', "in an unknown format"),
        ('{"v_a": 3}', "in an unknown format"),
    ],
)
def test_files_that_are_no_annotations(tmp_path, content, sentence):
    path = write(tmp_path, content)
    with pytest.raises(BmnError, match=sentence) as caught:
        read_annotations(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(BmnError, match="no such file"):
        read_annotations(tmp_path / "missing.json")
    with pytest.raises(BmnError, match="holds no file named after a subset"):
        read_annotations(tmp_path)
    latin = tmp_path / "latin.json"
    latin.write_bytes('{"v_é": 1}'.encode("latin-1"))
    with pytest.raises(BmnError, match="not UTF-8"):
        read_annotations(latin)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["duration_second", "subset", "annotations", "segment", "label", "v_a"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(json_values)
def test_any_json_gives_entries_or_a_sentence(tmp_path_factory, content):
    path = write(tmp_path_factory.mktemp("any"), content)
    try:
        entries = read_annotations(path)
    except BmnError:
        return
    videos, findings = clean(entries)
    assert len(videos) + len(findings) >= len(entries) > 0


cells = st.floats().map(str) | st.sampled_from(["", "a", "train", "1", "2.5", '"', "x,y", "1e999", "nan", "\x00"])
headings = st.lists(
    st.sampled_from(
        ["video", "start", "end", "label", "subset", "duration", "start_frame", "end_frame", "fps", "frames", ""]
    ),
    max_size=8,
).map(",".join)
lines = st.lists(st.lists(cells, max_size=8).map(",".join), max_size=4).map("\n".join)


@given(st.tuples(headings | st.just("video,start,end,label,subset,duration"), lines).map("\n".join) | st.text())
def test_any_csv_gives_entries_or_a_sentence(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("any") / "annotations.csv"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    with suppress(BmnError):
        entries = read_annotations(path)
        videos, findings = clean(entries)
        assert len(videos) + len(findings) >= len(entries) > 0
        assert isinstance(table(findings), str)


MANY = 50_000

FULL = {
    "version": "Thumos14",
    "database": {
        "v_a": {"subset": "Test", "frame": 250, "fps": 25, "annotations": [{"segment(frames)": [1, 50], "label": "x"}]}
    },
}


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=5))
def test_a_damaged_file_gives_entries_or_a_sentence(tmp_path_factory, changes):
    path = write(tmp_path_factory.mktemp("any"), FULL)
    content = bytearray(path.read_bytes())
    for place, value in changes:
        content[place % len(content)] = value
    path.write_bytes(content)
    with suppress(BmnError):
        clean(read_annotations(path))


@pytest.mark.parametrize("form", ["csv", "json"])
def test_far_too_many_segments_in_a_video_are_refused(tmp_path, form):
    if form == "csv":
        path = write(tmp_path, "video,start,end,label,subset,duration\n" + "a,1,2,x,training,10\n" * MANY)
    else:
        row = '{"segment": [1, 2], "label": "x"}'
        entry = '{"a": {"subset": "training", "duration_second": 10, "annotations": [%s]}}'
        path = write(tmp_path, entry % ", ".join([row] * MANY))
    with pytest.raises(BmnError, match=r"annotations is a list of 50000, but may hold 10000; split the video"):
        refuse(clean(read_annotations(path))[1], path)


def test_what_activitynet_has_to_be_mended_is_mended(tmp_path):
    """Every video of ActivityNet-1.3 with a finding, and one in sixty of the others, as the field passes them on."""
    annotations, subsets = tmp_path / "anet_anno_action.json", tmp_path / "video_info_new.csv"
    for path in (annotations, subsets):
        path.write_bytes(lzma.decompress((golden.FOLDER / f"{path.name}.xz").read_bytes()))
    entries = read_annotations(annotations, subsets)
    videos, findings = clean(entries)
    refuse(findings, annotations)
    assert Counter(video.subset for video in videos) == {"training": 325, "validation": 165, "testing": 79}
    assert Counter(finding.action for finding in findings) == {"cut": 215, "kept": 45, "dropped": 12}
    assert sum(len(video.segments) for video in videos) == sum(len(entry.segments) for entry in entries) - 12
