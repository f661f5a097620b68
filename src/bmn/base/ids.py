"""Ids of videos, brought to one form wherever a name is read from a file."""

YOUTUBE = 11
"""Characters in the ids that YouTube gives, which are ActivityNet's ids."""


def video_id(name: str) -> str:
    """The id of a video: its name without the prefix ``v_`` that only some of ActivityNet's files have.

    A name as long as a YouTube id is one, even if it begins with ``v_``, as two of ActivityNet's do: the file
    ``v_v_UmAH95xls.npy`` and the official annotations' ``v_UmAH95xls`` are of the same video. An id is its own id, so
    that the files we write are read back as they are.
    """
    while name.startswith("v_") and len(name) not in (len("v_"), YOUTUBE):
        name = name.removeprefix("v_")
    return name
