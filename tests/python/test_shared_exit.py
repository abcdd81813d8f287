"""Processes agree on the step at which they leave; here each process is a thread."""

from __future__ import annotations

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import posix
from memory_store import MemoryStore

from modelcheckpoint.observe.peers import SharedStore
from modelcheckpoint.training import shared_exit
from modelcheckpoint.training.shared_exit import SharedExit

LONG = 30.0


class Process:
    """A process that trains, and may get a signal."""

    def __init__(self, store, rank, count, seconds=LONG, only_together=True):
        self.signal = None
        shared = SharedStore(store, rank, count)
        self.exit = SharedExit(
            shared, f"w{id(store)}", seconds, only_together, lambda: self.signal
        )

    def train(self, steps=10**6, pause=0.001, signal_at=None):
        """Return the step after which it leaves, or None."""
        for step in range(1, steps + 1):
            time.sleep(pause)
            if step == signal_at:
                self.signal = signal.SIGTERM
            if self.exit.end_step():
                return step
        self.exit.end()
        return None


@pytest.fixture
def start(monkeypatch):
    """Start processes, each with its own count of fits; all end with the test."""
    started = []

    def start(count, **arguments):
        store = MemoryStore()
        for rank in range(count):
            monkeypatch.setattr(shared_exit, "_fits", shared_exit.Counter())
            started.append(Process(store, rank, count, **arguments))
        return started[-count:]

    yield start
    for process in started:
        process.exit.close()
    for process in started:
        process.exit._thread.join(10)
        assert not process.exit._thread.is_alive()


def trained(processes, *arguments):
    with ThreadPoolExecutor(len(processes)) as pool:
        pairs = zip(processes, arguments)
        futures = [pool.submit(p.train, **given) for p, given in pairs]
        return [future.result() for future in futures]


@pytest.mark.parametrize("pauses", [(0.001, 0.001, 0.001), (0.002, 0.01, 0.004)])
def test_all_leave_at_the_end_of_one_step(start, pauses):
    """However fast each one is, and whichever gets the signal."""
    processes = start(3)
    given = [{"pause": pause} for pause in pauses]
    given[1]["signal_at"] = 5
    steps = trained(processes, *given)
    assert steps[0] is not None
    assert steps == [steps[0]] * 3
    assert [process.exit.signal for process in processes] == [signal.SIGTERM] * 3


def test_nobody_leaves_without_a_signal(start):
    """All train to the end."""
    assert trained(start(2), {"steps": 50}, {"steps": 50}) == [None, None]


def test_one_has_ended_before(start):
    """The other one does not wait for it: both end when their training does."""
    began = time.monotonic()
    first, second = start(2)
    assert first.train(steps=5) is None
    assert second.train(steps=5, signal_at=4) is None
    assert time.monotonic() - began < 10


def test_one_that_can_save_alone(start):
    """It leaves as soon as the other one has ended."""
    first, second = start(2, only_together=False)
    first.train(steps=5)
    assert second.train(steps=1000, signal_at=4) < 1000
    assert "has ended its training" in str(second.exit.error)


def test_one_does_not_answer(start):
    """The other one waits, leaves when time is up, and says why it is alone."""
    first, second = start(2, seconds=1.0)
    second.exit.close()
    assert 4 <= first.train(signal_at=4) < 100  # of a thousand in this time
    assert "Process 1 of 2 did not arrive" in str(first.exit.error)


def test_a_step_costs_next_to_nothing(start):
    """A million steps take seconds."""
    first, _ = start(2)
    began = time.perf_counter()
    for _ in range(10_000):
        first.exit.end_step()
    assert (time.perf_counter() - began) / 10_000 < 1e-4


@posix
def test_a_signal_acts_while_others_are_waited_for(start):
    """The second signal does: after the first one, the handlers were restored."""
    first, second = start(2)
    second.exit.close()  # it does not answer
    first.signal = signal.SIGINT
    timer = threading.Timer(1.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        first.train()
    assert time.monotonic() - began < 10
    timer.join()
