"""A server among hostile clients."""

import json
import os
import socket

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
        yield port, process, folder / "stderr.txt"
        assert "Traceback" not in (folder / "stderr.txt").read_text()


def test_no_request_is_the_servers_fault(server, samples, tmp_path, record_property):
    port, process, _ = server
    (samples / "server.json").write_text(json.dumps(["127.0.0.1", port]))
    check("requests", samples, tmp_path, record_property)
    assert process.poll() is None


@pytest.mark.parametrize("body", [b"zz\r\nno chunk\r\n", b"5\r\n[[1]]\r\nzz\r\n"])
def test_an_invalid_chunk_is_refused_once(server, body):
    """Its request was answered, too, which HTTP forbids: a traceback in the server's output."""
    port, _, stderr = server
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
            client.sendall(b"POST /invocations HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
            answer = client.makefile("rb").read()
        assert answer.count(b"HTTP/1.1 4") == 1
    assert "Traceback" not in stderr.read_text()


def test_good_requests_do_not_notice_hostile_ones(server, samples):
    port, process, _ = server
    body = (samples / "request.json").read_bytes()
    seen = load(f"http://127.0.0.1:{port}/invocations", body, 8, 200, SECONDS)
    print(seen)
    assert seen.failed == []
    assert len(seen.answered) >= 8
    assert seen.hostile >= 200
    assert process.poll() is None
