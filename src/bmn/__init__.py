"""BMN: temporal action proposals with the Boundary-Matching Network (arXiv 1907.09702) in PaddlePaddle."""

__version__ = "0.1.0"
