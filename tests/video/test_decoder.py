"""What a file does to the process that decodes it stays there."""

import os
import signal
import time

import pytest
from video.films import film, second

from bmn.base.errors import BmnError
from bmn.video.decoder import Bounds, Decoder, Wanted

IMPATIENT = """
import signal
timer, alarm = signal.setitimer, signal.alarm
signal.setitimer = lambda which, seconds: timer(which, seconds / 20)
signal.alarm = lambda seconds: alarm(seconds // 20)
"""
WANTED = Wanted(seconds=0.5, frames=2, size=16)


@pytest.fixture
def decoder():
    found = Decoder()
    yield found
    found.close()


def test_one_process_decodes_one_video_after_the_other(decoder, tmp_path):
    for name, seconds in (("a.mp4", 4), ("b.mkv", 2)):
        decoded = decoder.open(film(tmp_path / name, seconds=seconds), WANTED)
        images = list(decoded.images)
        assert len(images) == decoded.snippets == round(decoded.duration / 0.5) == 2 * seconds
        assert {image.shape for image in images} == {(2, 16, 16, 3)}
        assert second(images[-1][1]) == pytest.approx(seconds - 0.2, abs=0.15)


def test_a_process_is_used_again_even_if_nobody_looks_behind_the_last_image(decoder, tmp_path):
    path = film(tmp_path / "a.mp4", seconds=2)
    decoded = decoder.open(path, WANTED)
    first = decoder._process
    assert len([next(decoded.images) for _ in range(decoded.snippets)]) == 4
    del decoded
    assert len(list(decoder.open(path, WANTED).images)) == 4
    assert decoder._process is first


def test_a_process_can_be_started_ahead_of_its_first_video(decoder, tmp_path):
    process = decoder.start()
    assert len(list(decoder.open(film(tmp_path / "a.mp4", seconds=2), WANTED).images)) == 4
    assert decoder._process is process


def test_a_process_that_died_while_it_had_nothing_to_do_is_started_again(decoder, tmp_path):
    path = film(tmp_path / "a.mp4", seconds=2)
    for _ in range(2):
        assert len(list(decoder.open(path, WANTED).images)) == 4
        decoder._process.kill()
        decoder._process.wait()


def test_a_video_out_of_bounds_is_refused_and_the_next_one_is_decoded(tmp_path):
    long, short = film(tmp_path / "long.mp4", seconds=9), film(tmp_path / "short.mp4", seconds=2)
    for bounds, sentence in (
        (Bounds(duration=5), "lasts 9 s; at most 5 are allowed, cut it"),
        (Bounds(seconds=0), "takes more than 0 s; cut it or encode it smaller"),
    ):
        decoder = Decoder(bounds=bounds)
        with pytest.raises(BmnError, match=rf"long\.mp4: {sentence}"):
            list(decoder.open(long, WANTED).images)
        assert decoder._process is None
        if bounds.seconds:
            assert len(list(decoder.open(short, WANTED).images)) == 4
        decoder.close()


def test_a_refusal_leaves_the_process_ready(decoder, tmp_path):
    (tmp_path / "bad.mp4").write_bytes(b"bad")
    with pytest.raises(BmnError, match=r"bad\.mp4: cannot be decoded"):
        decoder.open(tmp_path / "bad.mp4", WANTED)
    assert len(list(decoder.open(film(tmp_path / "good.mp4", seconds=2), WANTED).images)) == 4


def test_a_process_that_dies_is_named_and_the_next_video_gets_another(decoder, tmp_path):
    path = film(tmp_path / "clip.mp4", seconds=10)
    large = Wanted(0.5, 2, 512)  # more than the pipe holds: it cannot have ended
    late = "no frame in 60 s of processor time"
    for number, sentence in ((signal.SIGSEGV, r"ends the decoder \(SIGSEGV\)"), (signal.SIGPROF, late)):
        decoded = decoder.open(path, large)
        next(decoded.images)
        os.kill(decoder._process.pid, number)
        with pytest.raises(BmnError, match=rf"clip\.mp4: .*{sentence}.*; get it again"):
            list(decoded.images)
    assert len(list(decoder.open(path, WANTED).images)) == 20


def test_the_time_that_it_waits_does_not_count(decoder, tmp_path, monkeypatch):
    """Stopped by Ctrl-Z, or waiting for a slow disk, for longer than a frame may take."""
    (tmp_path / "sitecustomize.py").write_text(IMPATIENT)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    decoded = decoder.open(film(tmp_path / "clip.mp4", seconds=10), Wanted(0.5, 2, 512))
    for _ in range(10):  # as fast as they come: it is decoding then, and not waiting to be read
        next(decoded.images)
    os.kill(decoder._process.pid, signal.SIGSTOP)
    time.sleep(4)
    os.kill(decoder._process.pid, signal.SIGCONT)
    assert len(list(decoded.images)) == 10


def test_a_video_that_is_left_in_the_middle_does_not_show_up_in_the_next(decoder, tmp_path):
    next(iter(decoder.open(film(tmp_path / "left.mp4", seconds=8), WANTED).images))
    images = list(decoder.open(film(tmp_path / "next.mp4", seconds=2), WANTED).images)
    assert [second(image[0]) < 2 for image in images] == [True] * 4
