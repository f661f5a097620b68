"""``bmn propose``: from a video to proposals and a page, with the features that the model was trained on."""

import csv
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest
from random_weights import write_random_weights
from shell import bmn, start
from video.films import film
from video.seeing import PARAMS, write_seeing

from bmn.base.schema import ExportParams, ExtractParams, ModelParams
from bmn.export.export import export
from bmn.predict.outputs import rounded
from bmn.predict.predictor import Predictor
from bmn.video.decode import measure
from bmn.video.extract import extract_videos, find_extractor

pytestmark = pytest.mark.xdist_group("inference")
MODEL = ModelParams(feat_dim=12, tscale=16, dscale=12, num_sample=4, num_sample_perbin=2)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with models that know their extractor, of whole videos and of windows, and the backbone."""
    folder = tmp_path_factory.mktemp("trained")
    write_seeing(folder / "seeing.onnx", 12)
    weights = write_random_weights(folder / "w.pdparams", MODEL)
    about = find_extractor(ExtractParams(**PARAMS), folder, "cpu").about()
    features = np.random.default_rng(2).random((2, 12, 16)).astype("float32")
    for name, overlap in (("whole", None), ("windows", 0.5)):
        export(MODEL, weights, folder / name, features, ExportParams(), {"extractor": about, "overlap": overlap})
    export(MODEL, weights, folder / "none", features, ExportParams(), {"extractor": None})
    return folder


@pytest.fixture
def place(trained, tmp_path):
    for name in ("seeing.onnx", "whole", "windows", "none"):
        (tmp_path / name).symlink_to(trained / name)
    film(tmp_path / "clip.mp4", seconds=10)
    return tmp_path


class Sources(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        self.found += [value for name, value in attrs if name in ("src", "href")]


@pytest.mark.parametrize("model", ["whole", "windows"])
def test_a_video_gets_the_proposals_of_its_features_and_a_page(model, place):
    done = bmn(place, "propose", "clip.mp4", "--model", model)
    assert done.returncode == 0, done.stderr
    [(_, features)] = extract_videos([place / "clip.mp4"], find_extractor(ExtractParams(**PARAMS), place, "cpu"))
    wanted = rounded(Predictor(place / model).propose(features.array, features.duration), features.duration)
    found = json.loads((place / "clip.proposals.json").read_text())
    assert (found["video"], found["duration"], found["proposals"]) == ("clip.mp4", features.duration, wanted)
    boundaries = found["boundaries"]
    assert len(boundaries["start"]) == len(boundaries["end"])
    assert len(boundaries["start"]) * boundaries["step"] == pytest.approx(10, abs=boundaries["step"] + 0.1)
    assert all(0 <= value <= 1 for value in boundaries["start"] + boundaries["end"])
    with open(place / "clip.proposals.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    assert [[float(line["start"]), float(line["end"])] for line in lines] == [each["segment"] for each in wanted]
    page = Sources()
    page.feed((place / "clip.html").read_text())
    assert page.found == ["clip.mp4"]


def test_results_elsewhere_find_the_video_and_names_are_quoted(place):
    (place / "clip.mp4").rename(place / "a #1?<b>.mp4")
    done = bmn(place, "propose", ".", "--model", "whole", "--output", "deep/out")
    assert done.returncode == 0, done.stderr
    text = (place / "deep/out/a #1?<b>.html").read_text()
    page = Sources()
    page.feed(text)
    assert page.found == ["../../a%20%231%3F%3Cb%3E.mp4"]
    assert "<b>" not in text


def test_the_best_segments_are_cut(place):
    done = bmn(place, "propose", "clip.mp4", "--model", "whole", "--clips", "2", "--output", "out")
    assert done.returncode == 0, done.stderr
    proposals = json.loads((place / "out/clip.proposals.json").read_text())["proposals"]
    for number in (1, 2):
        clip = place / f"out/clip.{number}.mp4"
        lengths = [each["segment"][1] - each["segment"][0] for each in proposals]
        assert min(abs(measure(clip).duration - length) for length in lengths) < 0.3
    assert not (place / "out/clip.3.mp4").exists()


def test_videos_come_from_folders_globs_and_lists_and_a_broken_one_is_skipped(place):
    (place / "more").mkdir()
    shutil.copy(place / "clip.mp4", place / "more/other.mp4")
    (place / "bad.mkv").write_bytes(b"bad")
    (place / "videos.txt").write_text("bad.mkv\nclip.mp4\n")
    done = bmn(place, "propose", "more", "cl*.mp4", "videos.txt", "--model", "whole")
    assert done.returncode == 1
    assert "skipped: bad.mkv: cannot be decoded" in done.stderr
    assert "1 of 3 videos were skipped" in done.stderr
    assert {path.stem for path in place.rglob("*.html")} == {"clip", "other"}
    assert not list(place.glob("bad.*[!v]"))


def test_in_jobs_with_the_driver_killed_the_bytes_are_those_of_one_process(place):
    (place / "more").mkdir()
    for number in range(9):
        film(place / f"more/{number}.mp4", seconds=2 + number / 4)
    words = ["more", "--model", "whole", "--clips", "1", "--output"]
    assert bmn(place, "propose", *words, "one").returncode == 0
    driver = start(place, "propose", *words, "jobs", "--jobs", "2", stdout=subprocess.PIPE)
    driver.stdout.readline()
    driver.kill()
    driver.communicate()
    assert (place / "jobs/bmn_propose.part").exists()
    done = bmn(place, "propose", *words, "jobs", "--jobs", "2")
    assert done.returncode == 0, done.stderr
    assert re.match(r"jobs/bmn_propose.part: [1-9] of 9 videos are already done", done.stdout)
    one, jobs = ({path.name: path.read_bytes() for path in (place / name).iterdir()} for name in ("one", "jobs"))
    assert len(one) == 4 * 9
    assert one == jobs


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["clip.mp4", "--model", "none"], "was not trained on videos"),
        (["clip.mp4", "--model", "whole", "--backbone", "other.onnx"], "other.onnx: is another backbone than the one"),
        (["nothing"], "names no video"),
        (["clip.mov"], "clip.mov: cannot be decoded (No such file or directory)"),
    ],
)
def test_what_cannot_be_proposed_is_told(words, sentence, place):
    write_seeing(place / "other.onnx", 24)
    (place / "nothing").mkdir()
    done = bmn(place, "propose", "--model", "whole", *words)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(place.glob("*.html"))
