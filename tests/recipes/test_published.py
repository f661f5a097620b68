"""Published recipes: what people are told, and data of each one's shape through conversion, training and labels."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from shell import bmn

from bmn.acquire.raw import Raw
from bmn.base.errors import BmnError
from bmn.base.params import load_params
from bmn.classify.fit import fit
from bmn.classify.subset import subset_detections
from bmn.classify.video_scores import THUMOS_CLASSES, check_scores, read_video_scores
from bmn.conversion.convert import Choices, convert
from bmn.data.subset import open_subset
from bmn.metrics.assessment import assess
from bmn.metrics.detection import detections
from bmn.proposals.subset import subset_proposals
from bmn.recipes.presets import preset_params, use_preset
from bmn.recipes.published import PUBLISHED
from bmn.training.checkpoint import Checkpoints
from bmn.training.distributed import World
from bmn.training.loop import Trainer

PARAMS = Path(__file__).parents[2] / "params.yaml"
LABELS = ("Diving", "LongJump")
SECONDS = 8.0


def annotated(folder, names, form):
    """The annotations of made videos, one segment each, in the form that the data set's organizers use."""
    rows = [(name, 2.0 + number % 3, 4.0 + number % 3, LABELS[number % 2]) for number, name in enumerate(names)]
    if form == "THUMOS-14":
        for name, start, end, label in rows:
            path = folder / f"texts/{label}_{'test' if 'test' in name else 'val'}.txt"
            path.parent.mkdir(exist_ok=True)
            with path.open("a") as file:
                file.write(f"{name}  {start} {end}\n")
        return folder / "texts"
    database = {
        name: {
            "subset": "validation" if number % 3 == 0 else "training",
            "duration": str(SECONDS),
            "annotations": [{"segment": [start, end], "label": label}],
        }
        for number, (name, start, end, label) in enumerate(rows)
    }
    (folder / "annotations.json").write_text(json.dumps({"database": database}))
    return folder / "annotations.json"


def classified(folder, names, form):
    """Scores of the right class of each video, as other people's classifiers give them."""
    right = [number % 2 for number in range(len(names))]
    if form == "THUMOS-14":
        array = np.full((20, 101), 0.01, np.float32)
        for name, which in zip(names, right, strict=True):
            array[int(name[-4:]) - 1, THUMOS_CLASSES[LABELS[which]]] = 0.9
        np.save(folder / "scores.npy", array)
        return folder / "scores.npy"
    rows = {name: [[5.0 * (1 - which), 5.0 * which]] for name, which in zip(names, right, strict=True)}
    rows = rows if form.startswith("HACS") else {name: row[0] for name, row in rows.items()}
    (folder / "scores.json").write_text(json.dumps({"class": LABELS, "results": rows}))
    return folder / "scores.json"


