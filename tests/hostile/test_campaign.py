"""Hostile inputs of every kind: each ends in a sentence or in a meaning, and in nothing else.

HOSTILE_INPUTS says how many of each kind (a minute's worth without it; 10000 takes hours), HOSTILE_SEED which.
"""

import os

import pytest
from hostile.campaign import GOOD, attack
from hostile.kinds import KINDS

pytestmark = pytest.mark.xdist_group("hostile")
INPUTS = int(os.environ.get("HOSTILE_INPUTS", "0"))
SEED = int(os.environ.get("HOSTILE_SEED", "1"))
A_FEW = {"pdmodel": 12, "json": 12, "onnx": 30, "downloads": 20, "videos": 200, "requests": 60}  # of the dear kinds
MEMORY = 4 << 30


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "requests"])
def test_nothing_hostile_gets_through(kind, samples, tmp_path, record_property):
    check(kind, samples, tmp_path, record_property)


def check(kind, samples, work, record_property):
    report = attack(kind, SEED, 0, INPUTS or A_FEW.get(kind, 150), samples, work / "work")
    record_property("outcomes", str(dict(report.outcomes)))
    print(f"{kind}: {dict(report.outcomes)}, {report.peak / 2**20:.0f} MiB at most")
    assert report.failures == []
    assert set(report.outcomes) <= set(GOOD)
    assert report.outcomes["refused"] > 0  # the attack is one
    assert report.peak < MEMORY
