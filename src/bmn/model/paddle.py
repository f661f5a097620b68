"""The one place that imports Paddle, with fast settings: ``from bmn.model.paddle import paddle``."""

from bmn.base.runtime import importing_paddle

with importing_paddle():
    import paddle
    import paddle.nn.functional as F
    from paddle import Tensor, nn

__all__ = ["F", "Tensor", "nn", "paddle"]
