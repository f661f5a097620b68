"""Backbones that have a name are exported into the cache, once."""

import time
from concurrent.futures import ThreadPoolExecutor

from bmn.video import backbones


def test_of_several_jobs_one_exports_it(tmp_path, monkeypatch):
    """Another export would take the folder from under those that use it already."""
    written = []

    def write(network, folder):
        written.append(folder)
        time.sleep(0.2)
        (folder / "backbone.pdmodel").touch()

    monkeypatch.setattr(backbones, "_packaged", lambda: None)
    monkeypatch.setattr(backbones, "_write", write)
    with ThreadPoolExecutor(3) as pool:
        given = [pool.submit(backbones.backbone_program, backbones.PACKAGE, tmp_path) for _ in range(3)]
        assert {job.result().name for job in given} == {"backbone.pdmodel"}
    assert len(written) == 1
