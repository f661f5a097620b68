"""Both engines, with real processes."""

import contextlib
import itertools
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from shell import PATIENCE, wait_for

from bmn.base.errors import BmnError
from bmn.base.schema import ExecutionParams
from bmn.execution.engines import open_engine
from bmn.execution.jobs import Job, run
from bmn.execution.process import Reserve
from bmn.execution.processes import Processes, gpus

pytestmark = pytest.mark.xdist_group("execution")


def count(name, to=3, seconds=0.0):
    return Job(name, "execution.work:count", {"to": to, "seconds": seconds})


def heard(engine, *jobs):
    """{job: [(kind, content)]}."""
    found = {job.name: [] for job in jobs}
    for event in run(engine, iter(jobs)):
        if event is not None:
            found[event.job].append((event.kind, event.content))
    return found


def process_of(event):
    return psutil.Process(int(event.content.rpartition(" ")[2]))


def wait_until_gone(process):
    """Or that only its parent has not noticed yet."""
    with contextlib.suppress(psutil.NoSuchProcess):
        wait_for(lambda: process.status() == psutil.STATUS_ZOMBIE)


def test_a_job_tells_and_gives_its_result(engine):
    found = heard(engine, *(count(f"job {number}") for number in range(5)))
    for events in found.values():
        assert events[0][0] == "started"
        assert events[1:] == [("told", {"number": number}) for number in range(3)] + [("result", 3)]


def test_an_error_is_a_sentence_and_is_not_tried_again(engine, capsys):
    found = heard(engine, Job("wrong", "execution.work:refuse", {"what": "x.yaml"}))
    assert found["wrong"][1:] == [("error", {"type": "BmnError", "text": "x.yaml: is wrong"})]
    assert "retrying" not in capsys.readouterr().out


@pytest.mark.parametrize(("times", "last"), [(1, ("result", 2)), (9, "SIGKILL (perhaps out of memory)")])
def test_one_that_dies_is_tried_once_more(engine, tmp_path, capsys, times, last):
    found = heard(engine, Job("j", "execution.work:die", {"calls": str(tmp_path / "calls"), "times": times}))["j"]
    assert [kind for kind, _ in found] == ["started", "started", "result" if times == 1 else "died"]
    assert found[-1] == last or last in found[-1][1]
    assert "j: its process was killed by SIGKILL" in capsys.readouterr().out
    assert (tmp_path / "calls").read_text() == "xx"


def test_a_crash_is_told_by_its_last_line(engine):
    found = heard(engine, Job("j", "execution.work:crash", {}))["j"]
    assert found[-1] == ("died", "its process exited with code 1 (KeyError: 'no such thing')")


def test_a_cancelled_job_is_killed_and_makes_room(engine):
    found = []
    for event in run(engine, iter([count("long", to=9999, seconds=0.1), count("short"), count("last")])):
        if event is None:
            continue
        found.append(event)
        if event.job == "long" and event.kind == "told":
            process = process_of(next(one for one in found if one.job == "long"))
            engine.cancel("long")
            wait_until_gone(process)
    assert {event.job for event in found if event.kind == "result"} == {"short", "last"}


def test_a_cancelled_job_leaves_its_ray_worker(ray_cluster):
    """With the process in its reserve: else each trial after a pruned one would wait for Ray and Paddle to start."""
    with open_engine(ExecutionParams(engine="ray", address=ray_cluster.address, devices="cpu")) as engine:
        engine.submit(Job("quiet", "execution.work:wait", {"file": "never made"}))
        while (event := engine.event(1.0)) is None:
            pass
        process = process_of(event)
        worker = process.parent()
        [reserve] = set(worker.children()) - {process}
        engine.cancel("quiet")
        wait_for(lambda: worker.children() == [reserve])  # the other one is dead, and its worker knows


def test_a_job_is_cancelled_even_while_ray_takes_an_event_of_it(paths, monkeypatch):
    """The interrupt arrives in Ray's code then, which keeps the generator as it is."""
    relay = pytest.importorskip("bmn.execution.ray").relay
    monkeypatch.setattr("bmn.execution.ray.OF_WORKER", reserve := Reserve())
    events = relay(Job("job", "execution.work:wait", {"file": "never made"}), 1, str(Path.cwd()))
    kind, where = next(events)
    assert kind == "started"
    process = psutil.Process(int(where.rpartition(" ")[2]))
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    wait_until_gone(process)
    events.close()
    reserve.kill()


def test_what_still_runs_is_stopped_with_the_engine(engine):
    engine.submit(count("long", to=9999, seconds=0.1))
    while (event := engine.event(1.0)) is None:
        pass
    process = process_of(event)
    engine.__exit__()
    wait_until_gone(process)


