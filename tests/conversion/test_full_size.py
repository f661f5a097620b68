"""As many videos as ActivityNet has, with small features: from a server to the store. Run with BMN_FULL_SIZE=1."""

import io
import json
import os
import subprocess
import sys
import tarfile

import numpy as np
import pytest
from acquire.servers import Site, serve

from bmn.data.store import open_store

VIDEOS = 19_228
RUN = """
import resource, sys
from pathlib import Path
from bmn.base.checksums import sha256
from bmn.base.schema import DataParams, Params
from bmn.conversion.convert import Choices, convert
from bmn.acquire.download import Patience
from bmn.acquire.raw import open_raw
from bmn.acquire.sources import bring

folder, url = Path(sys.argv[1]), sys.argv[2]
data = DataParams(source="activitynet", features=url, annotations="annotations.json")
inputs = {"features": None, "annotations": sha256(folder / "annotations.json")}
bring(Params(data=data), inputs, folder / "raw", folder, folder / "cache", Patience(pause=0.01))
raw = open_raw(folder / "raw", folder / "raw" / "features")
convert(raw, folder / "out", Choices(channels=8, tscale=4), folder / "work")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""

pytestmark = pytest.mark.skipif("BMN_FULL_SIZE" not in os.environ, reason="takes a minute: set BMN_FULL_SIZE=1")


def test_all_of_activitynets_files_pass_in_little_memory(tmp_path):
    packed, annotations = io.BytesIO(), {}
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as tar:
        for number in range(VIDEOS):
            content = io.BytesIO()
            np.save(content, np.full((4, 8), number, dtype="float32"))
            info = tarfile.TarInfo(f"bmn_feat/v_{number:05d}.npy")
            info.size = content.tell()
            content.seek(0)
            tar.addfile(info, content)
            subset = ("training", "training", "validation", "testing")[number % 4]
            segment = {"segment": [1, 2], "label": "jump"}
            entry = {"subset": subset, "duration_second": 10, "annotations": [segment]}
            annotations[f"v_{number:05d}"] = entry
    (tmp_path / "annotations.json").write_text(json.dumps(annotations))
    with serve(Site(packed.getvalue(), faults=["reset", 503, "reset"])) as site:
        words = [sys.executable, "-c", RUN, str(tmp_path), site.url]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 1 << 20  # KiB
    store = open_store(tmp_path / "out", "training")
    store.verify()
    assert len(store) == VIDEOS // 2
    for row in (0, 1, len(store) - 1):
        assert (store.read([row]) == int(store.windows[row].video.removeprefix("v_"))).all()
