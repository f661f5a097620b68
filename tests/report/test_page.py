"""The page of the data report."""

import html.parser

import numpy as np
import pytest

from bmn.data.videos import Segment, Video
from bmn.report.facts import ChannelFacts
from bmn.report.page import channels_figure, render, timelines_figure

PNG = b"\x89PNG"


class Reader(html.parser.HTMLParser):
    """Collects a page's external references and open tags."""

    def __init__(self):
        super().__init__()
        self.sources, self.open = [], []

    def handle_starttag(self, tag, attrs):
        self.sources += [value for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture
def tables():
    return {
        "source": "features: <here> & there",
        "facts": {},
        "warnings": ["<script>alert(1)</script>"],
        "tscales": [10, 20],
        "dscales": [10, 20],
        "grid": [[90.0, None], [95.25, 99.0]],
        "chosen": (20, 10),
        "findings": [("cut", 2, "segment", "video <b>")],
    }


def test_the_page_is_self_contained_and_escapes_the_data(tables):
    zeros = np.zeros(5)
    figures = {
        "channels": channels_figure(ChannelFacts(zeros, zeros, zeros, zeros)),
        "timelines": timelines_figure([Video("$a_$", "training", 9.0, (Segment(1, 2, "$x_$"),))]),
    }
    page, pictures = render("Data report", figures, **tables)
    assert set(pictures) == set(figures)
    assert all(picture.startswith(PNG) for picture in pictures.values())
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    assert len(reader.sources) == 2
    assert all(source.startswith("data:image/png;base64,") for source in reader.sources)
    assert "<script>" not in page
    assert "features: &lt;here&gt; &amp; there" in page
    assert '<td class="marked">95.2</td>' in page or '<td class="marked">95.3</td>' in page
    assert "–" in page


def test_without_findings_the_page_says_so(tables):
    page, _ = render("Data report", {}, **(tables | {"findings": []}))
    assert "<p>None.</p>" in page
