"""The examples for clusters: their syntax, and that what they name exists."""

import re
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from bmn.base.params import flatten, load_params

ROOT = Path(__file__).parents[2]
MANIFESTS = sorted((ROOT / "examples/kubernetes").glob("*.yaml"))


def shell(script: str) -> None:
    done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    keys = {key for key, _ in flatten(load_params(ROOT / "params.yaml").model_dump())}
    assert set(re.findall(r"(execution\.\w+)=", script)) <= keys
    assert all(
        (ROOT / path).exists() for path in re.findall(r"(?:stages|examples)/[\w.]+|requirements[\w-]+\.txt", script)
    )


def test_the_slurm_script():
    shell((ROOT / "examples/slurm.sh").read_text())


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_a_manifest(path):
    documents = list(YAML(typ="safe").load_all(path))
    assert len(documents) >= 2
    for document in documents:
        assert document.keys() == {"apiVersion", "kind", "metadata", "spec"}
        for pod in pods(document):
            assert pod["containers"]
            volumes = {volume["name"] for volume in pod["volumes"]}
            for container in pod["containers"]:
                assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
                for script in container.get("args", []):
                    shell(script)


def pods(part):
    """The pod templates anywhere in a document."""
    if isinstance(part, dict):
        if "containers" in part:
            yield part
        for value in part.values():
            yield from pods(value)
    elif isinstance(part, list):
        for value in part:
            yield from pods(value)


def test_ray_is_of_the_version_of_the_requirements():
    required = re.search(r"ray==(\S+)", (ROOT / "requirements-ray.txt").read_text())[1]
    assert f"rayVersion: {required} " in (ROOT / "examples/kubernetes/ray-cluster.yaml").read_text()
