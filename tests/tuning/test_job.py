"""Trainings as jobs: resumed, evaluated, not repeated, and how they fail."""

import json
from pathlib import Path

import numpy as np
import pytest

from bmn.base.schema import ExecutionParams
from bmn.classify.subset import learn, subset_detections
from bmn.data.store import FeatureStore
from bmn.data.subset import Subset, open_subset
from bmn.data.videos import Segment, Video
from bmn.data.windows import Window
from bmn.execution.engines import open_engine
from bmn.execution.jobs import Job, run
from bmn.metrics import proposal_recall
from bmn.metrics.assessment import assess
from bmn.model.network import BMN
from bmn.proposals import ProposalSettings
from bmn.proposals.subset import subset_proposals
from bmn.training.checkpoint import Checkpoints
from bmn.training.distributed import World
from bmn.training.loop import Trainer
from bmn.training_jobs.data import digest_of_data
from bmn.tuning.job import decode_all
from bmn.tuning.space import check_space, with_values

pytestmark = pytest.mark.xdist_group("trial")


def job_of(params, processed, folder, searching=True, entry="bmn.tuning.job:trial", **values):
    searched = check_space(params).searched if searching else {}
    changed = with_values(params, {key.replace("__", "."): value for key, value in values.items()}, "test")
    arguments = {
        "params": changed.model_dump(),
        "searched": {key: dimension.model_dump() for key, dimension in searched.items()},
        "data": str(processed),
        "digest": digest_of_data(processed),
        "folder": str(folder),
    }
    return Job("job", entry, arguments)


def done(job, stop_after=None):
    """What a job told, and its last event; it is killed after that many epochs."""
    told = []
    with open_engine(ExecutionParams(devices="cpu")) as engine:
        for event in filter(None, run(engine, iter([job]))):
            told += [event.content["row"]] if event.kind == "told" and "row" in event.content else []
            if len(told) == stop_after:
                engine.cancel(job.name)
                return told, event
    return told, event


@pytest.fixture(scope="module")
def uninterrupted(params, processed, tmp_path_factory):
    """The training in this process, and its network."""
    training, validation = open_subset(processed, "training"), open_subset(processed, "validation")
    trainer = Trainer(params.model, params.train, World(0, 1))
    trained = trainer.fit(training, validation, Checkpoints(tmp_path_factory.mktemp("checkpoints")), 5.0, None)
    trainer.network.set_state_dict(trained.best)
    return trained.history, trainer.network, validation


@pytest.fixture(scope="module")
def trained(params, processed, tmp_path_factory):
    """A training killed after its first epoch, and then finished by another job."""
    job = job_of(params, processed, tmp_path_factory.mktemp("trainings"))
    first, _ = done(job, stop_after=1)
    history, event = done(job)
    return job, first, history, event.content


def test_a_killed_training_resumes_and_is_the_same(params, processed, tmp_path, trained, uninterrupted):
    """Bit for bit that of one job; that of this process, which has other settings, to rounding."""
    _, first, history, _ = trained
    assert history == done(job_of(params, processed, tmp_path))[0]
    assert first == history[:1]
    losses = [
        [{name: row[name] for name in row if "loss" in name} for row in rows] for rows in (history, uninterrupted[0])
    ]
    for row, other in zip(*losses, strict=True):
        assert row == pytest.approx(other, rel=1e-4)


def test_the_figures_come_from_videos_that_were_not_searched_on(params, trained, uninterrupted):
    outcome = trained[3]
    _, network, validation = uninterrupted
    searched, reported = (part.candidates.videos for part in decode_all(network, validation)[0].split())
    assert set(searched).isdisjoint(reported)

    def auc(settings):
        found = subset_proposals(network, validation, ProposalSettings(**settings.model_dump()), 4)
        truth = validation.truth()
        return proposal_recall({v: truth[v] for v in reported}, {v: found[v] for v in reported}).auc

    best = with_values(params, outcome["proposals"], "test").proposals
    assert outcome["figures"]["AUC"] == pytest.approx(auc(best))
    assert outcome["figures"]["AUC before the search"] == pytest.approx(auc(params.proposals))
    assert outcome["proposals"].keys() == check_space(params).searched.keys()
    assert outcome["figures"]["milliseconds a video"] > 0


def test_windows_of_long_videos_are_searched_on_as_the_pipeline_joins_them(params, tmp_path):
    size = params.model
    windows = [Window("v_long", start, start + 16.0) for start in (0.0, 8.0, 16.0)] + [Window("v_short", 0.0, 16.0)]
    videos = {
        name: Video(name, "validation", duration, (Segment(2.0, 0.8 * duration, "wave"),))
        for name, duration in {"v_long": 32.0, "v_short": 16.0}.items()
    }
    features = np.random.default_rng(0).normal(size=(4, size.feat_dim, size.tscale)).astype(np.float32)
    subset = Subset(
        FeatureStore(tmp_path, tuple(windows), features, ""), videos, [np.empty((0, 2))] * 4, list(videos.values())
    )
    network = BMN(**size.model_dump())
    decoded, _ = decode_all(network, subset)
    proposals = ProposalSettings(boundary_exponent=0.5, classification_exponent=2.0, alpha=0.2)
    found = subset_proposals(network, subset, ProposalSettings(**proposals.model_dump()), 2)
    assert list(decoded.candidates.videos) == list(videos)
    assert decoded.auc(proposals) == proposal_recall(subset.truth(), found).auc > 0


def test_what_is_done_is_not_repeated(params, processed, trained):
    """Nothing is trained for the same parameters, nor for other proposal parameters."""
    job, _, history, outcome = trained
    [checkpoints] = [file for file in Path(job.arguments["folder"]).rglob("*") if file.name == "history.json"]
    before = checkpoints.stat().st_mtime_ns
    told, event = done(job)
    assert (told, event.content) == (history, outcome)
    assert checkpoints.stat().st_mtime_ns == before
    told, event = done(job_of(params, processed, job.arguments["folder"], searching=False, proposals__alpha=0.9))
    assert told == history
    assert event.content["proposals"] == {}
    assert event.content["figures"]["AUC"] == event.content["figures"]["AUC before the search"]
    assert len(list(Path(job.arguments["folder"]).iterdir())) == 1


def test_a_training_of_a_seed_is_evaluated_as_the_pipeline_does(params, processed, trained, uninterrupted):
    _, network, validation = uninterrupted
    found = subset_proposals(network, validation, params.proposals, params.evaluate.batch_size)
    learned = learn(network, open_subset(processed, "training"), params.classify)
    assessment = assess(validation.ground_truth, found, subset_detections(learned, validation, found))
    expected = assessment.metrics() | assessment.of_short()
    assert "mAP" in expected
    folder, entry = trained[0].arguments["folder"], "bmn.training_jobs.seed:seed"
    _, event = done(job_of(params, processed, folder, searching=False, entry=entry))
    assert event.content["figures"] == pytest.approx(expected)


def test_a_training_that_diverges_tells_why(params, processed, tmp_path):
    _, event = done(job_of(params, processed, tmp_path, train__learning_rate=1e38))
    assert event.kind == "error"
    assert "loss is not finite" in event.content["text"]


def test_other_data_is_refused(params, processed, tmp_path):
    job = job_of(params, processed, tmp_path)
    job.arguments["digest"] = "other"
    _, event = done(job)
    assert event.content["type"] == "DataChangedError"
    assert json.dumps(event.content["text"]).count("is not the data this sweep started with") == 1
