"""Feature files: what is read and what is refused with which sentence."""

import os
import pickle
import zipfile
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bmn.acquire.features import common_channels, find_features, read_features
from bmn.base.errors import BmnError
from bmn.data.windows import resize


def save(folder, array, **options):
    path = folder / "v_a.npy"
    np.save(path, array, **options)
    return path


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int16", ">f4"])
@pytest.mark.parametrize("transposed", [False, True])
def test_either_orientation_and_any_number_type(tmp_path, dtype, transposed):
    features = np.arange(12).reshape(3, 4).astype(dtype)
    path = save(tmp_path, features.T if transposed else features)
    found = read_features(path, channels=4)
    assert found.dtype == np.float32
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found, features.astype("float32"))


def test_a_square_array_is_snippets_first(tmp_path):
    features = np.arange(16, dtype="float32").reshape(4, 4)
    np.testing.assert_array_equal(read_features(save(tmp_path, features), channels=4), features)


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (np.zeros((3, 5)), r"has the shape \(3, 5\) but must be \[snippet, channel\] with 4 channels"),
        (np.zeros(4), r"has the shape \(4,\)"),
        (np.zeros((1, 3, 4)), r"has the shape \(1, 3, 4\)"),
        (np.zeros((0, 4)), r"has the shape \(0, 4\)"),
        (np.float32(3), r"has the shape \(\)"),
        (np.array([["a"] * 4]), "does not hold an array of numbers"),
        (np.zeros((3, 4), dtype=complex), "does not hold an array of numbers"),
        (np.full((3, 4), np.nan), "holds nan at snippet 0, channel 0"),
        (np.array([[0, 1, 2, -np.inf]]), "holds -inf at snippet 0, channel 3"),
        (np.array([[0, 1e300, 2, 3]]), "holds inf at snippet 0, channel 1"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_what_is_refused(tmp_path, array, sentence):
    path = save(tmp_path, array)
    with pytest.raises(BmnError, match=sentence) as caught:
        read_features(path, channels=4)
    assert str(caught.value).startswith(f"{path}: ")
    assert len(str(caught.value).splitlines()) == 1


FEATURES = np.arange(12, dtype="float32").reshape(3, 4) / 8
TABLE = "\n".join(",".join(str(value) for value in row) for row in FEATURES.tolist())


@pytest.mark.parametrize(
    "text",
    [
        TABLE,
        TABLE + "\n\n",
        "rgb-0,rgb-1,flow-0,flow-1\n" + TABLE,
        "0,1,2,3\n" + TABLE,
        "\ufeff0x,b,c,d\r\n" + TABLE.replace("\n", "\r\n"),
        TABLE.replace(",", " , "),
    ],
    ids=["plain", "empty lines", "headings", "numbered headings", "windows", "spaces"],
)
def test_csv_with_and_without_headings(tmp_path, text):
    path = tmp_path / "v_a.csv"
    path.write_text(text, encoding="utf-8", newline="")
    np.testing.assert_array_equal(read_features(path, channels=4), FEATURES)
    path.write_text("\n".join(",".join(str(value) for value in row) for row in FEATURES.T.tolist()), encoding="utf-8")
    np.testing.assert_array_equal(read_features(path, channels=4), FEATURES)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "holds no numbers"),
        (b"a,b,c,d\n", "holds no numbers"),
        (b"1,2,3,4\n5,6\n", "is not a table of numbers"),
        (b"1,2,3,4\n5,6,x,8\n", "is not a table of numbers"),
        (b"1,2,3,4\n5,,7,8\n", "is not a table of numbers"),
        (b"1,2,3,4\n5,nan,7,8\n", "holds nan at snippet 1, channel 1"),
        (b"1,2,3,4\n5,6,7,inf\n", "holds inf at snippet 1, channel 3"),
        (b"1,2,3\n", r"has the shape \(1, 3\)"),
        (b"\xff\xfe1,2\n", "is not a table of numbers"),
        (b"<html>\n<body>\n", "is not a table of numbers"),
    ],
)
def test_csv_that_is_refused(tmp_path, content, sentence):
    path = tmp_path / "v_a.csv"
    path.write_bytes(content)
    with pytest.raises(BmnError, match=sentence) as caught:
        read_features(path, channels=4)
    assert str(caught.value).startswith(f"{path}: ")
    assert len(str(caught.value).splitlines()) == 1


