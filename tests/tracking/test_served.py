"""The model in MLflow: logged, loaded, and served by a process."""

import json
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import mlflow
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families
from shell import BMN, PATIENCE
from tracking.serving import EVALUATED, FILED, SRC, environment, filed_model, serving

from bmn.data.subset import open_subset
from bmn.predict.outputs import rounded
from bmn.predict.predictor import Predictor
from bmn.proposals import ProposalSettings

pytestmark = pytest.mark.xdist_group("inference")
SHAPE = "this model takes [video, snippet, channel] with 8 channels"


@pytest.fixture(scope="module")
def filed(tmp_path_factory, exported, processed, features):
    """A project with a training, its export and its evaluation, and the model's URI."""
    folder = tmp_path_factory.mktemp("project")
    with filed_model(folder, exported, processed, features) as source:
        yield folder, source


@pytest.fixture(scope="module")
def server(filed):
    """What the server printed, where it answers, and its process."""
    with serving(filed[0]) as (printed, port, process):
        yield printed, f"http://127.0.0.1:{port}/invocations", process


def post(address, body, **headers):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(address, data, {"Content-Type": "application/json", **headers})
    try:
        with urllib.request.urlopen(request, timeout=600) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def predictor_of(exported, params):
    return Predictor(exported, ProposalSettings(**params.model_dump()))


def test_loaded_by_itself_it_has_the_settings_it_was_logged_with(filed, exported, features):
    mlflow.set_tracking_uri(f"sqlite:///{filed[0]}/mlruns/mlflow.db")
    [given] = mlflow.pyfunc.load_model(filed[1]).predict(features[:1].transpose(0, 2, 1), params={"durations": [12.5]})
    assert given["proposals"] == rounded(predictor_of(exported, FILED).propose(features[0].T, 12.5), 12.5)


def test_it_is_imported_without_a_word():
    """Stage 5 and every server do so: MLflow asks for type hints, which it would take for the signature."""
    done = subprocess.run([sys.executable, "-c", "import bmn.tracking.served"], capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")


def test_proposals_are_those_of_the_exported_model_and_maps_come_on_request(server, exported, features):
    _, address, _ = server
    durations = [12.5, 100.0]
    videos = np.stack([features[0].T, features[1].T])
    status, answer = post(address, {"inputs": videos.tolist(), "params": {"durations": durations, "maps": True}})
    assert status == 200
    predictor = predictor_of(exported, EVALUATED)
    maps = predictor.maps(features[:2])
    for video, given in enumerate(answer["predictions"]):
        assert given["proposals"] == rounded(predictor.propose(videos[video], durations[video]), durations[video])
        for name, array in zip(("confidence_map", "start", "end"), maps, strict=True):
            np.testing.assert_array_equal(np.asarray(given[name], np.float32), array[video])


def test_labels_come_on_request(server, exported, features):
    _, address, _ = server
    video = features[0].T
    body = {"inputs": [video.tolist()], "params": {"durations": [12.5], "labels": True}}
    status, answer = post(address, body)
    assert status == 200
    [given] = answer["predictions"]
    assert given["detections"] == rounded(predictor_of(exported, EVALUATED).detect(video, 12.5), 12.5)


def test_without_durations_segments_are_fractions_and_any_number_of_snippets_works(server, exported):
    _, address, _ = server
    video = np.random.default_rng(4).normal(size=(23, 8)).astype(np.float32)
    status, answer = post(address, {"inputs": [video.tolist()]})
    assert (status, answer) == (
        200,
        {"predictions": [{"proposals": rounded(predictor_of(exported, EVALUATED).propose(video, 1.0), 1.0)}]},
    )


def test_the_printed_curl_line_works(server):
    [_, line], _, _ = server
    done = subprocess.run(shlex.split(line), capture_output=True, text=True, check=True)
    [video] = json.loads(done.stdout)["predictions"]
    assert max(end for _, end in (proposal["segment"] for proposal in video["proposals"])) <= 12.5


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"inputs": [[[1.0] * 7] * 16]}, f"the features have the shape [1, 16, 7]; {SHAPE}"),
        ({"inputs": [[[1.0] * 400] * 16] * 3}, f"the features have the shape [3, 16, 400]; {SHAPE}"),
        ({"inputs": [[1.0] * 8] * 16}, "Shape of input (16, 8) does not match expected shape (-1, -1, -1)."),
        (b'{"inputs": [[' + b",".join([b"[NaN,1,1,1,1,1,1,1]"] * 16) + b"]]}", "the features contain NaN"),
        ({"inputs": [[[1e300] * 8] * 16]}, "the features contain NaN or infinities"),
        ({"inputs": []}, "signature"),
        ({"inputs": [[]]}, "does not match"),
        ({"inputs": [[[]]]}, f"the features have the shape [1, 1, 0]; {SHAPE}"),
        ({"inputs": [[[1.0] * 8], [[1.0]]]}, "inhomogeneous"),
        (
            {"inputs": [[[1.0] * 8]], "params": {"durations": [1.0, 2.0]}},
            "durations should hold a number of seconds above 0",
        ),
        (
            {"inputs": [[[1.0] * 8]], "params": {"durations": [0.0]}},
            "durations should hold a number of seconds above 0",
        ),
        ({}, "inputs"),
        (b"", "valid JSON"),
        (b'{"inputs": [[', "valid JSON"),
        (b'{"inputs":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
    ],
)
def test_a_bad_request_is_refused_and_the_server_stays_up(server, body, sentence):
    _, address, process = server
    status, answer = post(address, body)
    assert 400 <= status < 500
    assert sentence in answer["message"]
    assert len(answer["message"]) < 1000  # no array dump
    assert process.poll() is None