DRIVER = """
import sys
if sys.argv[1] == "ray":
    from execution.patience import be_patient
    be_patient()
from bmn.base.schema import ExecutionParams
from bmn.execution.engines import open_engine
from bmn.execution.jobs import Job, run
with open_engine(ExecutionParams(engine=sys.argv[1], devices="cpu")) as engine:
    for event in run(engine, iter([Job("long", "execution.work:count", {"to": 9999, "seconds": 0.1})])):
        if event is not None and event.kind == "started":
            print(event.content, flush=True)
"""


@pytest.mark.parametrize("kind", ["processes", "ray"])
def test_jobs_do_not_outlive_a_killed_driver(paths, kind):
    if kind == "ray":
        pytest.importorskip("ray")
    with subprocess.Popen([sys.executable, "-c", DRIVER, kind], stdout=subprocess.PIPE, text=True) as driver:
        process = psutil.Process(int(driver.stdout.readline().rpartition(" ")[2]))
        driver.kill()
    wait_until_gone(process)


def test_a_lost_node_loses_no_job(ray_cluster, tmp_path, capsys):
    """It is lost when one job has ended and two are under way, one on each node."""
    file = tmp_path / "on"
    waits = (Job(f"job {number}", "execution.work:wait", {"file": str(file)}) for number in range(1, 4))
    with open_engine(ExecutionParams(engine="ray", address=ray_cluster.address, devices="cpu")) as engine:
        assert engine.jobs == 2
        ends, told, removed, printed, end = {}, set(), False, "", time.monotonic() + PATIENCE
        for event in run(engine, itertools.chain([count("job 0")], waits)):
            if event is not None and event.kind == "told":
                told.add(event.job)
            if event is not None and event.kind == "result":
                ends[event.job] = ends.get(event.job, 0) + 1
            if not removed and ends and len(engine.running & told) == 2:
                ray_cluster.remove_node(ray_cluster.other, allow_graceful=False)
                removed = True
            printed += capsys.readouterr().out
            if "; retrying" in printed:  # whatever Ray sees first; of a lost node a job may live on for a while
                file.touch()
            assert time.monotonic() < end, (printed, event, engine.running, told, ends)
        wait_for(lambda: engine.jobs == 1)
    assert ends == {f"job {number}": 1 for number in range(4)}


def test_a_job_whose_ray_worker_is_killed_is_tried_once_more(ray_cluster, capsys):
    found = []
    with open_engine(ExecutionParams(engine="ray", address=ray_cluster.address, devices="cpu")) as engine:
        for event in run(engine, iter([count("job", to=9999, seconds=0.1)])):
            found += [event] if event is not None and event.kind != "told" else []
            if event is not None and event.kind == "started":
                process_of(event).parent().kill()
    assert [event.kind for event in found] == ["started", "started", "died"]
    assert found[-1].content == "its Ray worker was killed (WorkerCrashedError)"
    assert "its Ray worker was killed (WorkerCrashedError); retrying" in capsys.readouterr().out


def test_a_job_larger_than_any_node_is_refused(ray_cluster):
    with pytest.raises(BmnError, match=r"execution.cpus: a job takes 3 CPU, more than any node.*the largest has 1 CPU"):
        open_engine(ExecutionParams(engine="ray", address=ray_cluster.address, cpus=3, devices="cpu"))


def test_a_full_object_store_is_told(ray_head):
    """Its disk is full as well: else Ray goes on there."""
    full = {"local_fs_capacity_threshold": 1e-6, "local_fs_monitor_interval_ms": 50}
    store = {"object_store_memory": 80_000_000, "_system_config": {"automatic_object_spilling_enabled": False} | full}
    small = type(ray_head)(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False} | store)
    with open_engine(ExecutionParams(engine="ray", address=small.address, devices="cpu")) as engine:
        events = heard(engine, Job("j", "execution.work:tell_much", {"bytes": 120_000_000}))["j"]
    small.shutdown()
    assert events[-1][0] == "error"
    assert events[-1][1]["text"].startswith("j: Ray's object store is full; start the nodes with more")


def test_data_that_a_node_lacks_are_told(ray_cluster, tmp_path):
    job = Job("job", "execution.work:count", {"to": 3}, [str(tmp_path), str(tmp_path / "features")])
    with open_engine(ExecutionParams(engine="ray", address=ray_cluster.address, devices="cpu")) as engine:
        [[(kind, content)]] = heard(engine, job).values()
    assert kind == "error"
    assert content["text"].startswith(f"{tmp_path / 'features'}: not on the node ")


