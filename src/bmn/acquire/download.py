"""Downloads: resumed where they broke off, retried patiently, and verified once complete."""

import re
import shutil
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import requests
from requests.exceptions import RequestException
from tqdm import tqdm
from urllib3.exceptions import HTTPError

from bmn.base.checksums import sha256 as sha256_of
from bmn.base.errors import BmnError
from bmn.base.files import read_json, write_json

CHUNK = 1 << 20
RESERVE = 1 << 30  # bytes of disk space that a file of unknown length must leave free
RETRIED = {408, 425, 429}  # and 5xx: a later attempt may succeed


@dataclass(frozen=True)
class Patience:
    """How long to wait for a server, in seconds.

    Attributes:
        answer: for the connection, for the beginning of the answer, and for each piece of it.
        attempts: in a row without progress before giving up.
        slowest: bytes per second; a download that stays below it for ``slow`` seconds is given up.
        pause: before the second attempt; doubled before each further one up to ``longest_pause``.
    """

    answer: float = 30.0
    attempts: int = 8
    slowest: float = 1000.0
    slow: float = 300.0
    pause: float = 1.0
    longest_pause: float = 60.0


@dataclass(frozen=True)
class Fetched:
    """A finished download."""

    url: str
    bytes: int
    sha256: str


class _TryAgain(Exception):
    """The attempt failed, but another may succeed."""


class _TooLong(Exception):
    """A server sends more than it announced."""


def fetch(url: str, path: Path, sha256: str | None = None, patience: Patience = Patience()) -> Fetched:
    """Download a file completely or not at all.

    What has arrived is kept in ``<path>.part``; the next attempt, or the next start of the program, asks only for the
    rest, and starts over if the file on the server has changed or the server cannot send ranges. Two parts are joined
    only if an ETag, a date or the checksum shows that they are of the same version. Timeouts, broken connections and
    the statuses 5xx, 408, 425 and 429 are retried.

    Args:
        url: http or https.
        path: the file to write; its folder is created.
        sha256: the expected checksum, in hexadecimal.

    Raises:
        BmnError: the URL is invalid, the server refuses, stays silent or is too slow, the disk is too small, a web
            page came instead of the file, or the checksum differs (then nothing is kept).
    """
    part = path.with_name(f"{path.name}.part")
    state = path.with_name(f"{path.name}.part.json")
    failures, most = 0, 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            try:
                _attempt(url, part, state, sha256 is not None, patience)
                break
            except _TryAgain as error:
                have = part.stat().st_size if part.exists() else 0
                failures, most = (1, have) if have > most else (failures + 1, most)
                if failures >= patience.attempts:
                    raise BmnError(
                        f"{url}: gave up after {failures} attempts without progress ({error}); "
                        f"{have} bytes are kept, run it again to resume"
                    ) from error
                time.sleep(min(patience.pause * 2 ** (failures - 1), patience.longest_pause))
        found = sha256_of(part)
        if sha256 is not None and found != sha256.lower():
            part.unlink()
            state.unlink()
            raise BmnError(f"{url}: has the SHA-256 {found}, not {sha256}; correct the checksum or the URL")
        size = part.stat().st_size
        part.replace(path)
        state.unlink()
    except OSError as error:
        raise BmnError(f"{path}: cannot be written ({error.strerror}); what has arrived is kept") from error
    return Fetched(url, size, found)


