"""Metrics of proposals: AR@AN and AUC, and the breakdowns behind them.

``breakdown`` (by length, by number, errors), ``intervals`` and ``detection`` (mAP) are not imported here, so that
training does not depend on them.
"""

from bmn.metrics.recall import AVERAGE_NUMBERS, TIOU_THRESHOLDS, Recall, proposal_recall

__all__ = ["AVERAGE_NUMBERS", "TIOU_THRESHOLDS", "Recall", "proposal_recall"]
