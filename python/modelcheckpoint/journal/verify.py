"""Is each file what the journal beside it says?"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from modelcheckpoint.formats import SUFFIXES, format_of_file
from modelcheckpoint.journal import log
from modelcheckpoint.records import Record, Removal
from modelcheckpoint.storage.base import Digest, Entry, Storage, digest_of, measured
from modelcheckpoint.storage.journals import writer_of

__all__ = ["Verification", "Verifier"]

_LOOKS = 20
"""How often a file is looked at while somebody goes on changing it."""

_UNFINISHED = (
    "there is no such file: it is the last save of its run, which may have ended "
    "before the upload did"
)

Read = Callable[[int], None]


@dataclass(frozen=True)
class Verification:
    """What was found where a checkpoint should be.

    Attributes:
        path: Name of the file, relative to the folder, with `/`.
        status: `"good"`, `"damaged"`, `"missing"`, or `"unknown"`: no line of the
            journal names it, or its upload may never have ended.
        reason: What is wrong; None where nothing is.
        record: The line that describes the file; where none fits, the newest one of
            its name; None where there is none.
    """

    path: str
    status: str
    reason: str | None
    record: Record | None

    def proves(self, record: Record) -> bool:
        """Return whether the file there is the one that a line describes."""
        # Not by the whole lines: a NaN in them is unequal to itself.
        own = self.record
        return (
            self.status == "good"
            and own is not None
            and (own.bytes, own.crc32) == (record.bytes, record.crc32)
        )


class Verifier:
    """Compares the files of a storage with its journal.

    Args:
        storage: Where they are.

    Attributes:
        read: Is told of each piece that was read, how many bytes it had.
    """

    def __init__(self, storage: Storage) -> None:
        self.read: Read = lambda size: None
        self._storage = storage
        self._version: object = ()  # unlike that of any journal
        self._learn()

    def names(self) -> list[str]:
        """Return the names that the journal has, newest last, then the other files."""
        depth = max((name.count("/") for name in self._records), default=0)
        files = {entry.name for entry in self._storage.entries(SUFFIXES, depth)}
        return [*self._records, *sorted(files - set(self._records))]

    def size(self) -> int:
        """Return how many bytes there are to read."""
        entries = (self._entry(name) for name in self.names())
        return sum(entry.bytes for entry in entries if entry is not None)

    def verify(self, name: str) -> Verification | None:
        """Return what is there under a name; None where nothing should be.

        A file that is exchanged meanwhile is looked at anew, and so is the journal.
        """
        for look in range(_LOOKS):
            before = self._entry(name)
            verification = self._look(name)
            if verification is not None and verification.status == "good":
                break
            if not self._learn() and before == self._entry(name):
                break
            time.sleep(0.001 * look)
        return verification

    def _learn(self) -> bool:
        """Read the journal if it is another than before, and return whether it was."""
        version = self._storage.journal_version()
        if version == self._version:
            return False
        self._version = version
        self._records: dict[str, list[Record]] = {}
        self._removals: dict[Removal, Removal] = {}
        last: dict[str, log.Entry] = {}
        for entry, journal in log.entries_and_journals(self._storage):
            writer = writer_of(journal)
            if writer is not None:
                last[writer] = entry
            if isinstance(entry, Removal):
                self._removals[entry] = entry
            else:  # the name whose line is the newest comes last
                self._removals.pop(Removal.of(entry), None)
                records = self._records.pop(entry.path, [])
                records.append(entry)
                self._records[entry.path] = records
        saves = (entry for entry in last.values() if isinstance(entry, Record))
        self._last_saves = {Removal.of(record) for record in saves}
        return True

    def _look(self, name: str) -> Verification | None:
        try:
            with self._storage.open(name) as file:
                return self._compared(name, file)
        except FileNotFoundError:
            return self._absent(name)
        except OSError as error:
            reason = f"it cannot be read: {error.strerror or error}"
            return Verification(name, "damaged", reason, self._newest(name))

    def _compared(self, name: str, file: BinaryIO) -> Verification:
        """Compare a file with the lines of its name.

        It is read only where a line has its size: one of no size that anybody wrote can
        be larger than any disk.
        """
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        if not self._is_size(name, size):
            # The line of what is open came before its name did: it is there by now,
            # however fast somebody writes.
            self._learn()
        newest = self._newest(name)
        if newest is None:
            problem = format_of_file(name).problem(file)
            return Verification(name, "unknown", problem, None)
        if not self._is_size(name, size):
            reason = f"it has {size} bytes, the journal says {newest.bytes}"
            return Verification(name, "damaged", reason, newest)
        digest = measured(file, self.read)
        record = self._matching(name, digest)
        if record is None and self._learn():
            record = self._matching(name, digest)
        if record is None:
            reason = _difference(newest, digest)
            return Verification(name, "damaged", reason, newest)
        return Verification(name, "good", None, record)

    def _is_size(self, name: str, size: int) -> bool:
        return any(record.bytes == size for record in self._records.get(name, []))

    def _matching(self, name: str, digest: Digest) -> Record | None:
        return log.matching(self._records.get(name, []), name, digest)

    def _newest(self, name: str) -> Record | None:
        records = self._records.get(name)
        return records[-1] if records else None

    def _absent(self, name: str) -> Verification | None:
        unfinished = None
        for record in reversed(self._records.get(name, [])):
            removal = self._removals.get(Removal.of(record))
            if removal is not None and not removal.never_came:
                break  # deleted on purpose
            if removal is None and Removal.of(record) in self._last_saves:
                unfinished = Verification(name, "unknown", _UNFINISHED, record)
            elif removal is None and not self._is_coming(record):
                return Verification(name, "missing", "there is no such file", record)
            # It never came, or not yet: the one before it should be there.
        return unfinished

    def _is_coming(self, record: Record) -> bool:
        """Return whether a staged file is what the record's line was written for."""
        for entry in self._storage.unpublished(record.path):
            if entry.bytes == record.bytes:
                digest = digest_of(self._storage, entry.name)
                if digest and log.describes(record, digest):
                    return True
        return False

    def _entry(self, name: str) -> Entry | None:
        with contextlib.suppress(OSError):
            return self._storage.entry(name)
        return None


def _difference(record: Record, digest: Digest) -> str:
    if record.bytes != digest.bytes:
        return f"it has {digest.bytes} bytes, the journal says {record.bytes}"
    return f"its crc32 is {digest.crc32}, the journal says {record.crc32}"