def _attempt(url: str, part: Path, state: Path, checked: bool, patience: Patience) -> None:
    """Request what ``part`` lacks and append it; ``checked``: a checksum of the whole file is known.

    Raises:
        _TryAgain: another attempt may succeed.
    """
    known: dict[str, Any] = read_json(state) if part.exists() and state.exists() else {}
    have = part.stat().st_size if known.get("url") == url and (checked or known["validator"]) else 0
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
        if known["validator"]:
            headers["If-Range"] = known["validator"]
    try:
        with _ask(url, headers, patience.answer) as answer:
            if have and answer.status_code == 416 and have == known["total"]:
                return
            if answer.status_code in RETRIED or answer.status_code >= 500:
                raise _TryAgain(f"the server answers {answer.status_code} {answer.reason}")
            if answer.status_code == 416 or (
                answer.status_code == 206 and not (have and _continues(answer, have, known))
            ):
                state.unlink(missing_ok=True)
                raise _TryAgain("the file on the server has changed")
            if answer.status_code not in (200, 206):
                raise BmnError(f"{url}: the server answers {answer.status_code} {answer.reason}; check the URL")
            if answer.headers.get("Content-Type", "").startswith("text/html"):
                raise BmnError(f"{url}: is a web page, not a file; check the URL")
            if answer.status_code == 200:
                have, total = 0, _number(answer.headers.get("Content-Length"))
                part.write_bytes(b"")
                write_json(state, {"url": url, "validator": _validator(answer), "total": total})
            else:
                total = known["total"]
            _check_room(part.parent, url, (total or 0) - have)
            try:
                _append(answer, part, have, total, url, patience)
            except _TooLong as error:
                state.unlink()
                raise _TryAgain(f"more than the announced {total} bytes arrived") from error
    except ValueError as error:
        raise BmnError(f"{url}: is not a valid URL ({error})") from error
    except (RequestException, HTTPError) as error:
        raise _TryAgain(_reason(error)) from error


def _ask(url: str, headers: dict[str, str], seconds: float) -> requests.Response:
    """A response with its headers; times out even if the server sends them byte by byte."""
    answers: SimpleQueue[requests.Response | Exception] = SimpleQueue()

    def ask() -> None:
        try:
            answers.put(requests.get(url, headers=headers, stream=True, timeout=seconds))
        except Exception as error:
            answers.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=2 * seconds)  # to connect, and to answer
    except Empty:
        raise _TryAgain(f"the server does not answer within {2 * seconds:g} s") from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def _append(answer: requests.Response, part: Path, have: int, total: int | None, url: str, patience: Patience) -> None:
    shown = {"total": total, "initial": have, "desc": Path(url).name, "unit": "B", "unit_scale": True, "disable": None}
    since, before = time.monotonic(), have
    with open(part, "ab") as file, tqdm(**shown) as bar:
        # Unbuffered, so that an interruption loses nothing; and not decoded: a server that calls an archive
        # "gzip-encoded" must not have it unpacked on the way.
        while chunk := answer.raw.read1(CHUNK, decode_content=False):
            if total is None:
                _check_room(part.parent, url, RESERVE)
            elif file.tell() + len(chunk) > total:
                raise _TooLong
            file.write(chunk)
            bar.update(len(chunk))
            now = time.monotonic()
            if now - since > patience.slow:
                if file.tell() - before < patience.slowest * (now - since):
                    raise BmnError(
                        f"{url}: gave up, because less than {patience.slowest:g} bytes per second arrived for "
                        f"{patience.slow:g} s; what has arrived is kept, run it again to resume"
                    )
                since, before = now, file.tell()
        if total is not None and file.tell() != total:
            raise _TryAgain(f"{file.tell()} of {total} bytes arrived")


def _continues(answer: requests.Response, have: int, known: dict[str, Any]) -> bool:
    """Whether a response continues the version of the file whose first ``have`` bytes have arrived."""
    return _validator(answer) == known["validator"] and _content_range(answer) == (have, known["total"])


def _content_range(answer: requests.Response) -> tuple[int | None, int | None]:
    """First byte and total size of a header such as ``Content-Range: bytes 5-9/10``."""
    found = re.match(r"bytes (\d+)-\d+/(\d+|\*)$", answer.headers.get("Content-Range", ""))
    return (_number(found[1]), _number(found[2])) if found else (None, None)


def _validator(answer: requests.Response) -> str | None:
    """What identifies this version of the file: a strong ETag, or its modification date."""
    etag = answer.headers.get("ETag", "")
    return etag if etag.startswith('"') else answer.headers.get("Last-Modified")


def _number(text: str | None) -> int | None:
    return int(text) if text and re.fullmatch("[0-9]{1,18}", text) else None


def _check_room(folder: Path, url: str, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise BmnError(f"{url}: needs {needed / 1e9:.1f} GB but {folder} has {free / 1e9:.1f} GB left; make room there")


def _reason(error: Exception) -> str:
    """The innermost cause of a network error, which says briefly what happened."""
    inner: BaseException = error
    while inner.__cause__ or inner.__context__:
        inner = inner.__cause__ or inner.__context__ or inner
    return str(inner) or type(inner).__name__
