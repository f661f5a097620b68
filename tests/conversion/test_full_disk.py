"""What happens when a file can grow no further: one sentence, and what was whole stays."""

import subprocess
import sys
import textwrap

import pytest
from acquire.servers import Site, serve

LIMIT = 40_000

PREPARE = f"""
import resource, sys
from pathlib import Path
from bmn.launch.command import command
folder = Path(sys.argv[1])

def limit():
    resource.setrlimit(resource.RLIMIT_FSIZE, ({LIMIT}, {LIMIT}))
"""

FETCH = """
from bmn.acquire.download import Patience, fetch

@command
def main():
    limit()
    fetch(sys.argv[2], folder / "file", None, Patience(attempts=2, pause=0.01))
main()
"""

UNPACK = """
import tarfile, io
from bmn.acquire.archives import unpack

with tarfile.open(folder / "a.tar", "w") as tar:
    for name, size in (("v_a.npy", 100), ("v_b.npy", 100_000)):
        info = tarfile.TarInfo(name)
        info.size = size
        tar.addfile(info, io.BytesIO(bytes(size)))

@command
def main():
    limit()
    unpack(folder / "a.tar", folder / "out")
main()
"""

CONVERT = """
from bmn.conversion.convert import Choices, convert
from bmn.acquire.raw import Raw
from bmn.acquire.synthetic import make_synthetic

make_synthetic(folder / "raw", seed=1, videos={"training": 40, "validation": 2}, feat_dim=8, tscale=40)

@command
def main():
    limit()
    raw = Raw(folder / "raw" / "features", folder / "raw" / "annotations.json")
    convert(raw, folder / "out", Choices(8, 40), folder / "work")
main()
"""


def run(script, *words):
    code = textwrap.dedent(PREPARE + script)
    return subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)


@pytest.mark.usefixtures("uncovered")
@pytest.mark.parametrize(
    ("script", "kept", "absent"),
    [(FETCH, "file.part", "file"), (UNPACK, "out/v_a.npy", "out/v_b.npy"), (CONVERT, "work", "out")],
    ids=["download", "archive", "conversion"],
)
def test_a_full_disk_is_told_in_one_sentence(tmp_path, script, kept, absent):
    with serve(Site(bytes(200_000))) as site:
        done = run(script, str(tmp_path), site.url)
    assert done.returncode == 1
    [line] = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "cannot be written (File too large)" in line
    assert "Traceback" not in done.stderr
    assert (tmp_path / kept).exists()
    assert not (tmp_path / absent).exists()
