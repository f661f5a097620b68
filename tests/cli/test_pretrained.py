"""PaddleVideo's weights, used without training: fetched, exported, used for prediction; in real processes."""

import functools
import http.server
import json
import pickle
import threading

import pytest
from shell import ROOT, bmn


@pytest.fixture
def address(golden_weights):
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=golden_weights.parent)
    handler.log_message = lambda *_: None
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/{golden_weights.name}"
        server.shutdown()


def test_fetching_exporting_and_predicting(tmp_path, address):
    (tmp_path / "params.yaml").write_text("data: {source: synthetic}")
    for words in (
        ["pretrained", address],
        ["export", "outputs/pretrained/BMN.pdparams"],
        ["predict", ROOT / "data/example_feat.npy", "--model", "outputs/exported"],
    ):
        done = bmn(tmp_path, *words)
        assert done.returncode == 0, done.stderr
    [found] = json.loads((tmp_path / "outputs/predict/bmn_results_inference.json").read_text()).values()
    assert all(0 <= start < end <= 1 for start, end in (each["segment"] for each in found))


def test_other_weights_are_refused_and_nothing_is_kept(tmp_path):
    (tmp_path / "other.pdparams").write_bytes(pickle.dumps({}))
    for source, sentence in (("other.pdparams", "other.pdparams: has no"), ("nowhere", "nowhere: no such file")):
        done = bmn(tmp_path, "pretrained", source)
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1].startswith(f"error: {sentence}")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["other.pdparams"]
