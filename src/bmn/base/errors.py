"""The exceptions whose messages are meant for users."""

import re

PASSWORD = re.compile(r"(//[^\s/:@]*):[^\s\"']+@")  # in an address, as in //me:secret@host


def without_passwords(text: str) -> str:
    """A text with the passwords in its addresses replaced by ``***``."""
    return PASSWORD.sub(r"\1:***@", text)


class BmnError(Exception):
    """Bad input or an impossible request, explained in one sentence.

    The sentence names the offending file, field and value and says how to fix it.
    Commands print it after ``error:``, without a traceback, and exit with code 1.
    """

    def __init__(self, sentence: str) -> None:
        super().__init__(without_passwords(sentence))


class Stopped(BmnError):
    """Training stopped on a signal; its checkpoint is written, and the same command resumes from it."""
