"""Figures that cope with any data."""

import numpy as np

from bmn.data.videos import Segment, Video
from bmn.report.figures import as_png, fill, timelines


def labels(figure):
    return {text.get_text(): text.get_position() for text in figure.axes[0].texts}


def test_labels_of_close_segments_do_not_overlap():
    video = Video(
        "a", "testing", 100.0, (Segment(10, 11, "first"), Segment(12, 13, "second"), Segment(50, 60, "third"))
    )
    found = labels(timelines([video], [np.empty((0, 3))]))
    assert found.keys() == {"first", "second", "third"}
    assert found["first"][1] == found["third"][1] != found["second"][1]
    assert [position[0] for position in found.values()] == [10, 12, 50]


def test_a_timeline_mentions_segments_only_if_there_are_any():
    rows = np.array([[1.0, 2.0, 0.5]])
    bare, labelled = Video("a", "testing", 9.0, ()), Video("a", "testing", 9.0, (Segment(1, 2, "x"),))
    titles = [timelines([video], [rows]).axes[0].get_title(loc="left") for video in (bare, labelled)]
    assert ["segments" in title for title in titles] == [False, True]


def test_names_are_not_parsed_as_formulas():
    figure = timelines([Video("$a_$", "testing", 9.0, (Segment(1, 2, "$\\x$"),))], [np.empty((0, 3))])
    assert as_png(figure).startswith(b"\x89PNG")


def test_a_figure_and_its_png_are_the_same_picture_in_a_page():
    figure = timelines([Video("a", "testing", 9.0, ())], [np.empty((0, 3))])
    pages = [
        fill("comparison.html", title="<t>", rows=[{}], links=[], colours=[], best={}, curves=shown)
        for shown in (figure, as_png(figure))
    ]
    assert pages[0] == pages[1]
    assert "<title>&lt;t&gt;</title>" in pages[0]