def test_a_huge_request_is_refused_without_reading_it(server):
    _, address, process = server
    status, answer = post(address, b" " * (33 * 2**20))
    assert status == 413
    assert "at most 33554432 are allowed" in answer["message"]
    assert process.poll() is None


def test_many_clients_at_once_get_the_same_answers(server, features):
    _, address, _ = server
    body = json.dumps({"inputs": [features[0].T.tolist()]}).encode()
    wanted = post(address, body)
    found = []
    clients = [threading.Thread(target=lambda: found.extend(post(address, body) for _ in range(5))) for _ in range(8)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert wanted[0] == 200
    assert found == [wanted] * 40


def test_clients_under_load_get_the_right_answers(server, features, tmp_path):
    _, address, _ = server
    example = tmp_path / "example.json"
    example.write_text(json.dumps({"inputs": [features[0].T.tolist()], "params": {"durations": [12.5]}}))
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.load", example, address, "--clients", "3", "--seconds", "1"],
        cwd=SRC.parent, capture_output=True, text=True, check=True,
    )  # fmt: skip
    answered, _, memory = done.stdout.splitlines()
    assert re.fullmatch(r"[1-9]\d* requests answered, 0 failed", answered)
    assert re.fullmatch(r"server memory: at most [1-9]\d* MiB", memory)


def test_every_answer_names_the_model_and_prometheus_is_told(server, features):
    """Counts are compared before and after: other tests ask the same server."""
    _, address, _ = server
    place = address.removesuffix("/invocations")

    def scraped():
        with urllib.request.urlopen(f"{place}/metrics", timeout=600) as answer:
            assert answer.headers["BMN-Model"] == "bmn/1"
            families = text_string_to_metric_families(answer.read().decode())
            return {(one.name, *sorted(one.labels.values())): one.value for each in families for one in each.samples}

    before = scraped()
    body = json.dumps({"inputs": [features[0].T.tolist()]}).encode()
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=600) as answer:
        assert answer.headers["BMN-Model"] == "bmn/1"
    assert post(address, {})[0] == 400
    for number in range(3):
        assert post(f"{place}/nothing{number}", {})[0] == 404
    after = scraped()
    gained = {key: after[key] - before.get(key, 0) for key in after if key[0] in ("bmn_requests_total",)}
    assert gained["bmn_requests_total", "/invocations", "200", "POST"] == 1
    assert gained["bmn_requests_total", "/invocations", "400", "POST"] == 1
    assert gained["bmn_requests_total", "404", "POST", "other"] == 3  # one series, whatever clients ask for
    counts = ("bmn_request_seconds_count", "/invocations")
    assert after[counts] - before.get(counts, 0) == 2
    assert after["bmn_request_seconds_sum", "/invocations"] > 0
    assert after["bmn_model_info", "bmn/1"] == 1
    assert after["process_resident_memory_bytes",] > 0


