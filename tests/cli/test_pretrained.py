"""PaddleVideo's weights, used without a training: fetched, exported, predicted with; each as a process."""

import functools
import http.server
import json
import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from reference import reference

SRC = Path(__file__).parents[2] / "src"


def python(folder, *words):
    return subprocess.run(
        [sys.executable, "-m", *map(str, words)],
        cwd=folder, env=os.environ | {"PYTHONPATH": str(SRC)}, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture
def address():
    folder = reference("bmn_weights.pdparams").parent
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    handler.log_message = lambda *_: None
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/bmn_weights.pdparams"
        server.shutdown()


def test_fetched_exported_and_predicted_with(tmp_path, address):
    (tmp_path / "params.yaml").write_text("data: {source: synthetic}")
    for words in (
        ["bmn.cli.pretrained", address],
        ["bmn.export.export", "outputs/pretrained/BMN.pdparams"],
        ["bmn.predict.predict", SRC.parent / "data/example_feat.npy", "--model", "outputs/exported"],
    ):
        done = python(tmp_path, *words)
        assert done.returncode == 0, done.stderr
    [found] = json.loads((tmp_path / "outputs/predict/bmn_results_inference.json").read_text()).values()
    assert all(0 <= start < end <= 1 for start, end in (each["segment"] for each in found))


def test_what_is_no_bmn_is_refused_and_nothing_is_kept(tmp_path):
    (tmp_path / "other.pdparams").write_bytes(pickle.dumps({}))
    for source, sentence in (("other.pdparams", "other.pdparams: has no"), ("nowhere", "nowhere: no such file")):
        done = python(tmp_path, "bmn.cli.pretrained", source)
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1].startswith(f"error: {sentence}")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["other.pdparams"]
