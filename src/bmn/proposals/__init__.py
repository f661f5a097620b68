"""From the network's maps to proposals of whole videos: decoding, merging of windows, score fusion, Soft-NMS."""

from bmn.base.schema import ProposalSettings
from bmn.proposals.candidates import Candidates, Float32s, Floats, concatenate, decode, merge
from bmn.proposals.propose import Maps, VideoCandidates, in_seconds, propose, select, whole_videos
from bmn.proposals.suppression import PUBLISHED, Proposals, Result, results, score, soft_nms

__all__ = [
    "PUBLISHED",
    "Candidates",
    "Float32s",
    "Floats",
    "Maps",
    "ProposalSettings",
    "Proposals",
    "Result",
    "VideoCandidates",
    "concatenate",
    "decode",
    "in_seconds",
    "merge",
    "propose",
    "results",
    "score",
    "select",
    "soft_nms",
    "whole_videos",
]
