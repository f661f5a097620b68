"""The store that MLflow is pointed at."""

import sqlite3
import subprocess

import pytest
from shell import BMN
from tracking.serving import environment

from bmn import tracking
from bmn.base.errors import BmnError

pytestmark = [pytest.mark.xdist_group("tracking"), pytest.mark.usefixtures("project")]


@pytest.fixture
def newer(project):
    """A store whose schema this MLflow does not know."""
    tracking.connect("bmn")
    with sqlite3.connect("mlruns/mlflow.db") as store:
        store.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    return project


SENTENCE = r"mlflow\.db: was written by a newer MLflow than this one \(3\.\S+ does not know its schema f{12}\); install"


def test_a_store_of_a_newer_mlflow_is_refused(newer):
    with pytest.raises(BmnError, match=SENTENCE):
        tracking.connect("bmn")


@pytest.mark.parametrize(
    "words", [["promote", "1", "--reason", "better"], ["gc"], ["send"], ["serve", "--model", "models:/bmn/1"]]
)
def test_every_command_refuses_it_in_one_sentence(newer, words):
    done = subprocess.run([BMN, *words], cwd=newer, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "was written by a newer MLflow" in done.stderr.splitlines()[-1]
