"""The saves that are under way in this process, of any callback."""

from __future__ import annotations

import threading

__all__ = ["running", "wait_for_all"]

running: set[threading.Thread] = set()
"""The threads that finish a save; each takes itself out."""


def wait_for_all() -> None:
    """Return when no save is running, of any callback in this process."""
    for thread in list(running):
        if thread.is_alive():
            thread.join()
