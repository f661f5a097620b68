import os
import signal
import subprocess
import sys

import pytest

SCRIPT = """
import time
from bmn.launch.command import command
from bmn.base.errors import BmnError

@command
def main():
    {body}

main()
"""


def run(body):
    return subprocess.run([sys.executable, "-c", SCRIPT.format(body=body)], capture_output=True, text=True)


def test_an_error_is_a_sentence_and_not_a_traceback():
    done = run("raise BmnError('a.json: is empty; write it')")
    assert (done.returncode, done.stderr) == (1, "error: a.json: is empty; write it\n")


def test_each_line_of_an_error_is_marked():
    assert run("raise BmnError('one\\ntwo')").stderr == "error: one\nerror: two\n"


def test_a_fault_of_ours_keeps_its_traceback():
    done = run("1 / 0")
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr


@pytest.mark.parametrize(("how", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_unwinds_it(how, code, tmp_path):
    body = (
        "try: print('ready', flush=True); time.sleep(3600)\n"
        f"    finally: open({os.fspath(tmp_path / 'unwound')!r}, 'w').close()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT.format(body=body)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # tests in the background ignore it
    )  # fmt: skip
    process.stdout.readline()
    process.send_signal(how)
    _, error = process.communicate(timeout=300)
    assert (process.returncode, error) == (code, b"")
    assert (tmp_path / "unwound").exists()


@pytest.mark.parametrize(("how", "code"), [("SIGTERM", 143), ("SIGINT", 130)])
@pytest.mark.parametrize(
    "where",
    [
        "type('Finalized', (), {'__del__': raised})()",
        "os.register_at_fork(after_in_parent=raised); os.fork() or os._exit(0)",
    ],
)
def test_a_signal_where_python_ignores_exceptions_is_not_lost(how, code, where):
    body = (
        "import os, signal\n"
        f"    def raised(*_): signal.raise_signal(signal.{how}); [None for _ in range(9)]\n"
        f"    signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"    {where}\n"
        "    time.sleep(600)"
    )
    done = run(body)
    assert (done.returncode, done.stderr) == (code, "")
