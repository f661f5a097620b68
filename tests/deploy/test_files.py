"""What other services read: workflows, containers, and that none of it holds a secret."""

import json
import re
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
SECRETS = re.compile(
    r"AKIA[0-9A-Z]{16}|gh[pousr]_\w{36}|-----BEGIN [A-Z ]*PRIVATE KEY|://[\w.-]+:(?!secret@|[*\\]+@)[^\s@{$<\"'/]+@"
    r"|(?i:password|secret(?:_access_key)?|token)[\"']?\s*[=:]\s*[\"'][^\"'\s{$]{8,}[\"']"
)


def yaml(path):
    return YAML(typ="safe").load(path.read_text())


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_runs_pinned_actions_and_what_lies_in_the_project(path):
    found = yaml(path)
    assert found["permissions"]["contents"] == "read"
    steps = [step for job in found["jobs"].values() for step in job["steps"]]
    used = [step["uses"] for step in steps if "uses" in step]
    assert used
    assert [action for action in used if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action)] == []
    scripts = "\n".join(step["run"] for step in steps if "run" in step)
    named = re.findall(r"\bmake (?:--\w+ )*([a-z-]+)", scripts)
    assert set(named) <= TARGETS
    assert named or ".ci/run" in scripts


def test_each_variable_of_the_compose_file_is_in_the_example():
    text = (ROOT / "deploy/compose.yaml").read_text()
    example = (ROOT / "deploy/env.example").read_text()
    assert set(re.findall(r"\$\{(\w+)", text)) == set(re.findall(r"^(\w+)=", example, re.MULTILINE))


def test_each_secret_of_the_compose_file_must_be_given():
    services = yaml(ROOT / "deploy/compose.yaml")["services"]
    values = [
        value
        for service in services.values()
        for name, value in service.get("environment", {}).items()
        if re.search("PASSWORD|KEY", name)
    ]
    assert values
    assert [value for value in values if not re.fullmatch(r"\$\{\w+:\?[^}]+\}", value)] == []


def test_the_services_start_what_is_there():
    services = yaml(ROOT / "deploy/compose.yaml")["services"]
    built = {service["build"]["dockerfile"] for service in services.values() if "build" in service}
    assert all((ROOT / name).is_file() for name in built)
    assert (ROOT / "deploy/buckets.py").stat().st_mode & 0o111  # its command runs it
    copied = re.findall(r"^COPY (.+) \S+$", (ROOT / "deploy/Dockerfile").read_text(), re.MULTILINE)
    assert copied
    assert [name for words in copied for name in words.split() if not (name == "." or any(ROOT.glob(name)))] == []


def test_the_devcontainer_sets_the_project_up():
    found = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text())
    assert found["postCreateCommand"] == "make setup"


def test_no_file_holds_a_secret():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    found = []
    for name in filter(None, listed.split("\0")):
        content = (ROOT / name).read_bytes()
        if b"\0" not in content and (hit := SECRETS.search(content.decode(errors="replace"))):
            found.append((name, hit.group()))
    assert [each for each in found if each[0] != "tests/deploy/test_files.py"] == []


@pytest.mark.parametrize(
    "text", ["AKIA" + 16 * "A", "postgresql://mlflow:hunter2@host/db", "AWS_SECRET_ACCESS_KEY='abcdefgh'"]
)
def test_a_secret_is_seen(text):
    assert SECRETS.search(text)
