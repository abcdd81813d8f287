"""The calls that touch a disk: `os`, and what macOS and Windows also need.

On macOS `fsync` passes data to the disk, which may keep it in its own memory; only
`F_FULLFSYNC` makes the disk write it. On Windows, a file that somebody has open can be
neither renamed nor deleted, and an indexer or a virus scanner opens each new file for a
moment.
"""

from __future__ import annotations

import errno
import functools
import os
import time
from collections.abc import Callable
from contextvars import ContextVar, copy_context
from typing import Any, TypeVar, cast

from modelcheckpoint.storage.exchange import exchange

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["PATIENCE", "System", "as_system", "one_wait"]

_F = TypeVar("_F", bound=Callable[..., Any])

PATIENCE = 2.0
"""Seconds for which a rename or delete is retried while somebody has the file open."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.002, 0.1

# Windows: ERROR_ACCESS_DENIED (a file that is being deleted or scanned, too),
# ERROR_SHARING_VIOLATION.
_IN_USE = (5, 32)

# What a file system without F_FULLFSYNC answers. EIO is not among these: if data was
# lost, a later flush that succeeds does not bring it back.
_NO_FULL_FLUSH = (
    errno.EINVAL,
    errno.ENODEV,
    errno.ENOSYS,
    errno.ENOTSUP,
    errno.ENOTTY,
    errno.EOPNOTSUPP,
)


class System:
    """Carries out the calls: flushes reach the disk; files in use are retried.

    Args:
        calls: `os`, or a substitute for it.
        control: Python's `fcntl`, None if there is none.
        clock: Returns seconds that never decrease.
        sleep: Waits for this many seconds.
    """

    def __init__(
        self,
        calls: Any = os,
        control: Any = fcntl,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._calls = calls
        self._control = control
        self._clock = clock
        self._sleep = sleep

    def __getattr__(self, name: str) -> Any:
        return getattr(self._calls, name)

    def fsync(self, file: int) -> None:
        """Make the disk write what it was given of a file or a folder.

        Raises:
            OSError: If it cannot.
        """
        full = getattr(self._control, "F_FULLFSYNC", None)
        if full is not None:
            try:
                self._control.fcntl(file, full)
                return
            except OSError as error:
                if error.errno not in _NO_FULL_FLUSH:
                    raise
        self._calls.fsync(file)

    def replace(self, path: str, target: str, **named: Any) -> None:
        """Rename a file, in place of any file that has the name."""
        self.patiently(self._calls.replace, path, target, **named)

    def exchange(self, path: str, second: str) -> None:
        """Exchange two names in one folder, in one step."""
        self.patiently(getattr(self._calls, "exchange", exchange), path, second)

    def unlink(self, path: str, **named: Any) -> None:
        """Delete a file."""
        self.patiently(self._calls.unlink, path, **named)

    def rmdir(self, path: str, **named: Any) -> None:
        """Delete an empty folder."""
        self.patiently(self._calls.rmdir, path, **named)

    def patiently(
        self, call: Callable[..., object], *arguments: Any, **named: Any
    ) -> None:
        """Call, and retry for up to two seconds while the file is in use.

        Raises:
            OSError: Whatever the call raises; that the file is in use, after two
                seconds.
        """
        wait = _shared.get() or _Wait()
        pause = _FIRST_PAUSE
        while True:
            try:
                call(*arguments, **named)
                return
            except PermissionError as error:
                left = wait.left(self._clock()) if _is_in_use(error) else 0.0
                if left <= 0:
                    raise
            self._sleep(min(pause, left))
            pause = min(2 * pause, _LONGEST_PAUSE)


def as_system(calls: Any) -> System:
    """Return a `System` for these calls, unless they are one already."""
    return calls if isinstance(calls, System) else System(calls)


def one_wait(function: _F) -> _F:
    """Make all renames and deletes in a function share one wait of two seconds.

    For functions that delete many files while training may be waiting. The wait is
    stored in a separate context, which ends with the call, wherever an interrupt ends
    it.
    """

    @functools.wraps(function)
    def waiting(*arguments: Any, **named: Any) -> Any:
        def run() -> Any:
            _shared.set(_Wait())
            return function(*arguments, **named)

        return copy_context().run(run)

    return cast("_F", waiting)


class _Wait:
    """The time left to wait for files in use; it starts with the first of them."""

    def __init__(self) -> None:
        self._until: float | None = None

    def left(self, now: float) -> float:
        if self._until is None:
            self._until = now + PATIENCE
        return self._until - now


_shared: ContextVar[_Wait | None] = ContextVar("modelcheckpoint_wait", default=None)


def _is_in_use(error: OSError) -> bool:
    return getattr(error, "winerror", None) in _IN_USE
