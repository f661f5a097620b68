"""Detections in the form that predictions and evaluations write."""

from bmn.classify.classifier import Detected
from bmn.proposals import Result


class LabelledResult(Result):
    """One detection in ActivityNet's result form."""

    label: str


def labelled_results(detected: Detected) -> list[LabelledResult]:
    """The detections of a video, best first; equal scores go by the names of their classes."""
    found: list[LabelledResult] = [
        {"label": name, "score": score, "segment": [start, end]}
        for name, rows in sorted(detected.items())
        for start, end, score in rows.tolist()
    ]
    return sorted(found, key=lambda each: -each["score"])
