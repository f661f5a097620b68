"""Raw data from folders, archives and a real server."""

import hashlib
import io
import json
import tarfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from acquire.servers import Site, serve

from bmn.acquire.download import Patience
from bmn.acquire.inputs import identify_inputs
from bmn.acquire.raw import cache_place, features_folder, open_raw, record_raw
from bmn.acquire.sources import bring
from bmn.base.checksums import Checksums
from bmn.base.errors import BmnError
from bmn.base.schema import Params

HURRY = Patience(answer=30.0, attempts=3, pause=0.001)


def feature_bytes(value):
    file = io.BytesIO()
    np.save(file, np.full((3, 4), value, dtype="float32"))
    return file.getvalue()


def archive(count=3):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for number in range(count):
            content = feature_bytes(number)
            info = tarfile.TarInfo(f"feat/v_{number}.npy")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return packed.getvalue()


def sha256(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def place(tmp_path):
    (tmp_path / "own" / "deep").mkdir(parents=True)
    for number, name in enumerate(["v_0.npy", "v_1.npy", "deep/v_2.npy"]):
        (tmp_path / "own" / name).write_bytes(feature_bytes(number))
    (tmp_path / "own.tar.gz").write_bytes(archive())
    (tmp_path / "anno.json").write_text("{}")
    return tmp_path


def run(place, **values):
    data = {"source": "local", "features": "own", "annotations": "anno.json"} | values
    params = Params.model_validate({"data": data})
    with Checksums(place / "checksums.db") as known:
        inputs = identify_inputs(params, place, known)
    bring(params, inputs, place / "raw", place, place / "cache", HURRY)
    return open_raw(place / "raw", features_folder(params.data, inputs, place / "raw", place, place / "cache"))


def stems(folder):
    return sorted(path.stem for path in folder.rglob("*.npy"))


@pytest.mark.parametrize("source", ["own", "own.tar.gz"])
def test_own_features_are_not_copied_to_the_raw_folder(place, source):
    raw = run(place, features=source)
    assert stems(raw.features) == ["v_0", "v_1", "v_2"]
    assert raw.annotations.read_text() == "{}"
    assert (raw.subsets, raw.ground_truth) == (None, None)
    assert sorted(path.name for path in (place / "raw").iterdir()) == ["annotations.txt", "source.json"]
    assert raw.features.is_relative_to(place / ("own" if source == "own" else "cache"))


def test_downloads_are_fetched_once_unpacked_and_recorded(place):
    content = archive()
    with serve(Site(content, faults=[503, "reset"])) as features, serve(Site(b'{"v_0": {}}')) as annotations:
        wanted = {
            "features": features.url,
            "features_sha256": sha256(content),
            "annotations": annotations.url,
            "annotations_sha256": sha256(b'{"v_0": {}}'),
        }
        raw = run(place, source="activitynet", **wanted)
        assert stems(raw.features) == ["v_0", "v_1", "v_2"]
        assert raw.annotations.read_text() == '{"v_0": {}}'
        asked = len(features.requests), len(annotations.requests)
        run(place, source="activitynet", **wanted)
        assert (len(features.requests), len(annotations.requests)) == asked
        with pytest.raises(BmnError, match=r"correct data\.features_sha256"):
            run(place, source="activitynet", **(wanted | {"features_sha256": "0" * 64}))
    record = json.loads((place / "raw" / "source.json").read_text())
    assert record["features"]["sha256"] == sha256(content)
    assert record["features"]["files"] == 3
    assert record["features"]["from"] == features.url
    assert record["annotations"]["sha256"] == sha256(b'{"v_0": {}}')
    assert not list((place / "cache").rglob("archive*"))  # no second copy of what is unpacked


def test_a_damaged_download_is_fetched_again_by_the_next_start(place):
    with serve(Site(archive()[:-20])) as site:
        with pytest.raises(BmnError, match="truncated or damaged"):
            run(place, features=site.url)
        site.content = archive()
        assert stems(run(place, features=site.url).features) == ["v_0", "v_1", "v_2"]
    assert (place / "raw").exists()


def test_an_interrupted_unpacking_goes_on(place):
    with serve(Site(archive())) as site:
        run(place, features=site.url)
        [folder] = (place / "cache").iterdir()
        (folder / "done.json").unlink()
        (folder / "archive").write_bytes(archive())
        (folder / "features").rename(folder / "part")
        (folder / "part" / "feat" / "v_1.npy").unlink()
        assert stems(run(place, features=site.url).features) == ["v_0", "v_1", "v_2"]
        assert len(site.requests) == 1


def test_subsets_and_ground_truth_come_along_and_a_folder_of_annotations_too(place):
    (place / "annos").mkdir()
    (place / "annos" / "train.json").write_text("{}")
    (place / "subsets.csv").write_text("video,subset\n")
    (place / "truth.json").write_text("{}")
    raw = run(place, annotations="annos", subsets="subsets.csv", ground_truth="truth.json")
    assert [path.name for path in raw.annotations.iterdir()] == ["train.json"]
    assert raw.subsets.read_text() == "video,subset\n"
    assert raw.ground_truth.read_text() == "{}"


def test_text_files_below_a_folder_of_annotations_count_too(place):
    (place / "thumos/annotation").mkdir(parents=True)
    path = place / "thumos/annotation/Diving_test.txt"
    found = []
    for text in ("video_test_0000004 1 2", "video_test_0000004 1 3"):
        path.write_text(text)
        raw = run(place, annotations="thumos")
        assert (raw.annotations / "annotation/Diving_test.txt").read_text() == text
        found.append((place / "raw" / "source.json").read_text())
    assert found[0] != found[1]
    path.unlink()
    with pytest.raises(BmnError, match=r"the folder holds no \.json, \.csv or \.txt file"):
        run(place, annotations="thumos")


def test_a_checksum_of_a_persons_own_is_for_what_is_one_file(place):
    own = {"features": "own.tar.gz", "features_sha256": sha256((place / "own.tar.gz").read_bytes())}
    run(place, **own, annotations_sha256=sha256(b"{}"))
    (place / "anno.json").write_text("{ }")
    with pytest.raises(
        BmnError, match=r"anno\.json: has the SHA-256 \w+, not data\.annotations_sha256 \(\w+\); correct it"
    ):
        run(place, **own, annotations_sha256=sha256(b"{}"))
    with pytest.raises(
        BmnError, match=r"own\.tar\.gz: has the SHA-256 \w+, not data\.features_sha256 \(0+\); correct it"
    ):
        run(place, **(own | {"features_sha256": "0" * 64}))
    with pytest.raises(BmnError, match=r"data\.features is a folder; set it to null"):
        run(place, features_sha256="0" * 64)
    assert (place / "raw").exists()  # what was there before


def test_the_record_says_what_the_data_are_and_not_where(place):
    run(place)
    first = (place / "raw" / "source.json").read_bytes()
    assert str(place).encode() not in first
    (place / "own").rename(place / "moved")
    (place / "anno.json").rename(place / "segments.json")
    run(place, features="moved", annotations="segments.json")
    assert (place / "raw" / "source.json").read_bytes() == first


@pytest.mark.parametrize("key", ["features", "annotations", "subsets", "ground_truth"])
def test_what_is_not_there_is_named_and_nothing_is_left(place, key):
    with pytest.raises(BmnError, match=rf"params\.yaml: data\.{key} is 'nowhere'; no such file or folder"):
        run(place, **{key: "nowhere"})
    assert not (place / "raw").exists()


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("deep/v_1.npy", "is of the same video"),
        ("v_9.pkl", "could run code"),
        ("v_9.pt", "could run code"),
        ("v_\udce9.npy", "which is not UTF-8"),
    ],
)
def test_folders_that_are_refused(place, name, sentence):
    (place / "own" / name).write_bytes(b"")
    with pytest.raises(BmnError, match=sentence):
        run(place)


