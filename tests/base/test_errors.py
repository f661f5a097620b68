"""Messages for users keep passwords to themselves."""

import pytest

from bmn.base.errors import BmnError, without_passwords


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://me:secret@host:5000: no answer (http://me:secret@host:5000/api)",
         "http://me:***@host:5000: no answer (http://me:***@host:5000/api)"),
        ("postgresql+psycopg://me:secret@/et@host/runs", "postgresql+psycopg://me:***@host/runs"),
        ("postgresql//me:secret@host", "postgresql//me:***@host"),
        ("redis://:secret@host", "redis://:***@host"),
        ("http://host:5000/users/them", "http://host:5000/users/them"),
        ("data/raw/a:b@c.txt", "data/raw/a:b@c.txt"),
        ("s3://bucket/key", "s3://bucket/key"),
    ],
)  # fmt: skip
def test_passwords_in_addresses_are_masked(text, shown):
    assert without_passwords(text) == shown
    assert str(BmnError(text)) == shown
