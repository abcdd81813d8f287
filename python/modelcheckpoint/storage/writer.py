"""Writing a file from beginning to end, directly to the disk if possible.

If a large file goes through the page cache, the processor copies it there, and it
displaces what training reads. If Linux and the file system allow it (`O_DIRECT`, see
open(2)), the disk takes the bytes from where they are.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

from modelcheckpoint.storage.base import Data
from modelcheckpoint.storage.crc32 import crc32, joined
from modelcheckpoint.storage.system import as_system

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["ALIGNMENT", "LARGE", "Writer", "write_some"]

ALIGNMENT = 4096
"""Data that begins at a multiple of this, in memory and in the file, can go directly to
the disk. Some disks require less; a file system that requires more refuses.
"""

LARGE = 8 << 20
"""The number of bytes above which this is worthwhile."""

# Large enough to keep a disk busy.
_PIECE = 1 << 20
_DIRECT_PIECE = 4 << 20
_REFUSALS = (errno.EINVAL, errno.EOPNOTSUPP)


def write_some(file: int, data: Data, system: Any = os) -> int:
    """Write the beginning of `data`, and return how many bytes (at least one)."""
    count: int = system.write(file, data)
    if not count:  # otherwise the caller would loop for ever
        raise OSError(errno.EIO, "the disk takes no bytes, and does not say why")
    return count


class Writer:
    """Writes to an open file, and computes size and checksum on the way.

    Args:
        file: Descriptor, opened for writing, at the file's beginning.
        system: Carries out the calls; a test passes one that fails.

    Attributes:
        size: The number of bytes written.
        checksum: Their crc32.
    """

    def __init__(self, file: int, system: Any = os) -> None:
        self.size = self.checksum = 0
        self._file = file
        self._os = as_system(system)
        self._direct = False
        self._can_be_direct = fcntl is not None and hasattr(os, "O_DIRECT")
        self._flushing = 0

    def write(self, data: Data, checksum: int | None = None) -> None:
        """Write all of `data`, which must not change before this returns.

        Args:
            data: The next bytes of the file.
            checksum: Their crc32, if it is known already.
        """
        if checksum is not None:
            self.checksum = joined(self.checksum, checksum, len(data))
            self._write_all(data)
        elif len(data) < LARGE:
            self.checksum = crc32(data, self.checksum)
            self._write_all(data)
        else:
            with _Checksum(self.checksum) as sums:
                self._write_all(data, sums.add)
            self.checksum = sums.value

    def finish(self) -> None:
        """Make what was written durable."""
        self._set_direct(False)
        self._os.fsync(self._file)

    def _write_all(
        self, data: Data, note: Callable[[Data], None] = lambda piece: None
    ) -> None:
        for piece, direct in self._pieces(data):
            note(piece)
            self._write(piece, direct)
            self._begin_to_flush()

    def _pieces(self, data: Data) -> Iterator[tuple[Data, bool]]:
        at = 0
        if self._is_aligned(data):
            straight = len(data) // ALIGNMENT * ALIGNMENT
            while at < straight and self._can_be_direct:
                end = min(at + _DIRECT_PIECE, straight)
                yield data[at:end], True
                at = end
        for start in range(at, len(data), _PIECE):
            yield data[start : start + _PIECE], False

    def _is_aligned(self, data: Data) -> bool:
        if len(data) < LARGE or self.size % ALIGNMENT:
            return False
        try:
            address = ctypes.addressof(ctypes.c_char.from_buffer(data))
        except TypeError:  # its memory is read-only, so it is not an image's
            return False
        return address % ALIGNMENT == 0

    def _write(self, data: Data, direct: bool) -> None:
        while data:
            # If the disk took only a part, the file's position can be anywhere.
            direct = direct and not (self.size % ALIGNMENT or len(data) % ALIGNMENT)
            direct = self._set_direct(direct)
            try:
                count = write_some(self._file, data, self._os)
            except OSError as error:
                if not (direct and error.errno in _REFUSALS):
                    raise
                self._can_be_direct = False
                continue
            self.size += count
            data = data[count:]

    def _set_direct(self, direct: bool) -> bool:
        """Make the next write go directly to the disk, or not; return which."""
        direct = direct and self._can_be_direct
        if direct != self._direct:
            flags = fcntl.fcntl(self._file, fcntl.F_GETFL)
            flags = flags | os.O_DIRECT if direct else flags & ~os.O_DIRECT
            try:
                fcntl.fcntl(self._file, fcntl.F_SETFL, flags)
            except OSError as error:  # tmpfs, for example, has no disk
                if not (direct and error.errno in _REFUSALS):
                    raise
                self._can_be_direct = direct = False
            self._direct = direct
        return direct

    def _begin_to_flush(self) -> None:
        if self.size - self._flushing < LARGE:
            return
        start, self._flushing = self._flushing, self.size
        if not self._direct:
            # Linux then writes these bytes to the disk while we continue with the next
            # ones. So little is left for fsync, which alone makes them durable.
            with contextlib.suppress(AttributeError, OSError):  # not on every system
                advice = os.POSIX_FADV_DONTNEED
                self._os.posix_fadvise(self._file, start, self.size - start, advice)


class _Checksum:
    """A crc32 that another thread computes while this one waits for the disk.

    Attributes:
        value: The crc32, complete at the end of the block in which this is used.
    """

    def __init__(self, value: int) -> None:
        self.value = value
        self._pieces: queue.SimpleQueue[Data | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> _Checksum:
        # A daemon: only the code that writes the file has to wait for it.
        thread = threading.Thread(
            target=self._work, name="modelcheckpoint checksum", daemon=True
        )
        # There may be too many threads, and Python starts none while it ends.
        with contextlib.suppress(RuntimeError, MemoryError):
            thread.start()
            self._thread = thread
        return self

    def add(self, piece: Data) -> None:
        """Take the next bytes, which must not change before the block has ended."""
        if self._thread is None:
            self.value = crc32(piece, self.value)
        else:
            self._pieces.put(piece)

    def __exit__(self, *raised: object) -> None:
        if self._thread is not None:
            self._pieces.put(None)
            self._thread.join()

    def _work(self) -> None:
        while (piece := self._pieces.get()) is not None:
            self.value = crc32(piece, self.value)
