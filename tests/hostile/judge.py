"""What an accepted input must keep."""

import math

CHANNELS = 8


class Garbage(Exception):
    """The product accepted what means nothing."""


def demand(promise, told):
    if not promise:
        raise Garbage(told)


def finite(*values):
    return all(isinstance(value, int | float) and math.isfinite(value) for value in values)
