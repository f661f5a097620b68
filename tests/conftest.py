"""Settings shared by all tests."""

import pytest
from hypothesis import settings

settings.register_profile("default", deadline=None, max_examples=25)
settings.load_profile("default")


@pytest.fixture(autouse=True)
def untuned(monkeypatch):
    """A command that is called in the tests' own process does not change how it treats memory and denormals."""
    monkeypatch.setattr("bmn.commands.tune_process", dict)
