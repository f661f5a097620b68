"""Settings shared by all tests."""

from hypothesis import settings

settings.register_profile("default", deadline=None, max_examples=25)
settings.load_profile("default")
