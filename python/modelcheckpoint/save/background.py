"""Background threads, one for each save."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

__all__ = ["Background", "Outcome", "Work", "running", "wait_for_all"]

Job = Callable[[], Any]
Outcome = tuple[Any, "BaseException | None"]
"""The value that a job returned, or the error that it raised."""

_A_WHILE = 0.1
"""Seconds after which a wait checks again whether the work has ended."""


class Work(threading.Thread):
    """A thread that can be waited for again after an interrupt has ended a wait.

    Up to Python 3.12 this fails with `Thread.join`: if an interrupt ends it, the thread
    counts as ended from then on, although it still runs.
    """

    def __init__(self, work: Callable[..., None], *arguments: Any) -> None:
        super().__init__(target=work, args=arguments, name="modelcheckpoint")
        self._begun_in = os.getpid()
        self._ended = False
        self._until_ended = threading.Lock()
        self._until_ended.acquire()

    def run(self) -> None:
        """Do the work."""
        try:
            super().run()
        finally:
            running.discard(self)
            self._ended = True
            self._until_ended.release()

    @property
    def is_under_way(self) -> bool:
        """Whether it was started in this process, not before a fork, and still runs."""
        begun = self.ident is not None and self._begun_in == os.getpid()
        return begun and not self._ended

    def wait(self, gives_up: Callable[[], bool] = lambda: False) -> None:
        """Wait until it is not under way; an interrupt ends the wait, not the work.

        Args:
            gives_up: Called regularly; returns whether to stop waiting.
        """
        while self.is_under_way:
            # If an interrupt hits between these two lines, the lock stays locked.
            if self._until_ended.acquire(timeout=_A_WHILE):
                self._until_ended.release()
            elif gives_up():
                return
        if self.ident is not None:
            self.join()  # only Python's own clean-up is left


running: set[Work] = set()
"""The running threads of all callbacks; each removes itself."""


def wait_for_all() -> None:
    """Wait until no callback in this process has a running save."""
    for work in list(running):
        work.wait()


class Background:
    """Runs one job at a time, each on a thread of its own.

    Python raises a signal's exception, such as KeyboardInterrupt, on the main thread,
    so it never cuts a job short. The thread ends with its job and reports nothing: the
    outcome is kept until `forget`. The thread is not a daemon, so Python waits for it
    on exit; R does not, and calls `wait_for_all` first.
    """

    def __init__(self) -> None:
        self._work: Work | None = None
        self._outcome: Outcome | None = None

    @property
    def busy(self) -> bool:
        """Whether a job runs, or its outcome has not been forgotten yet."""
        return self._outcome is not None or self._is_under_way

    def start(self, job: Job) -> None:
        """Run a job on another thread, and return at once.

        If no thread can be started, that error is the outcome of the job. If this call
        is interrupted, either the job never runs, or it is under way as usual.
        """
        if self.busy:
            raise RuntimeError("one job at a time runs in the background")
        claim = threading.Lock()
        work = Work(self._run, job, claim)
        try:
            self._work = work
            running.add(work)
            work.start()
        except BaseException as error:
            if claim.acquire(blocking=False):  # the job has not begun, and never will
                self._work = None
                running.discard(work)
                if _is_refusal(error):
                    self._outcome = None, error
                    return
            raise

    def wait(self, gives_up: Callable[[], bool] = lambda: False) -> None:
        """Wait until no job is running; an interrupt ends the wait, not the job.

        Args:
            gives_up: Called regularly; returns whether to stop waiting.
        """
        if self._work is not None:
            self._work.wait(gives_up)

    def outcome(self) -> Outcome | None:
        """Return the outcome of the job; None while it runs, or if there was none.

        It is also None in a forked child, since the outcome is in the parent.
        """
        return None if self._is_under_way else self._outcome

    def forget(self) -> None:
        """Forget the outcome of the last job, so that the next one may start."""
        self.wait()  # the thread has little left to do
        self._work = self._outcome = None

    @property
    def _is_under_way(self) -> bool:
        return self._work is not None and self._work.is_under_way

    def _run(self, job: Job, claim: threading.Lock) -> None:
        if claim.acquire(blocking=False):
            self._outcome = _outcome_of(job)


def _is_refusal(error: BaseException) -> bool:
    # In R an interrupt can come as a RuntimeError, too.
    return isinstance(error, MemoryError) or "start new thread" in str(error)


def _outcome_of(job: Job) -> Outcome:
    try:
        return job(), None
    except BaseException as error:  # handed over; a hook reports or raises it
        return None, error