def test_a_folder_without_features(place):
    (place / "empty").mkdir()
    with pytest.raises(BmnError, match="contains no feature file"):
        run(place, features="empty")


def test_features_that_are_gone_and_records_that_are_none(place):
    raw = run(place)
    raw.features.rename(place / "elsewhere")
    with pytest.raises(BmnError, match=r"own: is missing; restore it"):
        open_raw(place / "raw", raw.features)
    (place / "raw" / "source.json").write_text("{}")
    with pytest.raises(BmnError, match="is not the record of raw data"):
        open_raw(place / "raw", place / "elsewhere")


def test_made_data_lies_in_the_raw_folder_itself(tmp_path):
    (tmp_path / "features").mkdir()
    record_raw(tmp_path)
    assert open_raw(tmp_path, tmp_path / "features").annotations == tmp_path / "annotations.json"


def test_several_projects_that_share_a_cache_fetch_and_unpack_once(place):
    """As parallel experiments of DVC do: their raw folders differ, the cache is that of the project."""
    with serve(Site(archive())) as site:
        params = Params.model_validate({"data": {"source": "local", "features": site.url, "annotations": "anno.json"}})
        with Checksums(place / "checksums.db") as known:
            inputs = identify_inputs(params, place, known)

        def of(raw: str) -> None:
            bring(params, inputs, place / raw, place, place / "cache", HURRY)

        with ThreadPoolExecutor(3) as pool:
            for done in [pool.submit(of, name) for name in ("raw", "raw2", "raw3")]:
                done.result()
        assert site.requests == [None]


def test_an_archive_of_an_interrupted_download_is_checked_too(place):
    content = archive()
    with serve(Site(content)) as site:
        kept = cache_place(site.url, None, place / "cache")
        kept.mkdir(parents=True)
        (kept / "archive").write_bytes(content)
        with pytest.raises(BmnError, match=rf"^{site.url}: had the SHA-256 {sha256(content)}, not {'0' * 64}; "):
            run(place, features=site.url, features_sha256="0" * 64)
