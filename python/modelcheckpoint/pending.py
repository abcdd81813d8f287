"""The saves that are under way in this process, of any callback."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

__all__ = ["Work", "running", "wait_for_all"]

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

    def wait(self) -> None:
        """Return when it is not under way; an interrupt ends the wait, not the work."""
        while self.is_under_way:
            # After an interrupt between these two the lock is nobody's any more.
            if self._until_ended.acquire(timeout=_A_WHILE):
                self._until_ended.release()
        if self.ident is not None:
            self.join()  # what is left of it is Python's own


running: set[Work] = set()
"""What finishes a save; each takes itself out."""


def wait_for_all() -> None:
    """Return when no save is running, of any callback in this process."""
    for work in list(running):
        work.wait()
