"""A server that takes videos: what a good one gets, and that no bad one does any harm."""

import asyncio
import contextlib
import json
import os
import random
import shlex
import subprocess
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import psutil
import pytest
from hostile.mutations import damaged
from random_weights import random_classifier, write_random_weights
from shell import command_line
from tracking.serving import EVALUATED, filed_model, serving
from video.films import film
from video.seeing import PARAMS, write_seeing

from bmn.base.schema import ExportParams, ExtractParams, ModelParams
from bmn.export.export import export
from bmn.predict.predictor import Predictor
from bmn.predict.videos import Watched, contents
from bmn.proposals import ProposalSettings
from bmn.tracking.watching import videos_endpoint
from bmn.video.extract import extract_videos, find_extractor

pytestmark = pytest.mark.xdist_group("inference")
MODEL = ModelParams(feat_dim=12, tscale=16, dscale=12, num_sample=4, num_sample_perbin=2)
HOSTILE = int(os.environ.get("HOSTILE_INPUTS", "30"))
FEATURES = {"inputs": [[[0.5] * 12] * 16]}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a model that was trained on videos, and its backbone."""
    folder = tmp_path_factory.mktemp("project")
    write_seeing(folder / "seeing.onnx", 12)
    weights = write_random_weights(folder / "w.pdparams", MODEL)
    about = {"extractor": find_extractor(ExtractParams(**PARAMS), folder, "cpu").about()}
    features = np.random.default_rng(2).random((2, 12, 16)).astype("float32")
    export(MODEL, weights, folder / "export", features, ExportParams(), about, random_classifier(MODEL))
    return folder


@pytest.fixture(scope="module")
def server(place, processed, tmp_path_factory):
    """What the server printed, its port and its process."""
    features = np.random.default_rng(2).random((1, 12, 16)).astype("float32")
    temporary = tmp_path_factory.mktemp("temporary")
    with pytest.MonkeyPatch.context() as patch, filed_model(place, place / "export", processed, features):
        patch.setenv("TMPDIR", str(temporary))
        with serving(place) as (printed, port, process):
            yield [*printed, process.stdout.readline()], port, process
            assert process.poll() is None
    assert "Traceback" not in (place / "stderr.txt").read_text()


def kept(process):
    """The files without a name that a process holds."""
    files = []
    for path in Path(f"/proc/{process.pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            files.append(str(path.readlink()))
    return [file for file in files if file.endswith("(deleted)")]


def post(port, body, kind="video/mp4", path="/videos"):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, {"Content-Type": kind})
    try:
        with urllib.request.urlopen(request, timeout=600) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())["message"]


@pytest.mark.parametrize(("suffix", "kind"), [("mp4", "video/mp4"), ("mkv", "application/octet-stream")])
def test_a_video_gets_what_bmn_propose_would_write(suffix, kind, server, place, tmp_path):
    _, port, process = server
    path = film(tmp_path / f"clip.{suffix}", seconds=6)
    [(_, features)] = extract_videos([path], find_extractor(ExtractParams(**PARAMS), place, "cpu"))
    predictor = Predictor(place / "export", ProposalSettings(**EVALUATED.model_dump()))
    wanted = contents(Watched(path, features.duration, *predictor.watch(features.array, features.duration)))
    status, answer = post(port, path.read_bytes(), kind)
    assert (status, answer) == (200, wanted)
    assert {proposal["label"] for proposal in answer["proposals"]} <= {"jump", "wave"}
    assert kept(process) == []


def test_the_printed_curl_line_works(server, tmp_path):
    printed, _, _ = server
    film(tmp_path / "clip.mp4", seconds=4)
    done = subprocess.run(shlex.split(printed[2]), capture_output=True, text=True, check=True, cwd=tmp_path)
    assert json.loads(done.stdout)["duration"] == pytest.approx(4, abs=0.1)


def test_what_is_no_good_video_gets_a_sentence(server, tmp_path):
    _, port, process = server
    whole = film(tmp_path / "whole.mkv", seconds=10).read_bytes()
    for body, sentence in {
        b"hello": "the video cannot be decoded (Invalid data found when processing input)",
        b"": "the video is empty; get it again",
        whole[: len(whole) // 2]: "the video is truncated, it declares 9.9 s",
        b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n": "the video cannot be decoded (",
        film(tmp_path / "long.mkv", [0, 4000]).read_bytes(): "the video lasts 4000 s; at most 3600 are allowed, cut it",
    }.items():
        status, answer = post(port, body)
        assert status == 400
        assert answer.startswith(sentence)
    assert kept(process) == []


def test_what_is_not_declared_as_a_video_or_too_large_is_refused(server):
    _, port, _ = server
    status, answer = post(port, b"{}", "application/json")
    assert (status, answer) == (415, "the request is not declared as a video; send it with Content-Type: video/mp4")
    status, answer = post(port, b"\0" * (256 * 2**20 + 1))
    assert (status, answer.partition(";")[0]) == (413, "the request has 268435457 bytes")
    status, answer = post(port, b"", path="/invocations")
    assert (status, answer[:40]) == (415, "the request is not declared as JSON; sen")


def test_while_a_video_is_decoded_features_are_answered_and_a_killed_decoder_harms_one_video(server, tmp_path):
    _, port, process = server
    body = film(tmp_path / "clip.mp4", seconds=4).read_bytes()
    assert post(port, body)[0] == 200
    children = psutil.Process(process.pid).children()
    [decoder] = [child for child in children if "bmn.video.decoder" in command_line(child)]
    decoder.suspend()
    answers = []
    client = threading.Thread(target=lambda: answers.append(post(port, body)))
    client.start()
    while not kept(process):
        time.sleep(0.01)
    assert post(port, json.dumps(FEATURES).encode(), "application/json", "/invocations")[0] == 200
    assert answers == []
    decoder.kill()
    client.join()
    assert answers == [(400, "the video ends the decoder (SIGKILL); get it again or encode it anew")]
    assert kept(process) == []
    assert post(port, body)[0] == 200


def test_a_full_disk_is_told(server):
    _, port, process = server
    limits = psutil.Process(process.pid).rlimit(psutil.RLIMIT_FSIZE)
    psutil.Process(process.pid).rlimit(psutil.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        status, answer = post(port, b"\0" * 100_000)
    finally:
        psutil.Process(process.pid).rlimit(psutil.RLIMIT_FSIZE, limits)
    assert (status, answer) == (503, "the server cannot keep the request now (File too large); send it again later")
    assert kept(process) == []


def test_hostile_videos_end_in_a_sentence(server, tmp_path):
    """HOSTILE_INPUTS says how many."""
    _, port, process = server
    samples = [film(tmp_path / name, seconds=3).read_bytes() for name in ("film.mp4", "film.mkv")]
    statuses = []
    for number in range(HOSTILE):
        rng = random.Random(number)
        status, answer = post(port, damaged(rng, rng.choice(samples), samples))
        assert status in (200, 400), answer
        if status == 400:
            assert answer.startswith("the video ")
            assert "/proc" not in answer
            assert "\n" not in answer
        statuses.append(status)
    assert 400 in statuses
    assert kept(process) == []


def test_without_its_backbone_a_model_refuses_videos_and_the_log_says_which(place, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    endpoint, said = videos_endpoint(Predictor(place / "export"), threading.Lock()), []

    async def take(message):
        said.append(message.get("body", b""))

    asyncio.run(endpoint.application({"type": "http"}, None, take))
    sentence = "this server lacks the backbone of its model; send features to /invocations"
    assert json.loads(b"".join(said))["message"] == sentence
    assert capsys.readouterr().err.startswith("videos will be refused: seeing.onnx: cannot be read")
