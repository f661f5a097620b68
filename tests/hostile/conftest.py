"""Good inputs of every kind, which the campaign makes hostile ones of."""

import csv
import json
import shutil
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from video.films import film

from bmn.conversion.annotations import clean
from bmn.conversion.dialects import read_annotations
from bmn.data.videos import write_annotations
from bmn.model.weights import read_weights

ROOT = Path(__file__).parents[2]
VIDEOS = {
    f"v_{name}": {
        "duration_second": 40.0 + number,
        "duration_frame": 1000,
        "subset": ("training", "validation")[number % 2],
        "annotations": [{"segment": [float(n), n + 2.5], "label": "Archery"} for n in range(number)],
    }
    for number, name in enumerate("abcde")
}


@pytest.fixture(scope="session")
def samples(tmp_path_factory, exported, onnx_program, model, weights):
    folder = tmp_path_factory.mktemp("samples")
    shutil.copytree(exported, folder / "export")
    shutil.copy(ROOT / "params.yaml", folder)
    (folder / "model.json").write_text(model.model_dump_json())
    _annotations(folder)
    _features(folder)
    _weights(folder, weights)
    for suffix, codec in {"mp4": "libx264", "mkv": "libx264", "webm": "libvpx", "avi": "mpeg4", "mov": "mpeg4"}.items():
        film(folder / f"film.{suffix}", seconds=4, codec=codec)
    with tarfile.open(folder / "archive.tar", "w") as packed:
        packed.add(folder / "v_a.npy", "feat/v_a.npy")
        packed.add(folder / "v_b.csv", "feat/deep/v_b.csv")
    with tarfile.open(folder / "archive.tar.gz", "w:gz") as packed:
        packed.add(folder / "v_a.npy", "feat/v_a.npy")
        packed.add(folder / "v_b.csv", "feat/v_\u00fc.csv")
    with zipfile.ZipFile(folder / "archive.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.write(folder / "v_a.npy", "feat/v_a.npy")
        packed.write(folder / "v_b.csv", "v_b.csv")
    features = np.random.default_rng(5).normal(size=(2, 9, 8)).round(3)
    request = {"inputs": features.tolist(), "params": {"durations": [12.5, 20.0], "maps": False}}
    (folder / "request.json").write_text(json.dumps(request))
    return folder


def _annotations(folder):
    (folder / "annotations_1.json").write_text(json.dumps(VIDEOS, indent=1))
    videos, _ = clean(read_annotations(folder / "annotations_1.json"))
    write_annotations(folder / "annotations_2.json", videos)
    database = {
        name.removeprefix("v_"): {"duration": entry["duration_second"]}
        | {key: entry[key] for key in ("subset", "annotations")}
        for name, entry in VIDEOS.items()
    }
    (folder / "annotations_3.json").write_text(json.dumps({"version": "VERSION 1.3", "database": database}))
    with open(folder / "annotations_4.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow("video start end label subset duration".split())  # noqa: SIM905
        for name, entry in VIDEOS.items():
            rows = [(*row["segment"], row["label"]) for row in entry["annotations"]] or [("", "", "")]
            table.writerows([name, *row, entry["subset"], entry["duration_second"]] for row in rows)


def _features(folder):
    array = np.random.default_rng(1).normal(size=(20, 8)).astype("float32")
    np.save(folder / "v_a.npy", array)
    np.save(folder / "v_b.npy", np.asfortranarray(array.T))
    np.savez(folder / "v_c.npz", array)
    np.savez_compressed(folder / "v_d.npz", array.astype("float64"))
    np.savetxt(folder / "v_b.csv", array, delimiter=",")
    np.savetxt(folder / "v_e.csv", array, delimiter=",", header="a,b,c,d,e,f,g,h", comments="")


def _weights(folder, weights):
    import pickle

    shutil.copy(weights, folder / "ours.pdparams")
    arrays = {f"backbone.{name}": array.astype("float64") for name, array in read_weights(weights).items()}
    (folder / "theirs.pdparams").write_bytes(pickle.dumps(arrays, 4))