@pytest.mark.parametrize("name", [name for name in PUBLISHED if PUBLISHED[name].asks_for_features])
def test_data_of_its_shape_become_labelled_segments(name, tmp_path):
    """The recipe with a smaller network; what it says of windows, durations and proposals is as published."""
    form, params = PUBLISHED[name].data, preset_params(name)
    names = [f"video_{'test' if number % 3 == 0 else 'validation'}_{number + 1:07d}" for number in range(9)]
    stride = params.data.snippet_seconds or 0.5
    rng = np.random.default_rng(0)
    (tmp_path / "features").mkdir()
    for video in names:
        np.save(tmp_path / f"features/{video}.npy", rng.normal(size=(round(SECONDS / stride), 8)).astype("float32"))
    tscale = 32 if params.data.length == "window" else 16
    small = {"feat_dim": 8, "tscale": tscale, "dscale": 16, "num_sample": 2, "num_sample_perbin": 1}
    model = params.model.model_copy(update=small)
    choices = Choices(
        8, tscale, params.data.strict, params.data.length, params.data.overlap, params.data.inside,
        params.data.snippet_seconds,
    )  # fmt: skip
    raw = Raw(tmp_path / "features", annotated(tmp_path, names, form))
    counts, _ = convert(raw, tmp_path / "out", choices, tmp_path / "work")
    assert counts == {"training": 6, "validation": 3}
    training, validation = open_subset(tmp_path / "out", "training"), open_subset(tmp_path / "out", "validation")
    assert (len(validation.store) > 3) == (params.data.length == "window")
    recipe = params.train.model_copy(update={"epochs": 1, "batch_size": 3})
    trainer = Trainer(model, recipe, World(0, 1))
    trained = trainer.fit(training, validation, Checkpoints(tmp_path / "checkpoints"), 5.0, None)
    assert np.isfinite(trained.history[-1]["val/loss"])

    proposals = subset_proposals(trainer.network, validation, params.proposals, 4)
    scores = read_video_scores(classified(tmp_path, names, form))
    labels = {segment.label for video in validation.ground_truth for segment in video.segments}
    assert check_scores(scores, labels, tmp_path) == []
    foreign = detections(proposals, scores)
    assert set(foreign) >= set(LABELS)
    classifier = fit(training, {}, params.classify)
    own = subset_detections(classifier, validation, proposals)
    for detected in (foreign, own):
        metrics = assess(validation.ground_truth, proposals, detected).metrics()
        assert 0 <= metrics["mAP"] <= metrics["mAP@0.5"] <= 100
        assert "mAP@0.3-0.7" in metrics


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_is_expected_is_told_with_its_source_and_what_is_missing_with_where_it_is(name, tmp_path):
    recipe = PUBLISHED[name]
    lines = recipe.told(tmp_path, recipe.params["data"]["features"]).splitlines()
    assert lines[0] == f"expected, as published by {recipe.source}: {recipe.expected}; not measured by us"
    assert lines[1 : 1 + len(recipe.differs)] == [f"not the same here: {difference}" for difference in recipe.differs]
    assert ["is missing: " in line for line in lines[1 + len(recipe.differs) :]] == [True] * recipe.asks_for_features


def test_its_data_may_lie_elsewhere(tmp_path):
    shutil.copy(PARAMS, tmp_path)
    for name in ("features", "texts"):
        (tmp_path / name).mkdir()
    (tmp_path / "uNet_test.npy").touch()
    words = ["--features", "features", "--annotations", "texts"]
    done = bmn(tmp_path, "use", "thumos14_i3d", *words)
    assert done.returncode == 0, done.stderr
    assert PUBLISHED["thumos14_i3d"].told(tmp_path, "features") in done.stdout
    assert "is missing" not in done.stdout
    params = load_params(tmp_path / "params.yaml")
    assert (params.data.features, params.data.annotations, params.model.dscale) == ("features", "texts", 64)
    use_preset("thumos14_i3d", tmp_path / "params.yaml", places={"evaluate.classifier": "uNet_test.npy"}, reset=True)
    assert load_params(tmp_path / "params.yaml").evaluate.classifier == "uNet_test.npy"

    with pytest.raises(BmnError, match="absent: no such file or folder; correct what names it"):
        use_preset("thumos14_i3d", tmp_path / "params.yaml", places={"data.features": "absent"})


def test_the_parameters_are_those_of_the_published_configurations():
    i3d, hacs = preset_params("thumos14_i3d"), preset_params("hacs_slowfast")
    assert (i3d.model.tscale, i3d.model.dscale, i3d.data.overlap, i3d.data.inside) == (128, 64, 0.5, 0.9)
    assert (i3d.train.learning_rate, i3d.train.epochs, i3d.train.clip_norm, i3d.train.batch_size) == (1e-4, 8, 1.0, 16)
    assert (hacs.model.tscale, hacs.model.dscale, hacs.model.feat_dim, hacs.train.decay_epoch) == (192, 192, 2304, 5)
    assert "51.70" in PUBLISHED["thumos14_i3d"].expected
