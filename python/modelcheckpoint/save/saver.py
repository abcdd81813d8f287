"""A thread that finishes one save while training goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

__all__ = ["Outcome", "Saver", "wait_for_all"]

Job = Callable[[], Any]
Outcome = tuple[Any, "BaseException | None"]
"""What a job returned, or what it raised."""

_running: set[threading.Thread] = set()


class Saver:
    """Run one job at a time, on a thread of its own or at once.

    The thread lives as long as its job and says nothing: what came of the job waits
    to be collected. It is no daemon, so Python does not end before it has; R does, and
    calls `wait_for_all` first.
    """

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._outcome: Outcome | None = None

    @property
    def busy(self) -> bool:
        """Whether a job was begun whose outcome nobody has collected yet."""
        return self._thread is not None or self._outcome is not None

    def run(self, job: Job) -> None:
        """Run a job on this thread, to its end."""
        self._check_free()
        self._outcome = _outcome_of(job)

    def start(self, job: Job) -> None:
        """Run a job on another thread, and return at once."""
        self._check_free()
        # What is out of memory or of threads raises here, and there is no job then.
        thread = threading.Thread(
            target=self._work, args=(job,), name="modelcheckpoint"
        )
        self._thread = thread
        _running.add(thread)
        try:
            thread.start()
        except BaseException:
            self._thread = None
            _running.discard(thread)
            raise

    def wait(self) -> None:
        """Return when no job is running."""
        if self._thread is not None:
            self._thread.join()

    def collect(self) -> Outcome | None:
        """Return what came of the job; None while it runs, or if there was none."""
        if self._thread is not None:
            if self._thread.is_alive():
                return None
            self._thread.join()
            _running.discard(self._thread)
            self._thread = None
        # In the child of a fork the thread has ended without an outcome: the parent,
        # where it lives, collects it.
        outcome, self._outcome = self._outcome, None
        return outcome

    def _work(self, job: Job) -> None:
        self._outcome = _outcome_of(job)
        _running.discard(threading.current_thread())

    def _check_free(self) -> None:
        if self.busy:
            raise RuntimeError("a saver runs one job at a time")


def wait_for_all() -> None:
    """Return when no save is running, of any callback in this process."""
    for thread in list(_running):
        thread.join()


def _outcome_of(job: Job) -> Outcome:
    try:
        return job(), None
    except BaseException as error:  # handed over, and told or raised by a hook
        return None, error
