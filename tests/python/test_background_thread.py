"""The background thread: one job at a time, and no result is lost."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from modelcheckpoint.save.background import Background, wait_for_all


@pytest.fixture(autouse=True)
def _no_thread_is_left():
    before = threading.active_count()
    yield
    assert threading.active_count() == before


def until_done(background):
    background.wait()
    outcome = background.outcome()
    background.forget()
    return outcome


def test_a_job_runs_on_a_thread_of_its_own():
    """Its result can be collected once."""
    background = Background()
    background.start(threading.get_ident)
    value, error = until_done(background)
    assert value != threading.get_ident()
    assert error is None
    assert background.outcome() is None
    assert not background.busy


def test_a_result_stays_until_it_is_forgotten():
    """After an interrupt, a result that was not reported yet can be collected again."""
    background = Background()
    background.start(int)
    background.wait()
    assert background.outcome() == background.outcome() == (0, None)
    assert background.busy
    background.forget()
    assert background.outcome() is None
    assert not background.busy


def test_a_start_that_fails_leaves_no_job(monkeypatch):
    """For example, without threads: the next job may start, and nobody waits."""

    def fail(thread):
        raise RuntimeError("can't start new thread")

    background = Background()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", fail)
        background.start(int)
    background.wait()
    wait_for_all()
    result, error = background.outcome()
    assert result is None
    assert str(error) == "can't start new thread"
    background.forget()
    assert not background.busy
    background.start(int)
    assert until_done(background) == (0, None)


def test_a_start_that_is_interrupted_has_a_job(monkeypatch):
    """The thread has started: it can be waited for, and its result is there."""
    start = threading.Thread.start
    background, begun, go_on = Background(), threading.Event(), threading.Event()

    def job():
        begun.set()
        return go_on.wait()

    def interrupted(thread):
        start(thread)
        begun.wait()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", interrupted)
        with pytest.raises(KeyboardInterrupt):
            background.start(job)
    assert background.busy
    go_on.set()
    assert until_done(background) == (True, None)


def test_nothing_is_collected_while_a_job_runs():
    """A caller that does not wait is not held up."""
    background, go_on = Background(), threading.Event()
    background.start(go_on.wait)
    assert background.outcome() is None
    assert background.busy
    go_on.set()
    assert until_done(background) == (True, None)


@pytest.mark.parametrize("error", [OSError("disk"), KeyboardInterrupt(), SystemExit()])
def test_what_a_job_raises_is_handed_over(error):
    """Every kind of exception on the thread is passed on."""

    def fail():
        raise error

    background = Background()
    background.start(fail)
    assert until_done(background) == (None, error)


def test_one_job_at_a_time():
    """Starting a second job before the first is forgotten raises an error."""
    background = Background()
    background.start(int)
    with pytest.raises(RuntimeError, match="one job at a time"):
        background.start(str)
    assert until_done(background) == (0, None)


@pytest.mark.skipif(os.name == "nt", reason="no alarms on this system")
@pytest.mark.parametrize("wait", ["for it", "for all"])
def test_a_wait_that_is_interrupted(wait):
    """The job continues, and can be waited for again.

    An interrupted `Thread.join` takes the thread for one that has ended.
    """
    background, go_on = Background(), threading.Event()

    def ring(number, frame):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, ring)
    background.start(go_on.wait)
    for _ in range(3):
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(KeyboardInterrupt):
            background.wait() if wait == "for it" else wait_for_all()
        assert background.busy
        assert background.outcome() is None
    signal.signal(signal.SIGALRM, before)
    go_on.set()
    wait_for_all()
    assert until_done(background) == (True, None)


def test_wait_for_all():
    """It returns when all jobs have ended."""
    several = [Background() for _ in range(3)]
    for background in several:
        background.start(lambda: time.sleep(0.05))
    wait_for_all()
    assert [background.outcome() for background in several] == [(None, None)] * 3


SLOW = """
import pathlib, signal, sys, time
from modelcheckpoint.save.background import Background

def slow():
    time.sleep(0.3)
    pathlib.Path(sys.argv[1]).write_text("done")

background = Background()
background.start(slow)
if sys.argv[2] == "interrupt":
    signal.signal(signal.SIGALRM, lambda *told: sys.exit(4))
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    background.wait()
raise SystemExit(3) if sys.argv[2] == "exit" else ValueError
"""


ENDS = [("exit", 3), ("error", 1), *[("interrupt", 4)] * (os.name != "nt")]


@pytest.mark.parametrize(("end", "code"), ENDS)
def test_python_waits_for_a_job_before_it_ends(end, code, tmp_path):
    """However the program ends, a job that was started is finished."""
    command = [sys.executable, "-c", SLOW, tmp_path / "file", end]
    ended = subprocess.run(command, capture_output=True, timeout=300)
    assert ended.returncode == code
    assert (tmp_path / "file").read_text() == "done"


STUCK = """
import signal, time
from modelcheckpoint.save.background import Background

# A shell that runs the tests in the background has its children ignore it.
signal.signal(signal.SIGINT, signal.default_int_handler)

background = Background()
background.start(lambda: time.sleep(60))
print("saving", flush=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="no SIGINT to send on this system")
def test_an_interrupt_stops_the_wait():
    """A user who cannot wait for a save to finish presses Ctrl-C again."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    command = [sys.executable, "-c", STUCK]
    with subprocess.Popen(command, **pipes) as process:
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
    background, go_on = Background(), threading.Event()
    background.start(go_on.wait)
    child = os.fork()
    if child == 0:
        background.wait()
        wait_for_all()
        os._exit(0 if background.outcome() is None and not background.busy else 1)
    go_on.set()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert until_done(background) == (True, None)
