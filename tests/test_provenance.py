"""What affects a result, on small code trees."""

import pytest

from bmn import provenance
from bmn.provenance import code, identity


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package ``bmn`` of a few modules, and a stage next to it."""
    files = {
        "bmn/__init__.py": "from bmn.room import worker",
        "bmn/base/errors.py": "",
        "bmn/room/__init__.py": "",
        "bmn/room/worker.py": "from bmn.room import helper\nfrom bmn.tracking import tell\n",
        "bmn/room/helper.py": "def page():\n    import bmn.room.late\n    fill('page.html', 'bmn.room.process')\n",
        "bmn/room/late.py": "",
        "bmn/room/process.py": "",
        "bmn/room/page.html": '{% extends "base.html" %}',
        "bmn/room/base.html": "",
        "bmn/room/unused.py": "",
        "bmn/tracking/__init__.py": "from bmn.room import unused",
        "stages/layout.py": "",
        "stages/beside.py": "",
        "stages/work.py": "from layout import HERE\nimport beside\nfrom bmn.room.worker import work\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(provenance, "PACKAGE", tmp_path / "bmn")
    return tmp_path


def test_code_is_followed_through_imports_strings_and_templates_but_not_into_reporting(package):
    assert list(code(package / "stages/work.py")) == [
        "bmn/base/errors.py",
        "bmn/room/__init__.py",
        "bmn/room/base.html",
        "bmn/room/helper.py",
        "bmn/room/late.py",
        "bmn/room/page.html",
        "bmn/room/process.py",
        "bmn/room/worker.py",
        "stages/beside.py",
        "stages/work.py",
    ]


@pytest.mark.parametrize(
    ("changed", "renamed"),
    [
        ("bmn/room/late.py", True),
        ("bmn/base/errors.py", True),
        ("bmn/room/base.html", True),
        ("bmn/room/unused.py", False),
        ("bmn/tracking/__init__.py", False),
        ("stages/layout.py", False),
    ],
)
def test_a_result_is_renamed_when_its_code_changes(package, changed, renamed):
    before = identity(package / "stages/work.py", {"a": 1}, ["data"])
    (package / changed).write_text("# another line\n")
    assert (identity(package / "stages/work.py", {"a": 1}, ["data"]) != before) == renamed


def test_a_result_is_renamed_when_parameters_or_data_change(package):
    entry = package / "stages/work.py"
    names = [
        identity(entry, {"a": 1, "b": 2}, ["x", "y"]),
        identity(entry, {"a": 1, "b": 3}, ["x", "y"]),
        identity(entry, {"a": 1, "b": 2}, ["y", "x"]),
        identity(entry, {"a": 1, "b": 2}, ["x"]),
    ]
    assert len(set(names)) == len(names)
    assert identity(entry, {"b": 2, "a": 1}, ["x", "y"]) == names[0]


def test_the_location_of_the_package_does_not_matter(package, monkeypatch, tmp_path_factory):
    before = identity(package / "stages/work.py", {}, [])
    moved = package.rename(tmp_path_factory.mktemp("elsewhere") / "project")
    monkeypatch.setattr(provenance, "PACKAGE", moved / "bmn")
    assert identity(moved / "stages/work.py", {}, []) == before
