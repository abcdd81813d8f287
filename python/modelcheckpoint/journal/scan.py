"""What lies in a folder of checkpoints; none of it is opened but the journal."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass

from modelcheckpoint.journal import log
from modelcheckpoint.records import Record
from modelcheckpoint.storage import temporary
from modelcheckpoint.storage.beneath import open_folder_below

__all__ = ["SUFFIXES", "Contents", "File", "contents", "is_checkpoint", "is_still"]

SUFFIXES = (".keras", ".h5", ".hdf5")
"""How the name of a checkpoint ends."""

Identity = tuple[int, int, int, int]


@dataclass(frozen=True)
class File:
    """A file that has the name of a checkpoint.

    Attributes:
        name: Relative to the folder, with `/`.
        bytes: Its size.
        modified: When it was written to, nanoseconds since 1970.
        identity: What changes when another file gets the name, or this one is written.
    """

    name: str
    bytes: int
    modified: int
    identity: Identity

    @classmethod
    def of(cls, name: str, found: os.stat_result) -> File:
        """Return the file of a name, as `os.stat` found it."""
        identity = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
        return cls(name, found.st_size, found.st_mtime_ns, identity)


@dataclass(frozen=True)
class Contents:
    """A folder at one moment.

    Attributes:
        files: Regular files that have the name of a checkpoint.
        entries: Of the journal, oldest first.
    """

    files: list[File]
    entries: list[log.Entry]


def contents(folder: str, depth: int = 0) -> Contents:
    """Return what is in a folder, and as deep below it as names in its journal go.

    `depth` says how many folders deep to look at least.

    Links below the folder are not followed, and temporary files are passed over.

    Raises:
        OSError: If the folder or its journal cannot be read.
    """
    before = _journal_of(folder)
    entries = list(log.entries(folder))
    names = (entry.path for entry in entries if isinstance(entry, Record))
    deepest = max((name.count("/") for name in names), default=0)
    files = list(_files(folder, max(depth, deepest)))
    if _journal_of(folder) != before:
        # The line comes before the name, so a line of each file seen is there by now.
        entries = list(log.entries(folder))
    return Contents(files, entries)


def is_still(folder: str, file: File) -> bool:
    """Return whether a file is there as it was, behind no link."""
    above, _, last = file.name.rpartition("/")
    try:
        if os.stat not in os.supports_dir_fd:
            path = os.path.join(folder, *file.name.split("/"))
            found = os.lstat(path)
        else:
            inner = open_folder_below(folder, above)
            try:
                found = os.stat(last, dir_fd=inner, follow_symlinks=False)
            finally:
                os.close(inner)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return File.of(file.name, found) == file


def is_checkpoint(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry is a file with the name of a checkpoint.

    A temporary file, which only its writer knows, is none.
    """
    return (
        entry.name.endswith(SUFFIXES)
        and entry.is_file(follow_symlinks=False)
        and not temporary.is_temporary(entry.name)
    )


def _journal_of(folder: str) -> tuple[int, ...] | None:
    try:
        found = os.lstat(os.path.join(folder, temporary.JOURNAL))
    except OSError:
        return None
    return File.of("", found).identity


def _files(folder: str, depth: int) -> Iterator[File]:
    # Not by recursion: names in a journal that somebody else wrote can go deep.
    left = [""]
    while left:
        above = left.pop()
        below: list[str] = []
        try:
            with _scanned(folder, above) as entries:
                for entry in entries:
                    name = f"{above}/{entry.name}" if above else entry.name
                    if entry.is_dir(follow_symlinks=False):
                        below.append(name)
                    elif is_checkpoint(entry):
                        with contextlib.suppress(FileNotFoundError):  # gone by now
                            yield File.of(name, entry.stat(follow_symlinks=False))
        except OSError:
            if not above:
                raise
        if above.count("/") + bool(above) < depth:
            left += below


@contextlib.contextmanager
def _scanned(folder: str, name: str) -> Iterator[Iterator[os.DirEntry[str]]]:
    if os.scandir not in os.supports_fd:
        with os.scandir(os.path.join(folder, *filter(None, [name]))) as entries:
            yield entries
        return
    # By descriptors: nobody can put a link in place of a folder on the way.
    opened = open_folder_below(folder, name)
    try:
        with os.scandir(opened) as entries:
            yield entries
    finally:
        os.close(opened)
