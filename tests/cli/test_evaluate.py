"""Evaluation outside the pipeline: of any proposal file and any weights."""

import json
import re

import golden
import numpy as np
import pytest
from shell import bmn

from bmn.acquire.raw import Raw
from bmn.acquire.synthetic import make_synthetic
from bmn.conversion.convert import Choices, convert


def evaluate(folder, *words):
    return bmn(folder, "evaluate", *words)


@pytest.fixture
def files(tmp_path):
    """Three videos, with their segments as proposals and correct class scores."""
    annotations = {"a": [[0, 5], [6, 9]], "b": [[2, 10]], "c": []}
    truth = {
        video: {
            "subset": "validation",
            "duration": 10.0,
            "annotations": [{"segment": segment, "label": f"of {video}"} for segment in segments],
        }
        for video, segments in annotations.items()
    }
    found = {video: [{"score": 0.5, "segment": segment} for segment in rows] for video, rows in annotations.items()}
    scores = {video: [float(video == other) for other in annotations] for video in annotations}
    (tmp_path / "truth.json").write_text(json.dumps({"version": "1.3", "taxonomy": [], "database": truth}))
    (tmp_path / "proposals.json").write_text(json.dumps({"results": found, "version": "", "external_data": {}}))
    (tmp_path / "scores.json").write_text(
        json.dumps({"results": scores, "class": [f"of {video}" for video in annotations]})
    )
    return tmp_path


def test_proposals_are_evaluated_with_detections_and_a_self_contained_report(files):
    words = ["--proposals", "proposals.json", "--ground-truth", "truth.json", "--classifier", "scores.json"]
    done = evaluate(files, *words)
    assert done.returncode == 0, done.stderr
    metrics = json.loads((files / "outputs/evaluation/metrics.json").read_text())
    assert metrics["AR@100"] == 100
    assert metrics["mAP"] == pytest.approx(100)
    page = (files / "outputs/evaluation/report.html").read_text()
    assert set(re.findall(r'(?:src|href)="([^"]{0,22})', page)) == {"data:image/png;base64,"}
    assert "https:" not in page
    assert "http:" not in page
    for words in ("best: ", "AR@100", "mAP"):
        assert words in page


def test_the_results_match_the_official_evaluator(tmp_path):
    expected = golden.read("evaluation.json")["plain"]
    (tmp_path / "proposals.json").write_text(json.dumps(golden.read("proposals_plain.json.xz")))
    words = ["--proposals", "proposals.json", "--ground-truth", golden.FOLDER / "ground_truth.json"]
    done = evaluate(tmp_path, *words, "--output", tmp_path)
    assert done.returncode == 0, done.stderr
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    for name in ("AR@1", "AR@5", "AR@10", "AR@100", "AUC"):
        assert metrics[name] == pytest.approx(expected[name], abs=1e-9)


def test_published_weights_are_evaluated_without_training(tmp_path, golden_weights):
    make_synthetic(tmp_path / "raw", seed=1, videos={"training": 1, "validation": 3})
    raw = Raw(tmp_path / "raw/features", tmp_path / "raw/annotations.json")
    convert(raw, tmp_path / "data/processed", Choices(channels=400, tscale=100), tmp_path / "work")
    (tmp_path / "params.yaml").write_text("data: {source: synthetic}")
    done = evaluate(tmp_path, "--weights", golden_weights)
    assert done.returncode == 0, done.stderr
    written = json.loads((tmp_path / "outputs/evaluation/proposals.json").read_text())["results"]
    assert len(written) == 3
    assert all(np.diff([each["score"] for each in found]).max() <= 0 for found in written.values())


def test_metrics_are_printed_as_json(files):
    done = evaluate(files, "--proposals", "proposals.json", "--ground-truth", "truth.json", "--json")
    assert json.loads(done.stdout) == json.loads((files / "outputs/evaluation/metrics.json").read_text())


@pytest.mark.parametrize("words", [[], ["--proposals", "p"], ["--weights", "w", "--proposals", "p"]])
def test_either_proposals_or_weights_must_be_given(files, words):
    done = evaluate(files, *words)
    assert done.returncode == 2
    assert "expected either --proposals with --ground-truth, or --weights" in done.stderr


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("[]", "proposals.json: has no"),
        ('{"results": {"a": [{"score": 1}]}}', "video a has entries other than"),
        ('{"results": {"a": [{"score": NaN, "segment": [0, 1]}]}}', "video a has a score or time that is not"),
        ("{", "is not JSON"),
    ],
)
def test_a_bad_proposal_file_is_reported(files, content, sentence):
    (files / "proposals.json").write_text(content)
    done = evaluate(files, "--proposals", "proposals.json", "--ground-truth", "truth.json")
    assert done.returncode == 1
    assert sentence in done.stderr.splitlines()[-1]
    assert not (files / "outputs").exists()
