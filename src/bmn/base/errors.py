"""The exceptions whose messages are meant for users."""


class BmnError(Exception):
    """Bad input or an impossible request, explained in one sentence.

    The sentence names the offending file, field and value and says how to fix it.
    Commands print it after ``error:``, without a traceback, and exit with code 1.
    """


class Stopped(BmnError):
    """Training stopped on a signal; its checkpoint is written, and the same command resumes from it."""
