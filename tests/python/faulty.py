"""Systems that fail: `os` with one fault, to be passed as `system`."""

from __future__ import annotations

import errno
import functools
import os
import pathlib
import sys

import modelcheckpoint
from modelcheckpoint.storage.exchange import exchange

CALLS = (
    "close",
    "exchange",
    "fsync",
    "link",
    "lseek",
    "mkdir",
    "open",
    "read",
    "replace",
    "rmdir",
    "unlink",
    "write",
)
"""The calls that touch a disk."""

ERRORS = [
    OSError(errno.ENOSPC, "No space left on device"),
    OSError(errno.EIO, "Input/output error"),
    KeyboardInterrupt(),
]
"""What they may raise."""


class FaultyOS:
    """`os`, whose n-th call that touches a disk fails; all others succeed.

    A write that fails has written half of its data, and a close that fails has closed
    the file, as on Linux.

    Args:
        fail_at: Which call fails, from 1; None for none.
        error: What it raises.

    Attributes:
        calls: All calls so far, each as its name and the file it was for.
        fail_always: The name of a call that fails every time; None for none.
    """

    def __init__(self, fail_at=None, error=None):
        self.fail_at = fail_at
        self.error = error or OSError(errno.ENOSPC, "No space left on device")
        self.calls = []
        self.fail_always = None
        self._paths = {}

    def __getattr__(self, name):
        value = exchange if name == "exchange" else getattr(os, name)
        return functools.partial(self._call, name, value) if name in CALLS else value

    @property
    def failed(self):
        """The name of the call that failed, or None."""
        reached = self.fail_at is not None and self.fail_at <= len(self.calls)
        return self.calls[self.fail_at - 1][0] if reached else None

    def _call(self, name, function, target, *arguments, **named):
        self.calls.append((name, self._paths.get(target, target)))
        if len(self.calls) == self.fail_at or name == self.fail_always:
            if name == "write":
                function(target, arguments[0][: len(arguments[0]) // 2])
            if name == "close":
                function(target)
            raise self.error
        result = function(target, *arguments, **named)
        if name == "open":
            self._paths[result] = target
        return result


class WithoutLinks:
    """`os` on a file system without hard links, such as FAT."""

    def __init__(self, system=os):
        self._system = system

    def __getattr__(self, name):
        return getattr(self._system, name)

    def link(self, path, second):
        raise OSError(errno.ENOTSUP, "Operation not supported", path)


class WithoutUnnamedFiles:
    """`os` on a file system without unnamed files, such as overlayfs."""

    def __init__(self):
        self.opened = []

    def __getattr__(self, name):
        return getattr(os, name)

    def open(self, path, flags, mode=0o777):
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.ENOTSUP, "Operation not supported", path)
        self.opened.append(path)
        return os.open(path, flags, mode)


class ShortWrites:
    """`os` that writes at most three bytes at a time, which is allowed."""

    def __getattr__(self, name):
        return getattr(os, name)

    def write(self, file, data):
        return os.write(file, data[:3])


class InUse:
    """`os` on Windows, where the file to be renamed or deleted is open elsewhere.

    Args:
        times: How often each rename or delete is refused, before it succeeds.
        winerror: The error code of Windows; None for a refusal by another system.
    """

    supports_dir_fd = frozenset()

    def __init__(self, times, winerror=32):
        self.times = times
        self.winerror = winerror
        self.refused = []

    def __getattr__(self, name):
        return getattr(os, name)

    def replace(self, path, target):
        self._refuse("replace", path)
        os.replace(path, target)

    def unlink(self, path):
        self._refuse("unlink", path)
        os.unlink(path)

    def rmdir(self, path):
        self._refuse("rmdir", path)
        os.rmdir(path)

    def _refuse(self, name, path):
        if self.refused.count((name, path)) < self.times and os.path.exists(path):
            self.refused.append((name, path))
            error = PermissionError(errno.EACCES, "Permission denied", path)
            if self.winerror is not None:
                error.winerror = self.winerror
            raise error


class FullFlush:
    """`fcntl` of macOS, which has a flush that reaches the disk.

    Args:
        error: The error of a file system without that flush; None if it has one.
    """

    F_FULLFSYNC = 51

    def __init__(self, error=None):
        self.error = error
        self.flushed = 0

    def fcntl(self, file, command):
        assert command == self.F_FULLFSYNC
        if self.error is not None:
            raise OSError(self.error, os.strerror(self.error))
        os.fstat(file)  # it is open
        self.flushed += 1


PACKAGE = str(pathlib.Path(modelcheckpoint.__file__).parent)


class Interrupt:
    """Raises KeyboardInterrupt before the n-th line of the package on this thread."""

    def __init__(self, at):
        self.at = at
        self.lines = 0
        self.line = None

    def __enter__(self):
        self._before = sys.gettrace()
        sys.settrace(self._function)

    def __exit__(self, *raised):
        sys.settrace(self._before)

    def _function(self, frame, event, argument):
        return self._line if frame.f_code.co_filename.startswith(PACKAGE) else None

    def _line(self, frame, event, argument):
        if event == "line":
            self.lines += 1
            if self.lines == self.at:
                name = os.path.relpath(frame.f_code.co_filename, PACKAGE)
                self.line = f"{name}:{frame.f_lineno}"
                raise KeyboardInterrupt
        return self._line
