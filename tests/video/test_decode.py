"""Frames come at their second, whatever the container says of it; what is no good video gets a sentence."""

import numpy as np
import pytest
from video.films import brightness, film, second

from bmn.base.errors import BmnError
from bmn.video.decode import LONGEST, measure, sample, snippets

FORMS = {
    "mp4": ("libx264", {}),
    "mp4 with B-frames": ("libx264", {"bf": "3", "b-adapt": "0"}),
    "mkv": ("libx264", {"bf": "3", "b-adapt": "0"}),
    "webm": ("libvpx-vp9", {"cpu-used": "8", "deadline": "realtime"}),
    "avi": ("mpeg4", {}),
    "mov with B-frames": ("mpeg4", {"bf": "2"}),
}
CLOSE = 0.16  # seconds: what the codecs do to the brightness


def seen(path, count):
    """The second at which each of the sampled frames was shown."""
    return np.array([second(image) for image in sample(path, measure(path), count, 32)])


@pytest.mark.parametrize("form", FORMS)
def test_a_frame_is_the_one_shown_at_its_second(form, tmp_path):
    codec, options = FORMS[form]
    path = film(tmp_path / f"clip.{form.split()[0]}", seconds=10, codec=codec, options=options)
    duration = measure(path).duration
    assert duration == pytest.approx(10, abs=0.1)
    wanted = (np.arange(16) + 0.5) * duration / 16
    found = seen(path, 16)
    assert (np.abs(found - np.floor(wanted * 10 + 1e-6) / 10) < CLOSE).all(), found


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_seconds_are_counted_from_where_the_file_begins_to_play(suffix, tmp_path):
    late = film(tmp_path / f"late.{suffix}", seconds=5, start=7.5)
    plain = film(tmp_path / f"plain.{suffix}", seconds=5)
    assert measure(late).duration == pytest.approx(measure(plain).duration)
    assert seen(late, 20) == pytest.approx(seen(plain, 20))


def test_before_its_first_frame_a_video_with_sound_shows_that_frame(tmp_path):
    path = film(tmp_path / "clip.mp4", seconds=6, start=2, sound=8)
    assert measure(path).duration == pytest.approx(8, abs=0.1)
    found = seen(path, 16)  # at 0.25, 0.75, …
    assert (np.abs(found - np.maximum(np.arange(16) / 2 + 0.2 - 2, 0)) < CLOSE).all(), found


def test_a_frame_stays_until_the_next_one_comes(tmp_path):
    times = np.concatenate([np.arange(0, 2, 0.04), [2, 6, 7], np.arange(8, 10, 0.1)])
    path = film(tmp_path / "clip.mp4", times)
    middles = (np.arange(40) + 0.5) * measure(path).duration / 40
    wanted = times[np.searchsorted(times, middles, side="right") - 1]
    assert (np.abs(seen(path, 40) - wanted) < CLOSE).all()


@pytest.mark.parametrize(("turned", "side"), [(0, "top"), (90, "left"), (180, "bottom"), (-90, "right")])
def test_a_picture_is_turned_as_the_file_says(turned, side, tmp_path):
    def draw(time):
        picture = np.full((48, 64, 3), brightness(time), np.uint8)
        picture[:12] = 255
        return picture

    path = film(tmp_path / "clip.mp4", seconds=2, turned=turned, draw=draw)
    image = next(sample(path, measure(path), 4, 32))
    light = {"top": image[:6], "bottom": image[-6:], "left": image[:, :6], "right": image[:, -6:]}
    assert light.pop(side).mean() > 240
    assert all(other.mean() < 110 for other in light.values())


@pytest.mark.parametrize("size", [(63, 47), (17, 121)])
def test_odd_sizes_are_whole_frames_scaled(size, tmp_path):
    path = film(tmp_path / "clip.mkv", seconds=3, codec="ffv1", size=size)
    images = list(sample(path, measure(path), 6, 24))
    assert [image.shape for image in images] == [(24, 24, 3)] * 6
    assert images[0].std() < 1


def test_snippets_share_a_video_evenly_and_none_is_without():
    assert [snippets(duration, 0.5) for duration in (0.01, 0.8, 10.2, 10.3)] == [1, 2, 20, 21]


def refused(path):
    """The sentence for a bad file, which names it."""
    with pytest.raises(BmnError) as error:
        timeline = measure(path)
        list(sample(path, timeline, 8, 16))
    sentence = str(error.value)
    assert sentence.startswith(f"{path}: ")
    assert "\n" not in sentence
    return sentence.removeprefix(f"{path}: ")


def test_bad_files_get_a_sentence(tmp_path):
    whole = film(tmp_path / "whole.mkv", seconds=10).read_bytes()
    moved = film(tmp_path / "whole.mp4", seconds=10).read_bytes()
    bad = tmp_path / "bad.mkv"
    for content, sentence in {
        b"": "is empty; get it again",
        b"hello": "cannot be decoded (Invalid data found when processing input); get it again or encode it anew",
        b"#EXTM3U\n#EXTINF:1,\nwhole.mkv\n": "cannot be decoded (",
        b"ffconcat version 1.0\nfile whole.mkv\n": "cannot be decoded (",
        whole[: len(whole) // 2]: "is truncated, it declares 9.9 s and ends after ",
        moved[: len(moved) // 2]: "cannot be decoded (Invalid data found when processing input)",
    }.items():
        bad.write_bytes(content)
        assert refused(bad).startswith(sentence)
    assert refused(tmp_path / "absent.mp4").startswith("cannot be decoded (No such file or directory)")
    assert refused(tmp_path).startswith("cannot be decoded (")


def test_sound_alone_is_no_video(tmp_path):
    import av

    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        voice = container.add_stream("aac", rate=48000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 48000), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 48000
        container.mux([*voice.encode(frame), *voice.encode()])
    assert refused(path) == "has no picture, only audio; take it out"


def test_a_video_without_end_is_refused(tmp_path):
    path = film(tmp_path / "clip.mkv", [0, LONGEST * 1.5])
    assert refused(path).startswith("lasts 129600 s by its timestamps; more than 0 and at most 86400 are allowed")
