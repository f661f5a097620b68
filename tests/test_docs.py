"""The site is built without a warning, and its generated pages are complete."""

import html
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from bmn.base.params import flatten
from bmn.recipes.published import PUBLISHED

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(folder)],
        cwd=ROOT, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


def words(page: Path) -> str:
    return re.sub(r"<[^>]+>", "", page.read_text())


def test_every_page_is_in_the_navigation(site):
    pages = {page.relative_to(ROOT / "docs").with_suffix(".html") for page in (ROOT / "docs").rglob("*.md")}
    assert {Path("reference/params.html"), Path("reference/commands.html"), Path("reference/recipes.html")} | pages <= {
        page.relative_to(site) for page in site.rglob("*.html")
    }
    home = (site / "index.html").read_text()
    assert [page for page in map(str, pages) if f'href="{page}"' not in home and page != "index.html"] == []


def test_every_parameter_has_a_row(site):
    page = words(site / "reference/params.html")
    values = YAML(typ="safe").load(ROOT / "params.yaml")
    keys = {key for key, _ in flatten(values)} - {key for key, _ in flatten(values) if ".space." in key}
    assert [key for key in keys if key not in page] == []


def test_every_command_is_explained(site):
    page = words(site / "reference/commands.html")
    for command in ("bmn use", "bmn tune apply", "make repro", "make docs"):
        assert command in page
    assert "Usage: bmn predict" in page


def test_every_published_recipe_has_a_row(site):
    page = html.unescape(words(site / "reference/recipes.html"))
    for name, recipe in PUBLISHED.items():
        assert all(text in page for text in (name, recipe.expected, recipe.source, *recipe.differs))


def test_nothing_is_loaded_from_elsewhere(site):
    loaded = re.compile(r'<(?:script|link|img)[^>]+(?:src|href)="(https?://[^"]+)"')
    for page in site.rglob("*.html"):
        assert [address for address in loaded.findall(page.read_text()) if "canonical" not in address] == [], page