def refused(folder, *words):
    return subprocess.run(
        [BMN, "serve", *words],
        cwd=folder, env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_missing_model_is_reported(filed):
    done = refused(filed[0], "--model", "models:/nothing@champion")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: models:/nothing@champion: no such model")


class Foreign(mlflow.pyfunc.PythonModel):
    """Leaves a trace where it is loaded."""

    def predict(self, context, model_input: np.ndarray, params=None):
        return model_input

    def __reduce__(self):
        return Path.touch, (Path("loaded"),)


def test_a_model_that_is_not_ours_is_refused_before_it_is_loaded(filed):
    mlflow.pyfunc.save_model(filed[0] / "foreign", python_model=Foreign())
    (filed[0] / "loaded").unlink(missing_ok=True)  # MLflow itself loads what it saves
    done = refused(filed[0], "--model", "foreign")
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: foreign: is a model of mlflow.pyfunc.model that this pipeline did not export")
    assert not (filed[0] / "loaded").exists()


def test_it_prints_which_model_it_serves(server, filed):
    (line, _), address, _ = server
    digest = open_subset(filed[0] / "data/processed", "validation").digest
    about = f"bmn version 1 (AUC 61.25 on the validation data in data/processed, {digest})"
    assert line == f"{about} answers at {address} (stop it with Ctrl-C). Try:\n"


def test_the_champion_of_other_data_is_not_served(filed, tmp_path):
    """Their ground truths differ by one segment."""
    shutil.copytree(filed[0], tmp_path / "project")
    truth = tmp_path / "project/data/processed/ground_truth.json"
    entries = json.loads(truth.read_text())
    next(entry for entry in entries["database"].values() if entry["subset"] == "validation")["annotations"].pop()
    truth.write_text(json.dumps(entries))
    done = refused(tmp_path / "project")
    assert done.returncode == 1
    assert re.match(
        r"error: no model was validated on the data in data/processed \([0-9a-f]{16}\); run make repro, or name a "
        r"--model$", done.stderr.splitlines()[-1],
    )  # fmt: skip


def test_without_data_the_only_champion_is_served(filed, tmp_path, monkeypatch):
    """As on a team's server; of several one has to be named."""
    shutil.copytree(filed[0] / "mlruns", tmp_path / "mlruns")
    digest = open_subset(filed[0] / "data/processed", "validation").digest
    with serving(tmp_path) as (printed, _, _):
        assert printed[0].startswith(f"bmn version 1 (champion-{digest}, the only one) answers at ")
    monkeypatch.chdir(tmp_path)
    mlflow.MlflowClient(f"sqlite:///{tmp_path}/mlruns/mlflow.db").set_registered_model_alias("bmn", "champion-0", "1")
    assert refused(tmp_path).stderr.splitlines()[-1] == (
        "error: data/processed: contains no validation data to tell which champion is meant; name a --model: "
        f"models:/bmn@champion-0, models:/bmn@champion-{digest}"
    )
    shutil.rmtree(tmp_path / "mlruns")
    assert refused(tmp_path).stderr.splitlines()[-1] == (
        "error: data/processed: contains no validation data, and the store no champion; run make repro, or name a "
        "--model"
    )


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        (b'{"inputs": [[[' + b"9" * 5000 + b"]]]}", 400, "the JSON cannot be used (Exceeds the limit (4300 digits)"),
        (b'{"inputs": [[["a"]]]}', 400, ""),
        (b'{"inputs": [[[null]]]}', 400, ""),
        (b'{"inputs": [[[1, {}]]]}', 400, ""),
        (b'{"inputs": [[[1]]], "' + b"a" * 100_000 + b'": 1}', 400, ""),
    ],
)
def test_a_hostile_body_is_the_clients_fault(server, body, status, sentence):
    _, address, _ = server
    found, answer = post(address, body)
    assert found == status
    assert sentence in answer["message"]
    assert len(answer["message"]) <= 500


