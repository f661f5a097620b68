import numpy as np

from bmn.training.fingerprint import fingerprint

CHOICES, DATA = {"train": {"learning_rate": 1e-3}}, ["abc", "def"]


def test_the_same_training_has_the_same_name():
    assert fingerprint(CHOICES, DATA) == fingerprint({"train": {"learning_rate": 0.001}}, ["abc", "def"])


def test_parameters_data_and_initial_weights_each_make_another():
    weights = {"a": np.zeros(3, "float32")}
    names = [
        fingerprint(CHOICES, DATA),
        fingerprint({"train": {"learning_rate": 2e-3}}, DATA),
        fingerprint(CHOICES, ["abc", "dee"]),
        fingerprint(CHOICES, DATA, weights),
        fingerprint(CHOICES, DATA, {"a": np.ones(3, "float32")}),
    ]
    assert len(set(names)) == len(names)
