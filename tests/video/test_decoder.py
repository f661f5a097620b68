"""What a file does to the process that decodes it stays there."""

import os
import signal

import pytest
from video.films import film, second

from bmn.base.errors import BmnError
from bmn.video.decoder import Decoder, Wanted

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


def test_a_refusal_leaves_the_process_ready(decoder, tmp_path):
    (tmp_path / "bad.mp4").write_bytes(b"bad")
    with pytest.raises(BmnError, match=r"bad\.mp4: cannot be decoded"):
        decoder.open(tmp_path / "bad.mp4", WANTED)
    assert len(list(decoder.open(film(tmp_path / "good.mp4", seconds=2), WANTED).images)) == 4


def test_a_process_that_dies_is_named_and_the_next_video_gets_another(decoder, tmp_path):
    path = film(tmp_path / "clip.mp4", seconds=10)
    large = Wanted(0.5, 2, 512)  # more than the pipe holds: it cannot have ended
    for number, sentence in ((signal.SIGSEGV, r"ends the decoder \(SIGSEGV\)"), (signal.SIGALRM, "no frame for 60 s")):
        decoded = decoder.open(path, large)
        next(decoded.images)
        os.kill(decoder._process.pid, number)
        with pytest.raises(BmnError, match=rf"clip\.mp4: .*{sentence}.*; get it again"):
            list(decoded.images)
    assert len(list(decoder.open(path, WANTED).images)) == 20


def test_a_video_that_is_left_in_the_middle_does_not_show_up_in_the_next(decoder, tmp_path):
    next(iter(decoder.open(film(tmp_path / "left.mp4", seconds=8), WANTED).images))
    images = list(decoder.open(film(tmp_path / "next.mp4", seconds=2), WANTED).images)
    assert [second(image[0]) < 2 for image in images] == [True] * 4
