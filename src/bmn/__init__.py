"""BMN: temporal action proposals with the Boundary-Matching Network (arXiv 1907.09702) in PaddlePaddle."""

from bmn.runtime import set_environment

__version__ = "0.1.0"

set_environment()  # before anything here imports Paddle