@pytest.mark.parametrize(
    "kind", ["", "text/csv", "application/vnd.apache.parquet", "application/x-www-form-urlencoded"]
)
def test_only_json_is_read(server, kind):
    _, address, _ = server
    status, answer = post(address, b"PAR1", **{"Content-Type": kind})
    assert (status, answer["message"][:30]) == (415, "the request is not declared as")


def test_a_model_that_was_not_trained_on_videos_refuses_them(server):
    _, address, _ = server
    status, answer = post(address.replace("invocations", "videos"), b"\0\0\0\x18ftyp", **{"Content-Type": "video/mp4"})
    sentence = "this model was not trained on videos; send features to /invocations"
    assert (status, answer["message"]) == (400, sentence)


def test_slow_clients_keep_nobody_out(server, features):
    """Each announces a thousand bytes and sends one; there are more of them than places, and than threads."""
    _, address, _ = server
    slow = [socket.create_connection(("127.0.0.1", urlsplit(address).port)) for _ in range(200)]
    for number, client in enumerate(slow):
        head = b"POST /invocations HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n"
        client.sendall(head if number % 2 else head + b"Host: a\r\n\r\n{")
    assert post(address, {"inputs": [features[0].T.tolist()]})[0] == 200
    for client in slow:
        client.close()


def test_clients_that_do_not_take_their_answers_keep_nobody_out(server, features):
    _, address, _ = server
    body = json.dumps({"inputs": features.transpose(0, 2, 1).tolist() * 40, "params": {"maps": True}}).encode()
    head = f"POST /invocations HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    deaf = [socket.create_connection(("127.0.0.1", urlsplit(address).port)) for _ in range(4)]
    for client in deaf:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(f"{head}\r\n\r\n".encode() + body)
    assert post(address, {"inputs": [features[0].T.tolist()]})[0] == 200
    for client in deaf:
        client.close()


def test_stopped_it_refuses_what_is_new_and_answers_what_has_come(filed, features, monkeypatch):
    monkeypatch.setenv("MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT", "1")  # after which MLflow alone answers 504
    body = json.dumps({"inputs": features.transpose(0, 2, 1).tolist() * 400}).encode()
    with serving(filed[0], "--grace", "600") as (_, port, process), ThreadPoolExecutor(1) as pool:
        answer = pool.submit(post, f"http://127.0.0.1:{port}/invocations", body)
        wait_until_at_work(port, answer)
        unfinished = socket.create_connection(("127.0.0.1", port))  # not before: it is given half a minute
        unfinished.sendall(
            b"POST /invocations HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n"
        )
        wait_until_at_work(port, answer)  # and so until the server has taken the connection
        process.terminate()
        assert re.match(
            r"stopping: no new requests are accepted; [01] left to answer within 600 s", process.stdout.readline()
        )
        assert unfinished.recv(100) == b""
        with pytest.raises(ConnectionError):
            socket.create_connection(("127.0.0.1", port))
        assert answer.result()[0] == 200
        assert process.wait(PATIENCE) == 128 + signal.SIGTERM


def test_at_the_end_of_the_grace_period_it_ends(filed, features):
    body = json.dumps({"inputs": features.transpose(0, 2, 1).tolist() * 400, "params": {"maps": True}}).encode()
    with serving(filed[0], "--grace", "0.1") as (_, port, process), ThreadPoolExecutor(1) as pool:
        answer = pool.submit(post, f"http://127.0.0.1:{port}/invocations", body)
        wait_until_at_work(port, answer)
        process.terminate()
        with suppress(OSError):
            assert answer.result()[0] == 503
        assert process.wait(PATIENCE) == 128 + signal.SIGTERM


def wait_until_at_work(port, answer):
    """Until the server has the whole request."""
    told = ""
    while "bmn_requests_at_work 1.0" not in told:
        assert not answer.done()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=600) as metrics:
            told = metrics.read().decode()