def test_a_folder_that_a_node_lacks_is_told(ray_cluster, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with open_engine(ExecutionParams(engine="ray", address=ray_cluster.address, devices="cpu")) as engine:
        (tmp_path / "here").rename(tmp_path / "there")
        monkeypatch.setattr("bmn.execution.ray.Path.cwd", lambda: tmp_path / "here")
        [[(kind, content)]] = heard(engine, count("job")).values()
    assert kind == "error"
    assert content["text"].startswith(f"{tmp_path / 'here'}: not on the node ")


@pytest.mark.parametrize("address", ["127.0.0.1:{port}", "nowhere.invalid:6379", "127.0.0.1:x"])
def test_an_address_without_a_cluster_is_told(address):
    pytest.importorskip("ray")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        given = address.format(port=probe.getsockname()[1])  # kept: it is nobody else's, and nobody listens
        told = r"execution.address is .*; no Ray cluster can be used there .*ray start --head"
        with pytest.raises(BmnError, match=told):
            open_engine(ExecutionParams(engine="ray", address=given, devices="cpu"))


def test_a_cluster_of_its_own_that_does_not_start_is_told(monkeypatch):
    ray = pytest.importorskip("ray")

    def late(**words):
        raise Exception("The current node timed out during startup.")  # as Ray does after half a minute

    monkeypatch.setattr(ray, "init", late)
    with pytest.raises(BmnError, match=r"execution.address is null; a Ray cluster of this machine does not start"):
        open_engine(ExecutionParams(engine="ray", devices="cpu"))


def test_a_cluster_of_another_version_is_told(ray_cluster, monkeypatch):
    import ray

    monkeypatch.setattr(ray, "__version__", "2.59.0")
    with pytest.raises(BmnError, match=r"no Ray cluster can be used there \(Version mismatch.*2.60"):
        open_engine(ExecutionParams(engine="ray", address=ray_cluster.address, devices="cpu"))


def test_without_ray_the_requirement_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "bmn.execution.ray", raising=False)
    with pytest.raises(BmnError, match=r"execution.engine is ray, which is not installed; .* requirements-ray.txt"):
        open_engine(ExecutionParams(engine="ray", devices="cpu"))


@pytest.fixture
def three_gpus(tmp_path, monkeypatch):
    """A host whose driver lists three GPUs."""
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\nfor n in 0 1 2; do echo GPU $n: a card; done\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_jobs_use_the_gpus_that_they_are_given(three_gpus, monkeypatch):
    assert gpus("gpu:1,3") == ["1", "3"]
    assert gpus("cpu") == gpus("cpu:4") == []
    assert gpus("auto") == ["0", "1", "2"]
    assert (Processes(None, None, "auto").jobs, Processes(None, None, "auto").devices) == (3, "auto")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,0")
    assert gpus("auto") == ["2", "0"]


def test_each_job_has_a_gpu_of_its_own():
    engine = Processes(4, None, "gpu:2,5")
    assert [engine.environment(seat)["CUDA_VISIBLE_DEVICES"] for seat in range(4)] == ["2", "5", "2", "5"]


def test_jobs_on_processors_share_the_cores(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("bmn.base.runtime._cores", lambda: 8)
    assert Processes(3, None, "cpu").environment(0)["OMP_NUM_THREADS"] == "2"
    assert Processes(20, None, "cpu").environment(0)["OMP_NUM_THREADS"] == "1"
    assert Processes(3, 4, "cpu").environment(0)["OMP_NUM_THREADS"] == "4"
    assert "CUDA_VISIBLE_DEVICES" not in Processes(3, None, "cpu").environment(0)
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert Processes(3, None, "cpu").environment(0)["OMP_NUM_THREADS"] == "7"  # the user's own choice stays


def test_a_stop_lets_a_job_end_by_itself_first(paths, tmp_path):
    """SIGTERM comes before SIGKILL: a training writes its checkpoint then."""
    engine = Processes(1, None, "cpu")
    with engine:
        engine.submit(Job("j", "execution.work:end_well", {"file": str(tmp_path / "ended")}))
        while (event := engine.event(1.0)) is None or event.kind != "told":
            pass
    assert (tmp_path / "ended").read_text() == str(int(signal.SIGTERM))


def test_a_driver_that_sleeps_misses_nothing(engine):
    engine.submit(count("job"))
    time.sleep(0.5)
    kinds = []
    while engine.running:
        event = engine.event(1.0)
        kinds += [event.kind] if event else []
    assert kinds == ["started", "told", "told", "told", "result"]
