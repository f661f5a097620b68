"""Who is the champion, and why: each validation data set has one, under the alias ``champion-<digest>``.

A tag of the registered model remembers the champions of each data set in order, so that one can go back.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from bmn.base.errors import BmnError
from bmn.base.files import turn
from bmn.metrics.intervals import difference
from bmn.tracking.delivery import outboxes
from bmn.tracking.evaluations import evaluation_on
from bmn.tracking.logged_models import validation_data
from bmn.tracking.models import ABSENT, CHAMPION, DATA, REGISTERED, VALIDATED, alias, champion_of
from bmn.tracking.store import answering

REMEMBERED = 100  # champions of each data set
DISMISSED = "rolled back"  # tag of a version: only a person makes it the champion again


@contextmanager
def _in_turn() -> Iterator[None]:
    """Of the project's processes one at a time compares a model with the champion and changes who it is.

    Raises:
        BmnError: MLflow does not respond.
    """
    with turn(outboxes().with_name("champions")), answering():
        yield


@_in_turn()
def register(client: MlflowClient, run_id: str, model_id: str) -> None:
    """Register a model, and make this version the champion of its validation data if it beats the current one.

    The champion has the highest validation AUC during training. Validation data are features, windows and ground
    truth. A version that was rolled back stays so.

    Args:
        run_id: the training run.

    Raises:
        BmnError: MLflow does not respond.
    """
    points = client.get_metric_history(run_id, VALIDATED)
    data = validation_data(client.get_run(run_id))
    if not points or data is None:
        print(f"not registered: run {run_id} has no validation AUC (it was trained with another MLflow store)")
        return
    auc = max(point.value for point in points)
    own = _version(client, run_id, model_id, {VALIDATED: repr(auc), DATA: data.digest})
    champion = champion_of(data.digest)
    if DISMISSED not in own.tags and (champion is None or auc > float(champion.tags[VALIDATED])):
        against = compared(own, champion) if champion else f"AUC {auc:.2f}, the first"
        crown(client, own, f"{against} on {data.name} ({data.digest})")
    print(
        f"model {REGISTERED} version {own.version}, AUC {auc:.2f} on {data.name} ({data.digest}): "
        f"{_verdict(champion, own, auc)}"
    )


def crown(client: MlflowClient, version: ModelVersion, reason: str) -> None:
    """Make a version the champion of its validation data; its description says why."""
    data = version.tags[DATA]
    former = champion_of(data)
    last = [str(one.version) for one in (former, version) if one]
    numbers = [number for number in _history(client, data) if number not in last] + list(dict.fromkeys(last))
    client.update_model_version(REGISTERED, version.version, f"{CHAMPION}: {reason}")
    client.set_registered_model_tag(REGISTERED, _tag(data), " ".join(numbers[-REMEMBERED:]))
    client.set_registered_model_alias(REGISTERED, alias(data), version.version)


@_in_turn()
def promote(number: str, reason: str) -> str:
    """Make a registered version the champion of the data that it was validated on, whatever its AUC.

    Returns:
        What was done.

    Raises:
        BmnError: there is no such version, it is the champion already, or MLflow does not respond.
    """
    client = MlflowClient()
    version = _registered(client, number)
    former = champion_of(version.tags[DATA])
    if former and former.version == version.version:
        raise BmnError(f"version {number} is the {CHAMPION} of its data ({version.tags[DATA]}) already")
    if DISMISSED in version.tags:
        client.delete_model_version_tag(REGISTERED, version.version, DISMISSED)
    gain = f"; {compared(version, former)}" if former else ""
    crown(client, version, f"promoted by hand, {reason}{gain}")
    return f"version {number} is the {CHAMPION} on data {version.tags[DATA]}{gain}"


@_in_turn()
def roll_back(number: str, reason: str) -> str:
    """Give the place of a champion back to the one before it; the version dismissed does not return by its AUC.

    Naming the version to dismiss keeps two people who roll back at once from going back twice.

    Returns:
        What was done.

    Raises:
        BmnError: the version is not a champion, there was none before it, or MLflow does not respond.
    """
    client = MlflowClient()
    version = _registered(client, number)
    data = version.tags[DATA]
    current = champion_of(data)
    if current is None or current.version != version.version:
        holder = f"version {current.version} is" if current else "there is none"
        raise BmnError(f"version {number} is not the {CHAMPION} of its data ({data}): {holder}")
    earlier = [one for one in _history(client, data) if one != str(version.version)]
    if not earlier:
        raise BmnError(f"version {number} is the first {CHAMPION} of its data ({data}); bmn promote names another")
    former = _registered(client, earlier[-1])
    client.set_model_version_tag(REGISTERED, version.version, DISMISSED, reason)
    client.update_model_version(REGISTERED, version.version, f"{DISMISSED}: {reason}")
    client.set_registered_model_tag(REGISTERED, _tag(data), " ".join(earlier))
    client.set_registered_model_alias(REGISTERED, alias(data), former.version)
    return f"version {former.version} is the {CHAMPION} on data {data} again; version {number} was rolled back"


def compared(version: ModelVersion, former: ModelVersion) -> str:
    """By how much a version is better or worse than another on the same data, and whether chance may explain it."""
    own, other = (float(one.tags[VALIDATED]) for one in (version, former))
    margin = f"AUC {own:.2f}, {own - other:+.2f} against version {former.version} ({other:.2f})"
    return f"{margin}; {_on_the_same_videos(version, former)}"


def _on_the_same_videos(version: ModelVersion, former: ModelVersion) -> str:
    """The difference between the evaluations of two versions on their validation data, with its 95 % interval."""
    client = MlflowClient()
    own, other = (evaluation_on(client, one.run_id, version.tags[DATA]) for one in (version, former))
    if own is None or other is None:
        return "not both were evaluated on these data, so chance may explain it"
    return f"evaluated {difference(own, other)}"


def _version(client: MlflowClient, run_id: str, model_id: str, tags: dict[str, str]) -> ModelVersion:
    """The version of a model, created if needed."""
    if not client.search_registered_models(f"name = '{REGISTERED}'"):
        client.create_registered_model(REGISTERED)
    known = client.search_model_versions(f"name = '{REGISTERED}' and run_id = '{run_id}'")
    for found in known:
        if found.source == f"models:/{model_id}":
            return found
    return client.create_model_version(REGISTERED, f"models:/{model_id}", run_id, tags, model_id=model_id)


def _verdict(champion: ModelVersion | None, own: ModelVersion, auc: float) -> str:
    if DISMISSED in own.tags:
        return f"rolled back ({own.tags[DISMISSED]}); bmn promote makes it the {CHAMPION} again"
    if champion is None:
        return f"first {CHAMPION} on these data"
    if int(champion.version) == int(own.version):
        return f"{CHAMPION} on these data"
    previous = f"version {champion.version} ({float(champion.tags[VALIDATED]):.2f})"
    if auc > float(champion.tags[VALIDATED]):
        return f"new {CHAMPION} on these data, replacing {previous}; {_on_the_same_videos(own, champion)}"
    return f"{previous} remains the {CHAMPION} on these data"


def _registered(client: MlflowClient, number: str) -> ModelVersion:
    try:
        version = client.get_model_version(REGISTERED, number)
    except MlflowException as error:
        if error.error_code not in ABSENT:
            raise
        raise BmnError(
            f"VERSION {number}: {REGISTERED} has no such version; make ui lists them under Models"
        ) from error
    if DATA not in version.tags:
        raise BmnError(f"VERSION {number}: its validation data are unknown, because it was not registered by bmn")
    return version


def _history(client: MlflowClient, data: str) -> list[str]:
    return str(client.get_registered_model(REGISTERED).tags.get(_tag(data), "")).split()


def _tag(data: str) -> str:
    return f"{CHAMPION}s-{data}"
