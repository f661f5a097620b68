"""Signals that wait; those that stop a training are tested with its stage."""

import signal
from threading import Thread

import pytest

from bmn.launch.signals import postponed


def interrupted(number, frame):
    raise InterruptedError(number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_for_the_end(number):
    signal.signal(number, interrupted)
    done = []
    with pytest.raises(InterruptedError, match=str(int(number))), postponed():
        with postponed():
            signal.raise_signal(number)
            done.append("inner")
        signal.raise_signal(number)
        done.append("outer")
    assert done == ["inner", "outer"]
    assert signal.getsignal(number) is interrupted


def test_without_a_signal_nothing_changes():
    signal.signal(signal.SIGTERM, interrupted)
    with pytest.raises(KeyError), postponed():
        raise KeyError
    assert signal.getsignal(signal.SIGTERM) is interrupted


def test_other_threads_do_without():
    seen = []

    def work():
        with postponed():
            seen.append(signal.getsignal(signal.SIGTERM))

    signal.signal(signal.SIGTERM, interrupted)
    thread = Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [interrupted]
