"""A small network's weights in a file, and a classifier to go with them."""

import numpy as np
import paddle

from bmn.classify.classifier import SegmentClassifier
from bmn.classify.pooling import PARTS
from bmn.model.network import BMN
from bmn.model.weights import write_weights


def write_random_weights(path, model):
    """Weights large enough that maps are not flat and rounding does not reorder scores; returns the path."""
    paddle.seed(5)
    network = BMN(**model.model_dump())
    write_weights({name: 1.7 * tensor.numpy() for name, tensor in network.state_dict().items()}, path)
    return path


def random_classifier(model):
    """A classifier of segments that knows two classes, by chance."""
    rng = np.random.default_rng(5)
    weights = rng.normal(size=(PARTS * model.feat_dim, 3)).astype(np.float32)
    return SegmentClassifier(("jump", "wave"), weights, np.zeros(3, np.float32))
