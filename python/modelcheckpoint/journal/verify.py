"""Is each file of a folder what its journal says of it?"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from modelcheckpoint.journal import log
from modelcheckpoint.journal.scan import is_checkpoint
from modelcheckpoint.records import Record, Removal
from modelcheckpoint.storage import temporary
from modelcheckpoint.storage.base import measured
from modelcheckpoint.storage.beneath import open_below
from modelcheckpoint.storage.local import Digest, LocalStorage

__all__ = ["Verification", "Verifier"]

_LOOKS = 20
"""How often a file is looked at while somebody goes on changing it."""

Read = Callable[[int], None]
Inspect = Callable[[str, str, str], "str | None"]


@dataclass(frozen=True)
class Verification:
    """What was found where a checkpoint should be.

    Attributes:
        path: Name of the file, relative to the folder, with `/`.
        status: `"good"`, `"damaged"`, `"missing"`, or `"unknown"`: no line of the
            journal names it.
        reason: What is wrong; None where nothing is.
        record: The line that describes the file; where none fits, the newest one of
            its name; None where there is none.
    """

    path: str
    status: str
    reason: str | None
    record: Record | None


class Verifier:
    """Compares the files below a folder with the folder's journal.

    Args:
        folder: Absolute path.
        inspect: Is told folder, name and format of a file (`""`: any), opens its
            structure, and returns what is wrong with it, or None.

    Attributes:
        read: Is told of each piece that was read, how many bytes it had.
    """

    def __init__(self, folder: str, inspect: Inspect) -> None:
        self.folder = folder
        self.read: Read = lambda size: None
        self._inspect = inspect
        self._storage = LocalStorage(folder)
        self._journals: tuple[int, ...] | None = (0,)
        self._learn()

    def names(self) -> list[str]:
        """Return the names that the journal has, newest last, then the other files."""
        return [*self._records, *sorted(set(self._files()) - set(self._records))]

    def size(self) -> int:
        """Return how many bytes there are to read."""
        return sum(self._storage.size(name) or 0 for name in self.names())

    def verify(self, name: str) -> Verification | None:
        """Return what is there under a name; None where nothing should be.

        A file that is exchanged meanwhile is looked at anew, and so is the journal.
        """
        for look in range(_LOOKS):
            before = self._identity(name)
            found = self._look(name)
            if found is not None and found.status == "good":
                break
            if not self._learn() and before == self._identity(name):
                break
            time.sleep(0.001 * look)
        return found

    def _learn(self) -> bool:
        """Read the journal if it is another than before, and return whether it was."""
        journals = self._identity(temporary.JOURNAL)
        if journals == self._journals:
            return False
        self._journals = journals
        self._records: dict[str, list[Record]] = {}
        self._removals: dict[Removal, Removal] = {}
        for entry in log.entries(self.folder):
            if isinstance(entry, Removal):
                self._removals[entry] = entry
            else:  # the name whose line is the newest comes last
                self._removals.pop(Removal.of(entry), None)
                records = self._records.pop(entry.path, [])
                records.append(entry)
                self._records[entry.path] = records
        return True

    def _look(self, name: str) -> Verification | None:
        try:
            record, wrong = self._compared(name)
        except FileNotFoundError:
            return self._absent(name)
        except OSError as error:
            wrong = f"it cannot be read: {error.strerror or error}"
            return Verification(name, "damaged", wrong, self._newest(name))
        wrong = wrong or self._inspect(
            self.folder, name, record.format if record else ""
        )
        if record is None:
            return Verification(name, "unknown", wrong, None)
        return Verification(name, "damaged" if wrong else "good", wrong, record)

    def _compared(self, name: str) -> tuple[Record | None, str | None]:
        """Return the line that describes a file, or the newest one and how it differs.

        A file is read only where a line has its size: one of no size that anybody
        wrote can be larger than any disk.
        """
        with os.fdopen(self._opened(name), "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if not self._is_size(name, size):
                # The line of what is open came before its name did: it is there by now,
                # however fast somebody writes.
                self._learn()
            newest = self._newest(name)
            if newest is None:
                return None, None
            if not self._is_size(name, size):
                says = f"it has {size} bytes, the journal says {newest.bytes}"
                return newest, says
            digest = measured(file, self.read)
        record = self._matching(name, digest)
        if record is None and self._learn():
            record = self._matching(name, digest)
        if record is None:
            return newest, _difference(newest, digest)
        return record, None

    def _is_size(self, name: str, size: int) -> bool:
        return any(record.bytes == size for record in self._records.get(name, []))

    def _matching(self, name: str, digest: Digest) -> Record | None:
        return log.matching(self._records.get(name, []), name, digest)

    def _newest(self, name: str) -> Record | None:
        records = self._records.get(name)
        return records[-1] if records else None

    def _absent(self, name: str) -> Verification | None:
        for record in reversed(self._records.get(name, [])):
            removal = self._removals.get(Removal.of(record))
            if removal is None and not self._is_coming(record):
                return Verification(name, "missing", "there is no such file", record)
            if removal is not None and not removal.never_came:
                break  # deleted on purpose
            # It never came, or not yet: the one before it should be there.
        return None

    def _is_coming(self, record: Record) -> bool:
        """Return whether a temporary file is what the record's line was written for."""
        above, _, _ = record.path.rpartition("/")
        folder = self._storage.path(above) if above else self.folder
        for file in temporary.temporary_files(folder):
            name = f"{above}/{file}" if above else file
            if self._storage.size(name) == record.bytes:
                digest = self._storage.measure(name)
                if digest and log.describes(record, digest):
                    return True
        return False

    def _opened(self, name: str) -> int:
        try:
            return open_below(self.folder, name)
        except NotADirectoryError:
            raise FileNotFoundError(name) from None

    def _identity(self, name: str) -> tuple[int, ...] | None:
        try:
            found = os.lstat(self._storage.path(name))
        except OSError:
            return None
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns

    def _files(self) -> Iterator[str]:
        depth = max((name.count("/") for name in self._records), default=0)
        for folder, _ in temporary.folders(self.folder, depth):
            # One that is gone, or may not be looked into, has nothing for us.
            with contextlib.suppress(OSError), os.scandir(folder) as entries:
                for entry in entries:
                    if is_checkpoint(entry):
                        yield self._storage.name(entry.path)


def _difference(record: Record, digest: Digest) -> str:
    if record.bytes != digest.bytes:
        return f"it has {digest.bytes} bytes, the journal says {record.bytes}"
    return f"its crc32 is {digest.crc32}, the journal says {record.crc32}"
