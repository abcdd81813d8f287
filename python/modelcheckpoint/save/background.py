"""Background threads, each of which finishes one save."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

__all__ = ["Background", "Outcome", "Work", "running", "wait_for_all"]

Job = Callable[[], Any]
Outcome = tuple[Any, "BaseException | None"]
"""What a job returned, or what it raised."""

_A_WHILE = 0.1
"""Seconds after which a wait looks again whether there is anything to wait for."""


class Work(threading.Thread):
    """A thread that can be waited for, also by who was interrupted while he did.

    `Thread.join` does not do, up to Python 3.12: where an interrupt ends it, it takes a
    thread that goes on for one that has ended, and so does everybody from then on.
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
        """Whether it was begun, in this process and not before a fork, and goes on."""
        begun = self.ident is not None and self._begun_in == os.getpid()
        return begun and not self._ended

    def wait(self, gives_up: Callable[[], bool] = lambda: False) -> None:
        """Return when it is not under way; an interrupt ends the wait, not the work.

        Args:
            gives_up: Is asked now and then whether to wait no longer.
        """
        while self.is_under_way:
            # After an interrupt between these two the lock is nobody's any more.
            if self._until_ended.acquire(timeout=_A_WHILE):
                self._until_ended.release()
            elif gives_up():
                return
        if self.ident is not None:
            self.join()  # what is left of it is Python's own


running: set[Work] = set()
"""What finishes a save, of any callback; each takes itself out."""


def wait_for_all() -> None:
    """Return when no save is running, of any callback in this process."""
    for work in list(running):
        work.wait()


class Background:
    """Run one job at a time, on a thread of its own.

    Python raises what a signal causes, a KeyboardInterrupt say, on the main thread: no
    job is ever cut short by one. The thread lives as long as its job and says nothing:
    what came of the job stays until it is forgotten. It is no daemon, so Python does
    not end before it has; R does, and calls `wait_for_all` first.
    """

    def __init__(self) -> None:
        self._work: Work | None = None
        self._outcome: Outcome | None = None

    @property
    def busy(self) -> bool:
        """Whether a job runs, or nobody has forgotten yet what came of it."""
        return self._outcome is not None or self._is_under_way

    def start(self, job: Job) -> None:
        """Run a job on another thread, and return at once.

        Where no thread can be had, that is what came of the job. Where this is
        interrupted, the job either never runs, or is under way as if it had returned.
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
            if claim.acquire(blocking=False):  # it has not begun, and now never will
                self._work = None
                running.discard(work)
                if _is_refusal(error):
                    self._outcome = None, error
                    return
            raise

    def wait(self, gives_up: Callable[[], bool] = lambda: False) -> None:
        """Return when no job is running; an interrupt stops the wait, not the job.

        Args:
            gives_up: Is asked now and then whether to wait no longer.
        """
        if self._work is not None:
            self._work.wait(gives_up)

    def outcome(self) -> Outcome | None:
        """Return what came of the job; None while it runs, or if there was none.

        None, too, in the child of a fork: the parent, where it lives, has the outcome.
        """
        return None if self._is_under_way else self._outcome

    def forget(self) -> None:
        """Forget what came of the last job, so that the next one may start."""
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
