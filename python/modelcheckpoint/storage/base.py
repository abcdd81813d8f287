"""The protocol of a storage of checkpoints, on a disk or in an object store.

A storage holds files, whose names have `/` between their parts, and a journal, to which
lines are only ever added. The protocol has no renames, locks or directories. A
checkpoint whose name ends with a suffix in `names.TREES` is a tree: the files below its
name appear and are deleted together, and count as one file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import BinaryIO, Protocol

from modelcheckpoint.storage.digests import Digest, Read, measured, tree_digest
from modelcheckpoint.storage.journals import NOTHING, Line
from modelcheckpoint.storage.names import is_tree
from modelcheckpoint.storage.staged import Data, NotFlushed, Part, Staged

__all__ = [
    "Data",
    "Digest",
    "Entry",
    "NotFlushed",
    "NotPlain",
    "Part",
    "Staged",
    "Storage",
    "digest_of",
    "measured",
    "measured_tree",
]


class NotPlain(OSError):
    """Something has that name, but it is not a regular file of the storage."""


@dataclass(frozen=True)
class Entry:
    """A file or a tree in a storage, at one moment.

    Attributes:
        name: Of the file, with `/` between its parts.
        bytes: Its size; for a tree, the size of all its files.
        modified: When it was last written, in nanoseconds since 1970.
        version: A value that changes when another file gets the name, or when this file
            or any file of this tree is written. If a store tells no more, it does not
            change while the contents stay the same.
    """

    name: str
    bytes: int
    modified: int = field(compare=False)
    version: object


class Storage(Protocol):
    """Where the checkpoints of a template and their journal lie.

    A file appears under its name complete and durable, or not at all.
    """

    @property
    def root(self) -> str:
        """The absolute path or address that contains all names."""

    @property
    def is_near(self) -> bool:
        """Whether publishing a small file takes so little time that nobody notices."""

    def check(self, name: str | None = None, given: str | None = None) -> None:
        """Raise if a checkpoint could not be written here, and leave no trace.

        Args:
            name: Name of the file, if it is known.
            given: The root as the user gave it, for errors.

        Raises:
            OSError: If nothing can be written here, or not under this name.
        """

    def path(self, name: str) -> str:
        """Return the absolute path, or the address, of a name."""

    def entries(self, suffixes: tuple[str, ...], depth: int) -> Iterator[Entry]:
        """Yield the published files with one of these suffixes, in no particular order.

        Args:
            suffixes: The suffixes that a name may have.
            depth: How many `/` a name may have at most.

        Raises:
            OSError: If there is no such storage, or it cannot be read.
        """

    def entry(self, name: str) -> Entry | None:
        """Return the file or tree with a name, or None if there is none.

        Raises:
            OSError: If this cannot be determined, for example because a folder on the
                way is a link.
        """

    def members(self, name: str) -> Iterator[Entry]:
        """Yield the files of a tree, each with its full name, in no particular order.

        Raises:
            FileNotFoundError: If no tree has this name.
            NotPlain: If it lies behind a link, is not a folder, or contains anything
                but files and folders, or more than any checkpoint does.
            OSError: If it cannot be read.
        """

    def open(self, name: str) -> BinaryIO:
        """Open a file for reading.

        Raises:
            FileNotFoundError: If no file has this name.
            NotPlain: If what has the name is not a regular file, or lies behind a link.
            OSError: If it cannot be opened.
        """

    def local_copy(self, name: str) -> AbstractContextManager[str]:
        """Give the path of a local file with the contents of a file.

        It must not be used after the end of the block.

        Raises:
            OSError: If there is no such file, or it cannot be read.
        """

    def digest(self, name: str) -> Digest | None:
        """Return the digest that a file had when it was written, or that it has now.

        The storage returns the former if it knows it without reading the file. None if
        there is no such file.

        Raises:
            OSError: If it cannot be determined.
        """

    def kept_copies(self) -> AbstractContextManager[None]:
        """Fetch each file only once within the block, however often it is opened.

        So the file that was verified is the file that is loaded. Only the file that was
        opened last is kept, and nothing is kept after the block.
        """

    def staged(self, name: str, suffix: str) -> AbstractContextManager[Staged]:
        """Begin a file that is to get a name; discard it if it is not published.

        It is discarded at the end of the block. Until then, nobody else considers it
        abandoned.

        Args:
            name: The name that it gets when it is published.
            suffix: The suffix of its local path, which Keras looks at.
        """

    def copy(self, name: str, second: str) -> None:
        """Give the contents of a file a second name, in addition to the first.

        Raises:
            FileExistsError: If the second name is taken.
            OSError: If there is no such file, or it cannot be copied.
        """

    def delete(self, entry: Entry) -> bool:
        """Delete a file if this entry still describes it; return whether it did.

        Raises:
            OSError: If it cannot be deleted, or lies behind a link.
        """

    def lines(self, after: Mapping[str, int] = NOTHING) -> Iterator[Line]:
        """Yield the journal's lines, oldest first; the last one may lack its end.

        Args:
            after: Where to begin in each file of the journal: the end of the last line
                that was read from it. A file that has become shorter was started again,
                and is read from its beginning.

        Raises:
            FileNotFoundError: If there is no journal.
            NotPlain: If what has its name is not a regular file.
            OSError: If it cannot be read.
        """

    def append(self, *lines: str) -> None:
        """Add lines to the journal, durably.

        Raises:
            OSError: If that fails. Part of a line may have been written; readers skip
                it.
        """

    def journal_version(self) -> object:
        """Return a value that changes with the journal; None if there is no journal."""

    def unpublished(self, name: str) -> list[Entry]:
        """Return the files that processes, dead or alive, staged beside a name."""

    def abandoned(self) -> list[Entry]:
        """Return what dead writers have staged; in doubt, leave it out."""

    def hurry(self) -> None:
        """Stop retrying what has failed, because somebody waits for it.

        This applies to the file that is being staged or published, on any thread.
        """

    def is_stuck(self) -> bool:
        """Return whether staging or publishing has made no progress for a long time.

        Then nobody waits for it, except callers that need the file itself.
        """

    def end_in_time(self) -> float | None:
        """Limit the time in which the current staging or publishing succeeds or fails.

        Returns:
            How many seconds that may take; None if there is no limit.
        """

    def tidy(self) -> None:
        """Do what could not be done before, or was postponed.

        That is: delete staged files, and make the deletion of files durable. What still
        fails is left for the next time.
        """


def digest_of(storage: Storage, name: str) -> Digest | None:
    """Return the digest of a checkpoint's contents, or None if there is none.

    None, too, if the name leads through a link, or to something that is not a file; or,
    for a tree, if it contains anything but files and folders.
    """
    try:
        if is_tree(name):
            return measured_tree(storage, name, storage.members(name))
        with storage.open(name) as file:
            return measured(file)
    except (FileNotFoundError, NotPlain):
        return None


def measured_tree(
    storage: Storage,
    tree: str,
    members: Iterable[Entry],
    read: Read = lambda size: None,
) -> Digest:
    """Return the digest of a tree; this reads all its files.

    Args:
        storage: Where it is.
        tree: Its name.
        members: Its files.
        read: Is called with the number of bytes of each piece.

    Raises:
        FileNotFoundError: If one of the files no longer exists.
        NotPlain: If one is no longer a file, or lies behind a link.
        OSError: If one cannot be read.
    """

    def digests() -> Iterator[tuple[str, Digest]]:
        for member in members:
            with storage.open(member.name) as file:
                yield member.name[len(tree) + 1 :], measured(file, read)

    return tree_digest(digests())
