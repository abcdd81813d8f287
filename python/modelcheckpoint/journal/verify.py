"""Comparing each file with the journal beside it."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass

from modelcheckpoint.formats import SUFFIXES, format_of_file
from modelcheckpoint.journal import log
from modelcheckpoint.records import Record, Removal
from modelcheckpoint.storage.base import Digest, Entry, Storage, digest_of
from modelcheckpoint.storage.digests import Read
from modelcheckpoint.storage.journals import writer_of
from modelcheckpoint.storage.names import is_tree
from modelcheckpoint.storage.opened import Opened, opened

__all__ = ["Verification", "Verifier"]

_LOOKS = 20
"""How often to look at a file while somebody keeps changing it."""

_UNFINISHED = (
    "there is no such file: it is the last save of its run, which may have ended "
    "before the upload did"
)


@dataclass(frozen=True)
class Verification:
    """The result of checking one checkpoint.

    Attributes:
        path: Name of the file, relative to the folder, with `/`.
        status: `"good"`, `"damaged"`, `"missing"`, or `"unknown"`: the journal does
            not name it, or its upload may never have ended.
        reason: What is wrong; None if nothing is.
        record: The line that describes the file; if none fits, the newest line with
            its name; None if there is none.
    """

    path: str
    status: str
    reason: str | None
    record: Record | None

    def proves(self, record: Record) -> bool:
        """Return whether the file is the one that a line describes."""
        # Not by comparing whole lines: a NaN in them is unequal to itself.
        own = self.record
        return (
            self.status == "good"
            and own is not None
            and (own.bytes, own.crc32) == (record.bytes, record.crc32)
        )


class Verifier:
    """Compares the files of a storage with its journal.

    Args:
        storage: The storage that contains them.

    Attributes:
        read: Is called with the number of bytes of each piece that was read.
    """

    def __init__(self, storage: Storage) -> None:
        self.read: Read = lambda size: None
        self._storage = storage
        self._version: object = ()  # differs from that of any journal
        self._learn()

    def names(self) -> list[str]:
        """Return the names in the journal, newest last, followed by the other files."""
        depth = max((name.count("/") for name in self._records), default=0)
        files = {entry.name for entry in self._storage.entries(SUFFIXES, depth)}
        return [*self._records, *sorted(files - set(self._records))]

    def size(self) -> int:
        """Return how many bytes there are to read."""
        entries = (self._entry(name) for name in self.names())
        return sum(entry.bytes for entry in entries if entry is not None)

    def verify(self, name: str) -> Verification | None:
        """Return the result for a name; None if nothing should have it.

        If the file is replaced meanwhile, the file and the journal are read again.
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
        """Read the journal if it has changed, and return whether it had."""
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
            else:  # the name with the newest line comes last
                self._removals.pop(Removal.of(entry), None)
                records = self._records.pop(entry.path, [])
                records.append(entry)
                self._records[entry.path] = records
        saves = (entry for entry in last.values() if isinstance(entry, Record))
        self._last_saves = {Removal.of(record) for record in saves}
        return True

    def _look(self, name: str) -> Verification | None:
        try:
            with opened(self._storage, name) as checkpoint:
                return self._compared(name, checkpoint)
        except FileNotFoundError:
            return self._absent(name)
        except OSError as error:
            reason = f"it cannot be read: {error.strerror or error}"
            return Verification(name, "damaged", reason, self._newest(name))

    def _compared(self, name: str, checkpoint: Opened) -> Verification:
        """Compare a checkpoint with the lines of its name.

        It is read only if a line has its size: a file whose size no line has can be
        larger than any disk.
        """
        size = checkpoint.bytes
        if not self._is_size(name, size):
            # The line of the open file was written before the file got its name, so it
            # exists by now, however fast somebody writes.
            self._learn()
        newest = self._newest(name)
        if newest is None:
            problem = format_of_file(name).problem(checkpoint)
            return Verification(name, "unknown", problem, None)
        if not self._is_size(name, size):
            reason = f"it has {size} bytes, the journal says {newest.bytes}"
            return Verification(name, "damaged", reason, newest)
        digest = checkpoint.measured(self.read)
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
            elif removal is None:
                beside = self._beside(record)
                if beside is None:
                    what = "folder" if is_tree(name) else "file"
                    reason = f"there is no such {what}"
                    return Verification(name, "missing", reason, record)
                if beside.rpartition("/")[2] == name.rpartition("/")[2]:
                    break  # moved aside until a newer tree has the name
            # It never came, or not yet: the previous file should exist.
        return unfinished

    def _beside(self, record: Record) -> str | None:
        """Return the name of a file with a record's contents under another name.

        That is a staged file, or a tree that was moved aside.
        """
        for entry in self._storage.unpublished(record.path):
            if entry.bytes == record.bytes:
                digest = digest_of(self._storage, entry.name)
                if digest and log.describes(record, digest):
                    return entry.name
        return None

    def _entry(self, name: str) -> Entry | None:
        with contextlib.suppress(OSError):
            return self._storage.entry(name)
        return None


def _difference(record: Record, digest: Digest) -> str:
    if record.bytes != digest.bytes:
        return f"it has {digest.bytes} bytes, the journal says {record.bytes}"
    return f"its crc32 is {digest.crc32}, the journal says {record.crc32}"
