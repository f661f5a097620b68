"""``make use`` with own data: what the data determine, and the recipe only on request."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from video.films import film
from video.seeing import PARAMS as PARAMS_OF_SEEING
from video.seeing import write_seeing

from bmn.base.errors import BmnError
from bmn.base.params import load_params
from bmn.recipes.edits import edit
from bmn.recipes.own import epochs_for, own_values

PARAMS = Path(__file__).parents[2] / "params.yaml"


@pytest.fixture
def project(tmp_path, monkeypatch):
    shutil.copy(PARAMS, tmp_path)
    (tmp_path / "mine").mkdir()
    write(tmp_path, 64)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder, channels, videos=6):
    lines = ["video,start,end,label,subset,duration"]
    for number in range(videos):
        np.save(folder / f"mine/clip{number}.npy", np.zeros((10, channels), "float32"))
        lines.append(f"clip{number},1,2,wave,{'validation' if number < 2 else 'training'},10")
    (folder / "segments.csv").write_text("\n".join(lines))


def use(folder, **words):
    path = folder / "params.yaml"
    edit(path, own_values(load_params(path), "mine", "segments.csv", **words))
    return load_params(path)


def test_new_data_get_the_published_recipe_and_what_they_determine(project):
    params = use(project)
    assert (params.data.source, params.data.features, params.data.annotations) == ("local", "mine", "segments.csv")
    assert (params.model.feat_dim, params.train.batch_size) == (64, 4)
    assert (params.train.epochs, params.train.decay_epoch) == (36, 28)
    assert (params.data.features_sha256, params.data.annotations_sha256) == (None, None)


def test_data_in_use_change_only_what_they_determine(project):
    use(project)
    edit(project / "params.yaml", {"train.epochs": 3, "model.tscale": 50, "model.dscale": 40, "proposals.alpha": 0.3})
    before = load_params(project / "params.yaml")
    write(project, 32, videos=20)
    after = use(project)
    model = before.model.model_copy(update={"feat_dim": 32})
    assert after == before.model_copy(update={"model": model})
    assert use(project, reset=True).train.epochs == 36


def test_videos_get_the_channels_of_their_backbone_and_need_no_durations(project):
    write_seeing(project / "seeing.onnx", 12)
    (project / "clips").mkdir()
    film(project / "clips/clip5.mp4", seconds=2)
    lines = (project / "segments.csv").read_text().splitlines()
    (project / "segments.csv").write_text("\n".join(line.rpartition(",")[0] for line in lines))
    edit(project / "params.yaml", {f"extract.{key}": value for key, value in PARAMS_OF_SEEING.items()})
    params = load_params(project / "params.yaml")
    values = own_values(params, "clips", "segments.csv")
    assert (values["model.feat_dim"], values["train.batch_size"], values["data.features"]) == (12, 4, "clips")


@pytest.mark.parametrize(("videos", "epochs"), [(0, 36), (7, 36), (160, 30), (320, 15), (500, 10), (544, 9), (9649, 9)])
def test_epochs_follow_the_number_of_videos(videos, epochs):
    """At least 300 iterations, 9 epochs as published where these are more, and 36 at most."""
    assert epochs_for(videos) == epochs


def test_a_batch_is_never_larger_than_the_training_set(project):
    use(project)
    write(project, 64, videos=4)
    (project / "mine/clip4.npy").unlink()
    (project / "mine/clip5.npy").unlink()
    assert use(project).train.batch_size == 2


@pytest.mark.parametrize("missing", ["mine", "segments.csv"])
def test_missing_files_are_named(project, missing):
    path = project / missing
    path.rename(project / "away")
    with pytest.raises(BmnError, match=f"{missing}: no such file or folder; correct what names it"):
        use(project)
