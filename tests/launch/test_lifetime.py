"""Real processes that begin one another, and are killed: what they began ends too."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc and pidfd are Linux's")

COMMAND = """
import os, signal, sys, time
from pathlib import Path
from bmn.launch import lifetime
from bmn.launch.command import command

@command
def main():
    if Path("deaf").exists():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        Path("pid").write_text(str(os.getpid()))
        time.sleep(3600)
    finally:
        Path("unwound").touch()

{before}
main()
"""
SHELL = ["sh", "-c", f"{sys.executable} command.py; true"]  # it stays between, to see the end of its command
BEGINNER = f"""
import os, subprocess
subprocess.run({SHELL}, env=os.environ | {{"DVC_STAGE": "train"}})
"""


@pytest.fixture
def environment():
    return {name: value for name, value in os.environ.items() if name not in ("DVC_STAGE", "MAKELEVEL")}


def write_command(folder: Path, before: str = "") -> None:
    (folder / "command.py").write_text(COMMAND.format(before=before))


def begun(folder: Path) -> psutil.Process:
    """The command, once it is at work."""
    until = time.monotonic() + 300
    while not (folder / "pid").exists() or not (folder / "pid").read_text():
        assert time.monotonic() < until
        time.sleep(0.01)
    return psutil.Process(int((folder / "pid").read_text()))


def gone(process: psutil.Process) -> bool:
    return psutil.wait_procs([process], timeout=300)[1] == []


@pytest.mark.parametrize("victim", ["beginner", "shell"])
def test_a_command_ends_in_good_order_with_what_began_it(tmp_path, environment, victim):
    write_command(tmp_path)
    with subprocess.Popen([sys.executable, "-c", BEGINNER], cwd=tmp_path, env=environment) as beginner:
        command = begun(tmp_path)
        (beginner if victim == "beginner" else command.parent()).kill()
        assert gone(command)
    assert (tmp_path / "unwound").exists()


def test_a_command_ends_with_make(tmp_path, environment):
    write_command(tmp_path)
    (tmp_path / "Makefile").write_text(f"all:\n\t{SHELL[2]}\n")
    with subprocess.Popen(["make"], cwd=tmp_path, env=environment) as make:
        command = begun(tmp_path)
        make.kill()
        assert gone(command)
    assert (tmp_path / "unwound").exists()


def test_a_command_that_does_not_end_by_itself_is_killed(tmp_path, environment):
    write_command(tmp_path, "lifetime.GRACE = 0.1")
    (tmp_path / "deaf").touch()
    with subprocess.Popen([sys.executable, "-c", BEGINNER], cwd=tmp_path, env=environment) as beginner:
        command = begun(tmp_path)
        beginner.kill()
        assert gone(command)
    assert not (tmp_path / "unwound").exists()


def test_a_command_whose_beginner_is_gone_before_it_looks_does_not_begin(tmp_path, environment):
    write_command(tmp_path, "while not Path('go').exists(): time.sleep(0.01)")
    with open(tmp_path / "errors", "wb") as errors:
        beginner = subprocess.Popen(
            [sys.executable, "-c", BEGINNER], cwd=tmp_path, env=environment, stderr=errors, start_new_session=True
        )  # where it shared a session with the first process of a container, this could not be told from its child
    until = time.monotonic() + 300
    while len(family := psutil.Process(beginner.pid).children(recursive=True)) < 2:
        assert time.monotonic() < until
        time.sleep(0.01)
    beginner.kill()
    beginner.wait()
    (tmp_path / "go").touch()
    assert psutil.wait_procs(family, timeout=300)[1] == []
    assert not (tmp_path / "pid").exists()
    assert (tmp_path / "errors").read_text().startswith("error: the process that started this command has ended; ")


def test_what_a_script_left_in_the_background_goes_on(tmp_path, environment):
    """``nohup make &`` in a script that ends: make began the command, not the script."""
    write_command(tmp_path)
    (tmp_path / "Makefile").write_text(f"all:\n\t{SHELL[2]}\n")
    subprocess.run(["sh", "-c", "nohup make >/dev/null 2>&1 &"], cwd=tmp_path, env=environment, check=True)
    command = begun(tmp_path)
    make = next(parent for parent in command.parents() if parent.name() == "make")
    with pytest.raises(psutil.TimeoutExpired):
        command.wait(timeout=1)
    make.kill()
    assert gone(command)


def test_a_child_dies_with_its_parent():
    code = """
import os, subprocess, time
from bmn.launch.lifetime import die_with
child = subprocess.Popen(["sleep", "3600"], preexec_fn=die_with({parent}))
print(child.pid, flush=True)
time.sleep(3600)
"""
    with subprocess.Popen(
        [sys.executable, "-c", code.format(parent="os.getpid()")], stdout=subprocess.PIPE, text=True
    ) as parent:
        child = psutil.Process(int(parent.stdout.readline()))
        assert child.is_running()
        parent.kill()
        assert gone(child)


def test_a_child_whose_parent_died_before_it_could_be_bound_dies_at_once():
    code = """
import os, subprocess
from bmn.launch.lifetime import die_with
try:
    subprocess.Popen(["sleep", "60.125"], preexec_fn=die_with(os.getppid()))
except subprocess.SubprocessError:
    pass
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert not [p for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == ["sleep", "60.125"]]


ENDING = """
import atexit, os, sys, time
from bmn.launch.command import command
from bmn.base.errors import BmnError

atexit.register(lambda: (print("ended", flush=True), time.sleep(0.3)))

@command
def main():
    print("ready", flush=True)
    {body}
main()
"""


@pytest.mark.parametrize(
    ("body", "code"),
    [("pass", 0), ("raise BmnError('no')", 1), ("time.sleep(3600)", 143)],
    ids=["done", "error", "asked"],
)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_during_the_end_change_nothing(body, code, number):
    words = [sys.executable, "-c", ENDING.format(body=body)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    if code == 143:
        process.terminate()
    assert process.stdout.readline() == "ended\n"  # main itself; a signal within it is another test's
    while process.poll() is None:
        process.send_signal(number)
        time.sleep(0.001)
    assert process.returncode == code
    assert process.stderr.read() == ("error: no\n" if code == 1 else "")
