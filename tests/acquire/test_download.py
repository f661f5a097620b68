"""Downloads from a real server that misbehaves."""

import hashlib
import json
import shutil
import socket
import threading
import time
from contextlib import suppress
from dataclasses import replace

import pytest
from acquire.servers import Site, serve
from hypothesis import given
from hypothesis import strategies as st

from bmn.acquire import download
from bmn.acquire.download import Patience, fetch
from bmn.base.errors import BmnError

HURRY = Patience(answer=30.0, attempts=4, pause=0.001, longest_pause=0.002)
CONTENT = bytes(range(256)) * 4000


def sha256(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "deep" / "file.tar.gz"


def left(path):
    return sorted(one.name for one in path.parent.iterdir())


def test_a_file_arrives_whole(path):
    with serve(Site(CONTENT)) as site:
        found = fetch(site.url, path, sha256(CONTENT).upper(), HURRY)
    assert path.read_bytes() == CONTENT
    assert (found.url, found.bytes, found.sha256) == (site.url, len(CONTENT), sha256(CONTENT))
    assert left(path) == ["file.tar.gz"]


@pytest.mark.parametrize("fault", [500, 502, 503, 429, 408, "reset", "stall"])
def test_what_passes_is_attempted_again(path, fault):
    with serve(Site(CONTENT, faults=[fault, fault])) as site:
        fetch(site.url, path, None, replace(HURRY, answer=5.0) if fault == "stall" else HURRY)
    assert path.read_bytes() == CONTENT
    assert len(site.requests) == 3
    if isinstance(fault, str):  # half, then half of the rest had arrived
        half = len(CONTENT) // 2
        assert site.requests == [None, f"bytes={half}-", f"bytes={half + half // 2}-"]


def test_as_long_as_there_is_progress_nothing_is_given_up(path):
    with serve(Site(CONTENT, faults=["reset"] * 10)) as site:
        fetch(site.url, path, None, HURRY)
    assert path.read_bytes() == CONTENT
    assert len(site.requests) == 11 > HURRY.attempts


def test_a_server_that_ignores_range_is_read_from_the_beginning(path):
    with serve(Site(CONTENT, faults=["reset"], ranges=False)) as site:
        fetch(site.url, path, None, HURRY)
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("etag", [True, False])
def test_a_file_that_changes_on_the_way_is_read_from_the_beginning(path, etag):
    other = CONTENT[::-1] + b"more"
    with serve(Site(CONTENT, other=other, faults=["reset", "change"], etag=etag)) as site:
        fetch(site.url, path, None, HURRY)
    assert path.read_bytes() == other


def test_without_a_length_the_end_of_the_connection_is_the_end(path):
    with serve(Site(CONTENT, length=False)) as site:
        fetch(site.url, path, None, HURRY)
    assert path.read_bytes() == CONTENT


def test_another_start_goes_on_where_the_first_gave_up(path):
    with serve(Site(CONTENT, faults=["reset"] + [503] * HURRY.attempts)) as site:
        with pytest.raises(BmnError, match=r"gave up after 4 attempts .*503.* bytes are kept"):
            fetch(site.url, path, None, HURRY)
        assert not path.exists()
        fetch(site.url, path, None, HURRY)
    assert path.read_bytes() == CONTENT
    assert site.requests[-1] == f"bytes={len(CONTENT) // 2}-"


def test_a_part_that_was_whole_already_is_kept(path):
    with serve(Site(CONTENT)) as site:
        fetch(site.url, path, None, HURRY)
        part = shutil.move(path, path.with_name("file.tar.gz.part"))
        state = {"url": site.url, "validator": None, "total": len(CONTENT)}
        part.with_name("file.tar.gz.part.json").write_text(json.dumps(state))
        fetch(site.url, path, None, HURRY)
    assert path.read_bytes() == CONTENT


def test_a_wrong_checksum_keeps_nothing(path):
    with serve(Site(CONTENT)) as site, pytest.raises(BmnError, match=f"SHA-256 {sha256(CONTENT)}, not 00"):
        fetch(site.url, path, "0" * 64, HURRY)
    assert left(path) == []


def test_a_web_page_is_refused(path):
    page = Site(b"<html>not here</html>", content_type="text/html; charset=utf-8")
    with serve(page) as site, pytest.raises(BmnError, match="is a web page, not a file"):
        fetch(site.url, path, None, HURRY)
    assert left(path) == []


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_a_refusal_is_told_at_once(path, status):
    with serve(Site(CONTENT, faults=[status])) as site, pytest.raises(BmnError, match=f"answers {status}"):
        fetch(site.url, path, None, HURRY)
    assert len(site.requests) == 1


def test_a_server_that_does_not_listen(path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/file"
        with pytest.raises(BmnError, match=r"gave up after 4 attempts .*refused"):
            fetch(url, path, None, HURRY)


@pytest.mark.parametrize("url", ["http://", "nowhere", "ftp://127.0.0.1/x", "http://[::1/x"])
def test_an_invalid_url_is_refused(path, url):
    with pytest.raises(BmnError, match="is not a valid URL"):
        fetch(url, path, None, HURRY)


def test_too_small_a_disk_is_told_before_the_first_byte(path, monkeypatch):
    free = shutil.disk_usage("/")._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: free)
    with serve(Site(CONTENT)) as site, pytest.raises(BmnError, match=r"needs 0\.0 GB but .* left; make room"):
        fetch(site.url, path, None, HURRY)
    assert not path.exists()


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with serve(Site(CONTENT)) as site, pytest.raises(BmnError, match="cannot be written"):
        fetch(site.url, tmp_path / "file" / "x", None, HURRY)


@given(st.lists(st.sampled_from([500, 503, "reset"]), max_size=3), st.binary(max_size=2000), st.booleans())
def test_whatever_happens_the_file_is_the_servers(tmp_path_factory, faults, content, ranges):
    path = tmp_path_factory.mktemp("any") / "file"
    with serve(Site(content, faults=faults, ranges=ranges)) as site:
        assert fetch(site.url, path, None, HURRY).bytes == len(content)
    assert path.read_bytes() == content


class Liar:
    """A server that answers each connection with the next of some byte strings; None is silence, a list a trickle."""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), []

    def __enter__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}/file.tar.gz"
        threading.Thread(target=self.run, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.answers = []
        self.socket.close()

    def run(self):
        with suppress(OSError):
            while True:
                client, _ = self.socket.accept()
                self.asked.append(client.recv(10_000))
                threading.Thread(target=self.answer, args=[client], daemon=True).start()

    def answer(self, client):
        said = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        with suppress(OSError), client:
            if isinstance(said, bytes):
                client.sendall(said)
                return
            for piece in said:
                client.sendall(piece)
                time.sleep(0.01)


def answer(status, body, *lines):
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode() + body


FIRST_HALF = answer("200 OK", b"a" * 50, 'ETag: "one"', "Content-Length: 100")


@pytest.mark.parametrize("etag", [['ETag: "two"'], [], ['ETag: W/"one"']], ids=["another", "none", "weak"])
def test_two_versions_are_not_joined_whatever_the_server_calls_them(path, etag):
    other = answer("206 Partial Content", b"b" * 50, *etag, "Content-Range: bytes 50-99/100", "Content-Length: 50")
    whole = answer("200 OK", b"b" * 100, 'ETag: "two"', "Content-Length: 100")
    with Liar(FIRST_HALF, other, whole) as liar:
        fetch(liar.url, path, None, HURRY)
    assert path.read_bytes() == b"b" * 100
    assert b'If-Range: "one"' in liar.asked[1]


def test_a_rest_of_the_same_version_is_joined(path):
    rest = answer("206 Partial Content", b"b" * 50, 'ETag: "one"', "Content-Range: bytes 50-99/100")
    with Liar(FIRST_HALF, rest) as liar:
        fetch(liar.url, path, None, HURRY)
    assert path.read_bytes() == b"a" * 50 + b"b" * 50


def test_without_a_validator_only_a_checksum_allows_to_join(path):
    half = answer("200 OK", b"a" * 50, "Content-Length: 100")
    rest = answer("206 Partial Content", b"b" * 50, "Content-Range: bytes 50-99/100")
    whole = answer("200 OK", b"b" * 100, "Content-Length: 100")
    with Liar(half, whole) as liar:
        fetch(liar.url, path, None, HURRY)
        assert b"Range" not in liar.asked[1]
    path.unlink()
    with Liar(half, rest) as liar, pytest.raises(BmnError, match="has the SHA-256"):
        fetch(liar.url, path, sha256(b"a" * 100), HURRY)


def test_more_than_was_announced_ends_the_attempt(path):
    endless = (answer("206 Partial Content", b"", 'ETag: "one"', "Content-Range: bytes 50-99/100"), *[b"b" * 60] * 9999)
    whole = answer("200 OK", b"c" * 100, 'ETag: "one"', "Content-Length: 100")
    with Liar(FIRST_HALF, endless, whole) as liar:
        fetch(liar.url, path, None, HURRY)
    assert path.read_bytes() == b"c" * 100


def test_a_part_that_was_not_asked_for_is_refused(path):
    with (
        Liar(answer("206 Partial Content", b"b" * 50, "Content-Range: bytes 50-99/100")) as liar,
        pytest.raises(BmnError, match=r"gave up after 4 attempts .*the file on the server has changed"),
    ):
        fetch(liar.url, path, None, HURRY)


def test_a_trickle_is_given_up_in_a_sentence_and_kept(path):
    trickle = (answer("200 OK", b"", 'ETag: "one"', "Content-Length: 1000000"), *[b"a"] * 9999)
    with Liar(trickle) as liar, pytest.raises(BmnError, match=r"less than 1e\+06 bytes per second arrived for 0\.2 s"):
        fetch(liar.url, path, None, replace(HURRY, slowest=1e6, slow=0.2))
    assert left(path) == ["file.tar.gz.part", "file.tar.gz.part.json"]


def test_headers_byte_by_byte_are_given_up(path):
    with (
        Liar([b"HTTP/1.1 200 OK\r\nX: ", *[b"x"] * 9999]) as liar,
        pytest.raises(BmnError, match=r"gave up after 4 attempts .*does not answer within"),
    ):
        fetch(liar.url, path, None, replace(HURRY, answer=1.0))


def test_a_file_without_an_end_does_not_fill_the_disk(path, monkeypatch):
    monkeypatch.setattr(download, "RESERVE", shutil.disk_usage("/tmp").total)
    with Liar((answer("200 OK", b""), *[b"a" * 1000] * 9999)) as liar, pytest.raises(BmnError, match="make room there"):
        fetch(liar.url, path, None, HURRY)
