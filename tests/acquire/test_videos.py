"""Videos as a source: one array a video, made once, by content; what is broken is named and the rest is used."""

import os
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
from video.films import film
from video.seeing import PARAMS, write_seeing

from bmn.acquire.download import Patience
from bmn.acquire.features import find_features, find_videos
from bmn.acquire.inputs import identify_inputs
from bmn.acquire.raw import features_folder, open_raw
from bmn.acquire.sources import bring
from bmn.base.checksums import Checksums
from bmn.base.errors import BmnError
from bmn.base.schema import Params


@pytest.fixture
def place(tmp_path):
    """Four short videos, and a backbone."""
    write_seeing(tmp_path / "seeing.onnx")
    (tmp_path / "clips" / "deep").mkdir(parents=True)
    for number, name in enumerate(["v_a.mp4", "b.mkv", "deep/c.MP4", "d.avi"]):
        path = film(tmp_path / "clips" / name.lower(), seconds=2 + number, codec="mpeg4")
        path.rename(tmp_path / "clips" / name)
    (tmp_path / "segments.csv").write_text("video,start,end,label\na,0,1,wave\n")
    return tmp_path


def params_of(execution=None, **extract):
    data = {"source": "local", "features": "clips", "annotations": "segments.csv"}
    return Params.model_validate({"data": data, "extract": PARAMS | extract, "execution": execution or {}})


def identified(place, params):
    with Checksums(place / "checksums.db") as known:
        return identify_inputs(params, place, known)


def run(place, execution=None, cache="cache", **extract):
    params = params_of(execution, **extract)
    inputs = identified(place, params)
    bring(params, inputs, place / "raw", place, place / cache, Patience())
    return open_raw(place / "raw", features_folder(params.data, inputs, place / "raw", place, place / cache))


def stamps(place):
    return {path.name: path.stat().st_mtime_ns for path in (place / "cache" / "features").rglob("[!.]*.npy")}


def test_a_folder_of_videos_becomes_one_of_features(place):
    raw = run(place)
    arrays = {name: np.load(path) for name, path in find_features(raw.features).items()}
    assert {name: array.shape for name, array in arrays.items()} == {
        name: (4 + 2 * number, 3) for number, name in enumerate("abcd")
    }
    assert raw.durations == pytest.approx({name: 2 + number for number, name in enumerate("abcd")}, abs=0.1)
    assert raw.extractor["fps"] == 4.0
    assert raw.broken == {}


def test_a_new_video_costs_one_and_a_moved_one_nothing(place):
    run(place)
    before = stamps(place)
    (place / "clips/b.mkv").rename(place / "clips/moved.mkv")
    film(place / "clips/new.mp4", seconds=3.5)
    raw = run(place)
    assert set(find_features(raw.features)) == {"a", "moved", "c", "d", "new"}
    after = stamps(place)
    assert len(after) == 5
    assert before.items() <= after.items()


def test_other_choices_make_other_features_and_the_first_are_kept(place):
    run(place)
    before = stamps(place)
    run(place, motion=True)
    assert stamps(place).keys() == before.keys()  # by content: the same names, in another folder
    assert len(list((place / "cache/features").iterdir())) == 2


def test_a_broken_video_is_named_and_the_others_are_used(place, capsys):
    (place / "clips/d.avi").write_bytes(b"broken")
    raw = run(place)
    assert set(find_features(raw.features)) == {"a", "b", "c"}
    assert "d.avi: cannot be decoded" in raw.broken["d"]
    assert "skipped: " in capsys.readouterr().err
    for name in ("v_a.mp4", "b.mkv", "deep/c.MP4"):
        (place / "clips" / name).write_bytes(name.encode())
    shutil.rmtree(place / "cache")
    with pytest.raises(BmnError, match="; none of 4 videos can be decoded"):
        run(place)


def test_inputs_see_videos_and_the_backbone_by_content(place):
    before = identified(place, params_of())
    times = (place / "clips/b.mkv").stat()
    with open(place / "clips/b.mkv", "r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"x")
    os.utime(place / "clips/b.mkv", ns=(times.st_atime_ns, times.st_mtime_ns))
    changed = identified(place, params_of())
    assert changed["features"] != before["features"]
    (place / "seeing.onnx").write_bytes((place / "seeing.onnx").read_bytes() + b"\x32\x00")
    assert identified(place, params_of())["backbone"] != changed["backbone"]
    assert identified(place, params_of(backbone="mobilenet_v2"))["backbone"] is None


def test_arrays_beside_videos_are_the_features(place):
    np.save(place / "clips/b.npy", np.zeros((3, 4), "float32"))
    assert find_videos(place / "clips") == {}
    assert run(place).extractor is None


KILLED = """
import sys
from pathlib import Path
sys.path[:0] = {paths}
from acquire.test_videos import run
run(Path(sys.argv[1]))
"""


def test_what_was_killed_goes_on_where_it_was(place):
    for number in range(12):
        film(place / f"clips/more{number}.mp4", seconds=8 + number / 4)
    code = KILLED.format(paths=[path for path in sys.path if path])
    job = subprocess.Popen([sys.executable, "-c", code, str(place)])
    deadline = time.monotonic() + 900
    folder = place / "cache/features"
    while len(list(folder.rglob("[!.]*.npy"))) < 3 and time.monotonic() < deadline and job.poll() is None:
        time.sleep(0.01)
    job.kill()
    job.wait()
    before = stamps(place)
    assert len(before) >= 3
    raw = run(place)
    assert len(find_features(raw.features)) == 16
    assert before.items() <= stamps(place).items()


@pytest.mark.parametrize("engine", ["processes", "ray"])
def test_jobs_make_the_same_bytes(engine, place, capsys, request):
    address = request.getfixturevalue("ray_cluster").address if engine == "ray" else None
    (place / "clips/broken.mp4").write_bytes(b"broken")
    raws = [run(place), run(place, {"engine": engine, "address": address, "jobs": 2, "devices": "cpu"}, "other")]
    here, there = ({name: path.read_bytes() for name, path in find_features(raw.features).items()} for raw in raws)
    assert here == there
    assert set(here) == set("abcd")
    assert raws[0].durations == raws[1].durations
    assert raws[0].broken == raws[1].broken
    assert capsys.readouterr().err.count("skipped: ") == 2
