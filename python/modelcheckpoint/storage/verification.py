"""Is each file of a folder what its journal says of it?"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from modelcheckpoint.records import Record, Removal
from modelcheckpoint.storage import journal, leftovers
from modelcheckpoint.storage.below import open_below
from modelcheckpoint.storage.contents import is_checkpoint
from modelcheckpoint.storage.local import LocalStorage, Sealed
from modelcheckpoint.storage.measuring import measured

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
        journals = self._identity(leftovers.JOURNAL)
        if journals == self._journals:
            return False
        self._journals = journals
        self._records: dict[str, list[Record]] = {}
        self._removals: set[Removal] = set()
        for entry in journal.entries(self.folder):
            if isinstance(entry, Removal):
                self._removals.add(entry)
            else:  # the name whose line is the newest comes last
                records = self._records.pop(entry.path, [])
                self._records[entry.path] = [*records, entry]
        return True

    def _look(self, name: str) -> Verification | None:
        records = self._records.get(name, [])
        newest = records[-1] if records else None
        try:
            sealed = self._measured(name)
        except FileNotFoundError:
            return None if newest is None else self._absent(newest)
        except OSError as error:
            wrong = f"it cannot be read: {error.strerror or error}"
            return Verification(name, "damaged", wrong, newest)
        if newest is None:
            reason = self._inspect(self.folder, name, "")
            return Verification(name, "unknown", reason, None)
        record = journal.matching(records, name, sealed)
        if record is None:
            return Verification(name, "damaged", _difference(newest, sealed), newest)
        reason = self._inspect(self.folder, name, record.format)
        return Verification(name, "damaged" if reason else "good", reason, record)

    def _absent(self, newest: Record) -> Verification | None:
        if Removal.of(newest) in self._removals or self._is_coming(newest):
            return None
        return Verification(newest.path, "missing", "there is no such file", newest)

    def _is_coming(self, record: Record) -> bool:
        """Return whether a temporary file is what the record's line was written for."""
        above, _, _ = record.path.rpartition("/")
        folder = self._storage.path(above) if above else self.folder
        for file in leftovers.temporary_files(folder):
            name = f"{above}/{file}" if above else file
            if self._storage.size(name) == record.bytes:
                sealed = self._storage.measure(name)
                if sealed and journal.describes(record, sealed):
                    return True
        return False

    def _measured(self, name: str) -> Sealed:
        try:
            file = open_below(self.folder, name)
        except NotADirectoryError:
            raise FileNotFoundError(name) from None
        with os.fdopen(file, "rb") as opened:
            return measured(opened, self.read)

    def _identity(self, name: str) -> tuple[int, ...] | None:
        try:
            found = os.lstat(self._storage.path(name))
        except OSError:
            return None
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns

    def _files(self) -> Iterator[str]:
        depth = max((name.count("/") for name in self._records), default=0)
        for folder, _ in leftovers.folders(self.folder, depth):
            # One that is gone, or may not be looked into, has nothing for us.
            with contextlib.suppress(OSError), os.scandir(folder) as entries:
                for entry in entries:
                    if is_checkpoint(entry):
                        yield self._storage.name(entry.path)


def _difference(record: Record, sealed: Sealed) -> str:
    if record.bytes != sealed.bytes:
        return f"it has {sealed.bytes} bytes, the journal says {record.bytes}"
    return f"its crc32 is {sealed.crc32}, the journal says {record.crc32}"
