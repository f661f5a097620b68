"""The one exception that a person is meant to read."""


class BmnError(Exception):
    """Bad input or an impossible request, told in one sentence.

    The sentence names the file, the field and the value that are wrong and says how to mend it.
    Commands print it after ``error:`` without a traceback and exit with code 1.
    """


class Stopped(BmnError):
    """A signal asked a training to stop; its checkpoint is written and the same command goes on from there."""