def test_npz_with_one_array(tmp_path):
    path = tmp_path / "v_a.npz"
    np.savez_compressed(path, features=FEATURES)
    np.testing.assert_array_equal(read_features(path, channels=4), FEATURES)
    np.savez(path, rgb=FEATURES, flow=FEATURES)
    with pytest.raises(BmnError, match="holds 2 arrays; save one array per file"):
        read_features(path, channels=4)
    np.savez(path, features=np.array([{}], dtype=object))
    with pytest.raises(BmnError, match=r"not a readable \.npz array"):
        read_features(path, channels=4)


@pytest.mark.parametrize("suffix", [".pkl", ".pickle", ".pt", ".pth"])
def test_formats_that_run_code_are_refused_unread(tmp_path, suffix):
    path = tmp_path / f"v_a{suffix}"
    with pytest.raises(BmnError, match="could run code inside it; save its array with numpy"):
        read_features(path, channels=4)
    path.write_bytes(b"")
    with pytest.raises(BmnError, match="could run code inside it"):
        find_features(tmp_path)


def test_features_are_found_by_name_in_any_folder(tmp_path):
    (tmp_path / "deep").mkdir()
    np.save(tmp_path / "deep" / "v_a.npy", FEATURES)
    (tmp_path / "b.csv").write_text(TABLE)
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / "._b.csv").write_text("")  # what a Mac leaves in archives
    files = find_features(tmp_path)
    assert files == {"a": tmp_path / "deep" / "v_a.npy", "b": tmp_path / "b.csv"}
    np.save(tmp_path / "a.npy", FEATURES)
    with pytest.raises(BmnError, match=r"v_a\.npy: .*a\.npy is of the same video; keep one"):
        find_features(tmp_path)


@pytest.mark.parametrize(
    ("shapes", "channels"),
    [([(3, 4), (5, 4)], 4), ([(4, 3), (4, 5)], 4), ([(7, 4), (7, 4)], 4), ([(3, 4)], 4)],
)
def test_the_channels_are_what_all_files_share(tmp_path, shapes, channels):
    for number, shape in enumerate(shapes):
        np.save(tmp_path / f"{number}.npy", np.zeros(shape))
    assert common_channels(find_features(tmp_path)) == channels


@pytest.mark.parametrize("shapes", [[(3, 4), (5, 6)], [(3, 4), (7,)], [(2, 3, 4)]])
def test_files_that_share_no_channels_are_named(tmp_path, shapes):
    for number, shape in enumerate(shapes):
        np.save(tmp_path / f"{number}.npy", np.zeros(shape))
    with pytest.raises(BmnError, match=r"\.npy: has (the shape .* be \[snippet, channel\]|\d channels, but)"):
        common_channels(find_features(tmp_path))


@pytest.mark.parametrize("odd", [0, 3, 4])
def test_the_odd_file_is_named_not_a_good_one(tmp_path, odd):
    for number in range(5):
        np.save(tmp_path / f"{number}.npy", np.zeros((7 + number, 3 if number == odd else 4)))
    with pytest.raises(BmnError, match=rf"{odd}\.npy: has 3 channels, but 4 of 5 files have 4; extract it again"):
        common_channels(find_features(tmp_path))


