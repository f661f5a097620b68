"""Files of deleted runs: MLflow keeps them when a run is deleted, so that it can be restored."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlparse
from urllib.request import url2pathname

from mlflow import MlflowClient
from mlflow.entities import ViewType

from bmn.tracking.delivery import outboxes
from bmn.tracking.store import answering, is_local, open_store, project_root

PAGE = 1000  # runs or models asked for at a time


@dataclass(frozen=True)
class Garbage:
    """What can be deleted.

    Attributes:
        path: a folder.
        reason: why nobody needs it.
    """

    path: Path
    reason: str

    @property
    def size(self) -> int:
        """Bytes of all files in it."""
        return sum(file.stat().st_size for file in self.path.rglob("*") if file.is_file() and not file.is_symlink())


@answering()
def of_deleted_runs() -> list[Garbage]:
    """Artifacts, models and journals of deleted runs in the project's own store; what is registered is kept.

    A server's artifacts are its own: ``mlflow gc`` deletes them there.

    Raises:
        BmnError: MLflow does not respond.
    """
    open_store()
    if not is_local():
        return []
    client = MlflowClient()
    experiments = [one.experiment_id for one in client.search_experiments(view_type=ViewType.ALL)]
    deleted: set[str] = set()
    places = []
    for run in _pages(lambda token: client.search_runs(
        experiments, run_view_type=ViewType.DELETED_ONLY, max_results=PAGE, page_token=token
    )):  # fmt: skip
        deleted.add(run.info.run_id)
        places.append((_folder(run.info.artifact_uri), run.info.run_id))
        places.append((outboxes() / run.info.run_id, run.info.run_id))
    if not deleted:
        return []
    registered = {version.source for version in _pages(lambda token: client.search_model_versions(page_token=token))}
    for model in _pages(lambda token: client.search_logged_models(experiments, page_token=token)):
        if model.source_run_id in deleted and f"models:/{model.model_id}" not in registered:
            places.append((_folder(model.artifact_location), model.source_run_id))
    ours = project_root() / "mlruns"
    return [
        Garbage(place, f"run {run_id} was deleted")
        for place, run_id in places
        if place.is_dir() and place.is_relative_to(ours)
    ]


def _folder(uri: str) -> Path:
    """The folder of a run or model, whose files are below its ``artifacts``."""
    return Path(url2pathname(urlparse(uri).path)).parent


def _pages(ask: Any) -> Iterator[Any]:
    token = None
    while True:
        page = ask(token)
        yield from page
        if not (token := page.token):
            return
