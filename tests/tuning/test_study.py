from concurrent.futures import ThreadPoolExecutor

import pytest
from mlflow import MlflowClient
from tuning.cheap import SPACE, make_params

from bmn.base.errors import BmnError
from bmn.tuning.space import digest
from bmn.tuning.study import only_driver, open_storage, open_study


def test_a_study_is_opened_again_by_the_same_space_only(tmp_path):
    params = make_params()
    storage = open_storage(None, tmp_path)
    open_study(storage, "one", params.tune, digest(params, "data"))
    open_study(open_storage(None, tmp_path), "one", params.tune, digest(params, "data"))
    other = make_params(space={"train.learning_rate": SPACE["train.learning_rate"]})
    with pytest.raises(BmnError, match=r"study 'one' was started with another tune.space.*make tune STUDY="):
        open_study(storage, "one", other.tune, digest(other, "data"))
    open_study(storage, "two", other.tune, digest(other, "data"))


def test_a_study_of_one_objective_is_not_opened_for_two(tmp_path):
    params = make_params()
    storage = open_storage(None, tmp_path)
    open_study(storage, "one", params.tune, digest(params, "data"))
    two = make_params(cost=True)
    with pytest.raises(BmnError, match="was started with another"):
        open_study(storage, "one", two.tune, digest(two, "data"))
    assert len(open_study(storage, "two", two.tune, digest(two, "data")).directions) == 2


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql+psycopg://me:secret@127.0.0.1:1/tune", "postgresql\\+psycopg://me:\\*\\*\\*@127.0.0.1:1/tune"),
        ("mysql+nosuchdriver://me:secret@127.0.0.1/tune", "nosuchdriver"),
        ("somewhere", "Could not parse"),
    ],
)
def test_a_storage_that_cannot_be_reached_is_told_without_its_password(url, words):
    with pytest.raises(BmnError, match=words) as refused:
        open_storage(url)
    assert "secret" not in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


def test_the_database_of_mlflow_is_refused(tmp_path):
    url = f"sqlite:///{tmp_path}/mlflow.db"
    MlflowClient(url).search_experiments()
    with pytest.raises(BmnError, match=r"cannot be opened \(.*schema.*database of Optuna's own"):
        open_storage(url)


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(BmnError, match=r"journal.log: cannot be written"):
        open_storage(None, tmp_path / "file")


def test_a_damaged_journal_is_told(tmp_path):
    (tmp_path / "journal.log").write_text("no json\nat all\n")
    with pytest.raises(BmnError, match=r"journal.log: is damaged"):
        open_storage(None, tmp_path)


def test_a_study_may_have_any_name_and_one_driver(tmp_path):
    """Optuna's journal has a lock of its own in that folder."""
    params = make_params()
    storage = open_storage(None, tmp_path)
    for name in ("journal", "one"):
        with only_driver(storage, name, tmp_path), ThreadPoolExecutor(1) as pool:
            open_study(storage, name, params.tune, digest(params, "data"))
            second = pool.submit(only_driver(storage, name, tmp_path).__enter__)
            with pytest.raises(BmnError, match="another bmn tune is running it"):
                second.result()