class Bomb:
    """Unpickling this makes a folder."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_nothing_is_unpickled(tmp_path):
    proof = tmp_path / "unpickled"
    save(tmp_path, np.array([[Bomb(proof)]], dtype=object), allow_pickle=True)
    with pytest.raises(BmnError, match=r"not a readable \.npy array"):
        read_features(tmp_path / "v_a.npy", channels=1)
    (tmp_path / "v_a.npy").write_bytes(pickle.dumps(Bomb(proof)))
    with pytest.raises(BmnError, match=r"not a readable \.npy array"):
        read_features(tmp_path / "v_a.npy", channels=1)
    assert not proof.exists()


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(BmnError, match=r"v_b\.npy: no such feature file"):
        read_features(tmp_path / "v_b.npy", channels=4)


numbers = st.floats().map(str) | st.sampled_from(["", "x", "1e999", "-", '"1"', "#", "٣"])
tables = st.lists(st.lists(numbers, max_size=5).map(",".join), max_size=5).map("\n".join)


@given(tables | st.text(max_size=60))
def test_any_text_as_csv_gives_features_or_a_sentence(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("any") / "v_a.csv"
    path.write_text(text, encoding="utf-8", errors="surrogatepass", newline="")
    with suppress(BmnError):
        assert read_features(path, channels=4).shape[1] == 4


@given(st.booleans(), st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=4))
def test_a_damaged_npz_gives_features_or_a_sentence(tmp_path_factory, compressed, changes):
    path = tmp_path_factory.mktemp("any") / "v_a.npz"
    (np.savez_compressed if compressed else np.savez)(path, features=FEATURES)
    content = bytearray(path.read_bytes())
    for place, value in changes:
        content[place % len(content)] = value
    path.write_bytes(content)
    with suppress(BmnError):
        assert read_features(path, channels=4).shape[1] == 4


@given(st.binary(max_size=200), st.integers(0, 300))
def test_damaged_files_never_end_in_a_traceback(tmp_path_factory, noise, keep):
    path = save(tmp_path_factory.mktemp("damaged"), np.ones((3, 4), dtype="float32"))
    whole = path.read_bytes()
    path.write_bytes(whole[:keep] + noise)
    with suppress(BmnError):
        assert read_features(path, channels=4).shape[1] == 4


def test_resizing_is_linear_between_snippet_centres():
    ramp = np.arange(4, dtype="float32")[:, None]
    np.testing.assert_allclose(resize(ramp, 8)[:, 0], [0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3])
    np.testing.assert_allclose(resize(ramp, 2)[:, 0], [0.5, 2.5])
    np.testing.assert_allclose(resize(ramp[:1] + 7, 3)[:, 0], [7, 7, 7])


@given(st.integers(1, 30), st.integers(1, 30), st.floats(-3, 3), st.floats(-3, 3))
def test_resizing_keeps_the_range_and_the_time_of_what_happens(length, tscale, height, slope):
    centres = (np.arange(length) + 0.5) / length
    features = (height + slope * centres).astype("float32")[:, None]
    found = resize(features, tscale)
    assert found.dtype == np.float32
    assert found.shape == (tscale, 1)
    expected = height + slope * np.clip((np.arange(tscale) + 0.5) / tscale, centres[0], centres[-1])
    np.testing.assert_allclose(found[:, 0], expected, atol=1e-5)


def test_features_of_the_right_length_are_left_alone():
    features = np.ones((5, 2), dtype="float32")
    assert resize(features, 5) is features


def header(shape, dtype="<f4"):
    text = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\x01\x00" + (len(text) + 1).to_bytes(2, "little") + text + b"\n"


@pytest.mark.parametrize(
    "content",
    [
        header("(True, 16)") + bytes(64),
        header("(12345678901234567890, 16)") + bytes(64),
        header("(100000, 100000)") + bytes(64),
        header("(-1, 16)") + bytes(64),
        header("(1, 16)") + bytes(63),
        header("(1, 16)") + bytes(65),
        header("(1, 16)", "|O") + bytes(128),
        header("(" * 500 + ")" * 500) + bytes(64),
        header("(1, 16)", [["a"]]) + bytes(64),
    ],
    ids=["bool", "20 digits", "huge", "negative", "short", "long", "objects", "deep", "type"],
)
def test_a_header_that_does_not_fit_is_refused(tmp_path, content):
    path = tmp_path / "v_a.npy"
    path.write_bytes(content)
    with pytest.raises(BmnError, match=r"v_a\.npy: is not a readable \.npy array"):
        read_features(path, channels=16)


def test_a_compressed_file_that_grows_too_much_is_refused_unread(tmp_path):
    path = tmp_path / "v_a.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed, packed.open("a.npy", "w") as member:
        member.write(header("(5000000, 16)"))
        for _ in range(320):
            member.write(bytes(1_000_000))
    assert path.stat().st_size < 1_000_000
    with pytest.raises(BmnError, match=r"v_a\.npz: unpacks to 3200000\d\d bytes; it looks like a decompression bomb"):
        read_features(path, channels=16)


def test_other_compressions_are_refused(tmp_path):
    path = tmp_path / "v_a.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as packed:
        packed.writestr("a.npy", header("(1, 16)") + bytes(64))
    with pytest.raises(BmnError, match="neither stored nor deflated"):
        read_features(path, channels=16)


@pytest.mark.parametrize("damage", ["x", "1.2.3", "", "0,5"])
def test_a_damaged_number_does_not_make_the_first_snippet_a_heading(tmp_path, damage):
    path = tmp_path / "v_a.csv"
    path.write_text(f"{damage},1,2,3\n" + TABLE)
    with pytest.raises(BmnError, match=r"v_a\.csv: is not a table of numbers"):
        read_features(path, channels=4)


def test_every_column_has_a_heading(tmp_path):
    path = tmp_path / "v_a.csv"
    path.write_text("a,b,c\n" + TABLE)
    with pytest.raises(BmnError, match="3 headings for 4 columns"):
        read_features(path, channels=4)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "v_a.npy")
    with pytest.raises(BmnError, match="no such feature file"):
        read_features(tmp_path / "v_a.npy", channels=4)
