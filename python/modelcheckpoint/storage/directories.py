"""Folders, whose names reach the disk before anything in them counts."""

from __future__ import annotations

import contextlib
import errno
import os
from typing import Any

from modelcheckpoint.storage.system import as_system

__all__ = ["Directories"]

# A file system that cannot flush a folder returns one of these.
_NOT_FOR_FOLDERS = (errno.EINVAL, errno.ENOTSUP, errno.EROFS, errno.EBADF)


class Directories:
    """Makes folders, and flushes those in which names changed.

    Args:
        system: Carries out the calls; a test passes one that fails.
    """

    def __init__(self, system: Any = os) -> None:
        self.system = as_system(system)
        self._left: set[str] = set()
        self._trusted: set[str] = set()

    def make(self, folder: str) -> None:
        """Make a folder and missing folders above it, durably.

        Raises:
            OSError: If that fails. What could not be flushed is left for `flush_left`.
        """
        self._make(folder)
        self.flush_left()

    def note(self, folder: str) -> None:
        """Note that names in a folder changed, so that `flush_left` flushes it."""
        self._left.add(folder)

    def flush_left(self) -> None:
        """Flush the folders that were noted, or could not be flushed before."""
        for folder in sorted(self._left):
            self.flush(folder)

    def flush(self, folder: str) -> None:
        """Make the names in a folder durable; if that fails, leave it for later."""
        self._left.add(folder)
        if os.name != "nt":  # Windows has no fsync for folders
            self._flush(folder)
        self._left.discard(folder)

    def _make(self, folder: str) -> None:
        above = os.path.dirname(folder)
        if os.path.isdir(folder):
            if folder not in self._trusted:
                self._flush_above(folder)
        else:
            if above != folder:
                self._make(above)
            with contextlib.suppress(FileExistsError):
                self.system.mkdir(folder)
            self._left.add(above)
        self._trusted.add(folder)

    def _flush_above(self, folder: str) -> None:
        """Make the names of an existing folder and of the folders above it durable.

        A run that was killed, or another process, may have created it just before: its
        name may not have reached the disk.
        """
        above = os.path.dirname(folder)
        if above == folder or os.path.ismount(folder) or os.name == "nt":
            return
        try:
            self._flush(above)
        except PermissionError:  # it belongs to somebody else, who made it long ago
            return
        except OSError as error:
            if error.errno not in _NOT_FOR_FOLDERS:
                raise
        if above not in self._trusted:
            self._flush_above(above)
            self._trusted.add(above)

    def _flush(self, folder: str) -> None:
        descriptor = self.system.open(folder, os.O_RDONLY)
        try:
            self.system.fsync(descriptor)
        finally:
            self.system.close(descriptor)
