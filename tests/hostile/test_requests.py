"""A server among hostile clients."""

import json
import os
import socket
from contextlib import suppress

import pytest
from hostile.load import load
from hostile.test_campaign import check
from tracking.serving import filed_model, serving

pytestmark = pytest.mark.xdist_group("hostile")
SECONDS = float(os.environ.get("HOSTILE_SECONDS", "5"))  # 600 for the ten minutes of the threat model


@pytest.fixture(scope="module")
def server(tmp_path_factory, exported, processed, features):
    folder = tmp_path_factory.mktemp("project")
    with filed_model(folder, exported, processed, features), serving(folder) as (_, port, process):
        yield port, process
        assert "Traceback" not in (folder / "stderr.txt").read_text()


def test_no_request_is_the_servers_fault(server, samples, tmp_path, record_property):
    port, process = server
    (samples / "server.json").write_text(json.dumps(["127.0.0.1", port]))
    check("requests", samples, tmp_path, record_property)
    assert process.poll() is None


@pytest.mark.parametrize("coding", ["Transfer-Encoding: chunked", "Content-Length: 99999999999"])
def test_what_follows_a_refusal_is_not_answered(server, coding):
    """uvicorn would answer an invalid chunk after its answer, which HTTP forbids: a traceback in the server's output."""
    port, process = server
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        client.sendall(f"POST /invocations HTTP/1.1\r\nHost: x\r\n{coding}\r\n\r\n".encode())
        if "chunked" in coding:
            assert client.recv(2**16).startswith(b"HTTP/1.1 411")
        with suppress(OSError):
            client.sendall(b"zz\r\nno chunk\r\n" * 9)
            while client.recv(2**16):
                pass
    assert process.poll() is None


def test_good_requests_do_not_notice_hostile_ones(server, samples):
    port, process = server
    body = (samples / "request.json").read_bytes()
    seen = load(f"http://127.0.0.1:{port}/invocations", body, 8, 200, SECONDS)
    print(seen)
    assert seen.failed == []
    assert len(seen.answered) >= 8
    assert seen.hostile >= 200
    assert process.poll() is None
