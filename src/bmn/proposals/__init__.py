"""From the network's maps to scored segments: decoding, score fusion, Soft-NMS, windows joined to videos."""

from bmn.base.params import ProposalSettings
from bmn.proposals.candidates import Candidates, Float32s, Floats, concatenate, decode, merge
from bmn.proposals.suppression import PUBLISHED, Proposals, Result, in_seconds, results, score, soft_nms

__all__ = [
    "PUBLISHED",
    "Candidates",
    "Float32s",
    "Floats",
    "ProposalSettings",
    "Proposals",
    "Result",
    "concatenate",
    "decode",
    "in_seconds",
    "merge",
    "results",
    "score",
    "soft_nms",
]
