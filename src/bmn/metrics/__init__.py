"""How good proposals are: the figures that the field compares, and what lies behind them.

``breakdown`` (by length, by number, errors), ``intervals`` and ``detection`` (mAP) are imported by name, so that a
training does not depend on them.
"""

from bmn.metrics.recall import AVERAGE_NUMBERS, TIOU_THRESHOLDS, Recall, proposal_recall

__all__ = ["AVERAGE_NUMBERS", "TIOU_THRESHOLDS", "Recall", "proposal_recall"]
