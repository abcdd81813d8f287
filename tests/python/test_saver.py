"""One job at a time, away from the thread that trains, and nothing of it is lost."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from modelcheckpoint.save.saver import Saver, wait_for_all


@pytest.fixture(autouse=True)
def _no_thread_is_left():
    before = threading.active_count()
    yield
    assert threading.active_count() == before


def until_done(saver):
    saver.wait()
    return saver.collect()


def test_a_job_runs_on_a_thread_of_its_own():
    """Its result is there to collect, once."""
    saver = Saver()
    saver.start(threading.get_ident)
    value, error = until_done(saver)
    assert value != threading.get_ident()
    assert error is None
    assert saver.collect() is None
    assert not saver.busy


def test_a_job_can_run_at_once():
    """Its result is collected in the same way."""
    saver = Saver()
    saver.run(threading.get_ident)
    assert saver.busy
    assert saver.collect() == (threading.get_ident(), None)


def test_nothing_is_collected_while_a_job_runs():
    """Who does not wait is not held up."""
    saver, go_on = Saver(), threading.Event()
    saver.start(go_on.wait)
    assert saver.collect() is None
    assert saver.busy
    go_on.set()
    assert until_done(saver) == (True, None)


@pytest.mark.parametrize("error", [OSError("disk"), KeyboardInterrupt(), SystemExit()])
@pytest.mark.parametrize("way", ["run", "start"])
def test_what_a_job_raises_is_handed_over(error, way):
    """No exception ends a thread unseen, of whatever kind."""

    def fail():
        raise error

    saver = Saver()
    getattr(saver, way)(fail)
    assert until_done(saver) == (None, error)


def test_one_job_at_a_time():
    """A second job before the first is collected is an error, not a lost result."""
    saver = Saver()
    saver.run(int)
    with pytest.raises(RuntimeError, match="one job at a time"):
        saver.start(int)
    assert saver.collect() == (0, None)


def test_wait_for_all():
    """It returns when the jobs of all savers have ended."""
    savers = [Saver() for _ in range(3)]
    for saver in savers:
        saver.start(lambda: time.sleep(0.05))
    wait_for_all()
    assert [saver.collect() for saver in savers] == [(None, None)] * 3


SLOW = """
import pathlib, sys, time
from modelcheckpoint.save.saver import Saver

def slow():
    time.sleep(0.3)
    pathlib.Path(sys.argv[1]).write_text("done")

saver = Saver()
saver.start(slow)
raise SystemExit(3) if sys.argv[2] == "exit" else ValueError
"""


@pytest.mark.parametrize(("end", "code"), [("exit", 3), ("error", 1)])
def test_python_waits_for_a_job_before_it_ends(end, code, tmp_path):
    """However the program ends, what was begun is finished."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", SLOW, tmp_path / "file", end]
    ended = subprocess.run(command, env=environment, capture_output=True, timeout=60)
    assert ended.returncode == code
    assert (tmp_path / "file").read_text() == "done"


STUCK = """
import signal, time
from modelcheckpoint.save.saver import Saver

# A shell that runs the tests in the background has its children ignore it.
signal.signal(signal.SIGINT, signal.default_int_handler)

saver = Saver()
saver.start(lambda: time.sleep(60))
print("saving", flush=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="no SIGINT to send on this system")
def test_an_interrupt_stops_the_wait():
    """Who cannot wait for the end of a save presses Ctrl-C once more."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    command = [sys.executable, "-c", STUCK]
    with subprocess.Popen(command, env=environment, **pipes) as process:
        assert process.stdout.readline() == b"saving\n"
        time.sleep(0.5)
        assert process.poll() is None  # it waits
        for _ in range(30):  # the first may come before the wait has begun
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(1)
                return
        pytest.fail("it does not end")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_has_no_job():
    """The thread stays with the parent: the child neither waits nor finds a result."""
    saver, go_on = Saver(), threading.Event()
    saver.start(go_on.wait)
    child = os.fork()
    if child == 0:
        saver.wait()
        wait_for_all()
        os._exit(0 if saver.collect() is None and not saver.busy else 1)
    go_on.set()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert until_done(saver) == (True, None)
