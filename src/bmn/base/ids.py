"""Ids of videos, brought to one form wherever a name is read from a file."""


def video_id(name: str) -> str:
    """The id of a video: its name without the prefix ``v_`` that only some of ActivityNet's files have."""
    return name.removeprefix("v_") or name
