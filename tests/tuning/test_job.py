"""Trainings as processes: rungs, checkpoints, what is not trained again, and how they fail."""

import json
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import psutil
import pytest

from bmn.data.store import FeatureStore
from bmn.data.subset import Subset, open_subset
from bmn.data.videos import Segment, Video
from bmn.data.windows import Window
from bmn.metrics import proposal_recall
from bmn.model.network import BMN
from bmn.proposals import ProposalSettings
from bmn.proposals.subset import subset_proposals
from bmn.training.checkpoint import Checkpoints
from bmn.training.distributed import World
from bmn.training.loop import Trainer
from bmn.tuning.space import check_space, with_values
from bmn.tuning.training_process import TrainingProcess, TrialFailed, digest_of_data, make_job
from bmn.tuning.trial import decode_all

pytestmark = pytest.mark.xdist_group("trial")


def no_beat():
    pass


def job_of(params, processed, folder, searching=True, **values):
    searched = check_space(params).searched if searching else {}
    params = with_values(params, {key.replace("__", "."): value for key, value in values.items()}, "test")
    return make_job(params, searched, processed, digest_of_data(processed), Path(folder))


def log_of(job):
    with open(f"{job.folder}/log.txt") as log:
        return log.read()


@pytest.fixture(scope="module")
def uninterrupted(params, processed, tmp_path_factory):
    """What the training gives by itself, and its network."""
    training, validation = open_subset(processed, "training"), open_subset(processed, "validation")
    trainer = Trainer(params.model, params.train, World(0, 1))
    trained = trainer.fit(training, validation, Checkpoints(tmp_path_factory.mktemp("checkpoints")), None)
    trainer.network.set_state_dict(trained.best)
    return trained.history, trainer.network, validation


@pytest.fixture(scope="module")
def trained(params, processed, tmp_path_factory):
    """A training stopped after its first rung, and then brought to its end by another process."""
    job = job_of(params, processed, tmp_path_factory.mktemp("trainings"))
    with TrainingProcess(job, no_beat) as training:
        first = training.to(1)
        time.sleep(0.5)
        assert training.to(1) == first  # it waits
        assert training.process.poll() is None
    assert training.process.poll() is not None
    beats = []
    with TrainingProcess(job, lambda: beats.append(1)) as training:
        history, outcome = training.finish()
    assert beats
    return job, first, history, outcome


def test_in_rungs_it_is_the_same_training(params, processed, tmp_path, trained, uninterrupted):
    """Bit for bit that of one process without rungs; that of this process, which has other settings, to rounding."""
    job, first, history, _ = trained
    with TrainingProcess(job_of(params, processed, tmp_path), no_beat) as training:
        assert history == training.finish()[0]
    losses = [
        [{name: row[name] for name in row if "loss" in name} for row in rows] for rows in (history, uninterrupted[0])
    ]
    for row, other in zip(*losses, strict=True):
        assert row == pytest.approx(other, rel=1e-4)
    assert first == history[:1]
    begins = [line for line in log_of(job).splitlines() if line.startswith("begins after")]
    assert begins == ["begins after epoch 0, iteration 0", "begins after epoch 1, iteration 2"]


def test_the_outcome_is_reported_on_videos_that_were_not_searched_on(params, trained, uninterrupted):
    outcome = trained[3]
    _, network, validation = uninterrupted
    searched, reported = (part.candidates.videos for part in decode_all(network, validation)[0].split())
    assert set(searched).isdisjoint(reported)

    def auc(settings):
        found = subset_proposals(network, validation, ProposalSettings(**settings.model_dump()), 4)
        truth = validation.truth()
        return proposal_recall({v: truth[v] for v in reported}, {v: found[v] for v in reported}).auc

    best = with_values(params, outcome.proposals, "test").proposals
    assert outcome.figures["AUC"] == pytest.approx(auc(best))
    assert outcome.figures["AUC before the search"] == pytest.approx(auc(params.proposals))
    assert outcome.proposals.keys() == check_space(params).searched.keys()
    assert outcome.figures["milliseconds a video"] > 0


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


def test_what_was_trained_is_not_trained_again(trained):
    job, _, history, outcome = trained
    with TrainingProcess(job, no_beat) as training:
        assert training.to(1) == history[:1]
        assert training.finish() == (history, outcome)
        assert training.process is None


def test_other_proposal_parameters_need_no_other_training(params, processed, trained):
    folder = Path(trained[0].folder)
    job = job_of(params, processed, folder.parent, searching=False, proposals__alpha=0.9)
    assert job.folder == trained[0].folder
    assert job.evaluation != trained[0].evaluation
    with TrainingProcess(job, no_beat) as training:
        history, outcome = training.finish()
    assert history == trained[2]
    assert log_of(job).splitlines()[-1] == "begins after epoch 2, iteration 4"
    assert outcome.proposals == {}
    assert outcome.figures["AUC"] == outcome.figures["AUC before the search"]


def test_a_training_is_named_after_what_shapes_it(params, processed):
    name = job_of(params, processed, "t").folder
    assert name == job_of(params, processed, "t", train__devices="auto", train__checkpoint_minutes=1.0).folder
    others = {"model__num_sample": 2, "train__learning_rate": 0.5, "train__seed": 9, "train__epochs": 3}
    folders = [job_of(params, processed, "t", **{key: value}).folder for key, value in others.items()]
    assert len({name, *folders}) == 5


def test_a_training_that_fails_tells_why(params, processed, tmp_path):
    job = job_of(params, processed, tmp_path, train__learning_rate=1e38)
    with TrainingProcess(job, no_beat) as training, pytest.raises(TrialFailed, match=r"loss is not finite.*log\.txt"):
        training.finish()


def test_a_training_that_is_killed_for_its_memory_fails_alone(params, processed, tmp_path):
    job = job_of(params, processed, tmp_path, train__epochs=1000)

    def kill_it():
        training.process.kill()

    with TrainingProcess(job, kill_it) as training, pytest.raises(TrialFailed, match=r"SIGKILL \(perhaps the memory"):
        training.finish()


WORKER = """
import json, sys
from bmn.tuning.training_process import Job, TrainingProcess
def tell():
    print(training.process.pid, flush=True)
with TrainingProcess(Job(**json.loads(sys.argv[1])), tell) as training:
    training.finish()
"""


def test_it_does_not_outlive_its_worker(params, processed, tmp_path):

    job = job_of(params, processed, tmp_path, train__epochs=100_000)
    words = [sys.executable, "-c", WORKER, json.dumps(asdict(job))]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as worker:
        trial = psutil.Process(int(worker.stdout.readline()))
        worker.kill()
    psutil.wait_procs([trial], timeout=10)
    assert not trial.is_running() or trial.status() == psutil.STATUS_ZOMBIE
