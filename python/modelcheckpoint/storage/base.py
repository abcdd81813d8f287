"""What a storage of checkpoints can do, wherever they lie.

A storage holds files by names with `/` between their parts, and a journal: lines that
are only ever added. There is no rename in it, no lock and no directory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import BinaryIO, Optional, Protocol, Union
from zlib import crc32

from modelcheckpoint.storage.journals import NOTHING, Line

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
]

Data = Union[bytes, memoryview]
Part = tuple[Data, Optional[int]]
"""A part of a file, and its crc32 where that is known already."""

_CHUNK = 1 << 20


class NotPlain(OSError):
    """There is something of that name, but it is no regular file of the storage."""


class NotFlushed(OSError):
    """A file has its final name, but a power cut could still take that away."""


@dataclass(frozen=True)
class Digest:
    """What a file holds, as far as two numbers tell.

    Attributes:
        bytes: Its size.
        crc32: Its checksum, eight hexadecimal digits.
    """

    bytes: int
    crc32: str


@dataclass(frozen=True)
class Entry:
    """A file of a storage, at one moment.

    Attributes:
        name: Of the file, with `/` between its parts.
        bytes: Its size.
        modified: When it was written to, nanoseconds since 1970.
        version: What changes when another file gets the name, or this one is written.
            Where a store tells no more, it stays if the contents are the same.
    """

    name: str
    bytes: int
    modified: int = field(compare=False)
    version: object


class Staged(Protocol):
    """A file on its way into a storage, which nobody sees before it is published."""

    @property
    def path(self) -> str:
        """A file on the local disk, for writers that need one; empty at first."""

    def write(self, parts: Iterable[Part]) -> Digest:
        """Write all that the file is to hold, durably, and return its digest.

        Raises:
            OSError: If there is nothing to write, or it cannot be written.
        """

    def seal(self) -> Digest:
        """Make durable what somebody wrote to `path`, and return its digest.

        Raises:
            OSError: If the file is empty, or cannot be read or flushed.
        """

    @property
    def published(self) -> bool:
        """Whether it has got its name, as far as anybody knows."""

    def publish(self) -> None:
        """Give the file its name, in place of any file that had it.

        Raises:
            NotFlushed: If it has the name, but that is not durable.
            OSError: If it has not got the name; what had it before still has it.
        """


class Storage(Protocol):
    """Where the checkpoints of a template and their journal lie.

    A file appears under its name whole, or not at all, and durably.
    """

    @property
    def root(self) -> str:
        """Absolute path, or address, of all names."""

    @property
    def is_near(self) -> bool:
        """Whether a small file is published in less time than anybody would notice."""

    def check(self, name: str | None = None, given: str | None = None) -> None:
        """Raise if a checkpoint could not be written here, and leave no trace.

        Args:
            name: Name of the file, where it is known.
            given: The root as the user gave it, which errors name.

        Raises:
            OSError: If nothing can be written here, or not under this name.
        """

    def path(self, name: str) -> str:
        """Return the absolute path, or the address, of a name."""

    def entries(self, suffixes: tuple[str, ...], depth: int) -> Iterator[Entry]:
        """Yield the published files whose names end so, in no order.

        Args:
            suffixes: How a name may end.
            depth: How many `/` a name may have.

        Raises:
            OSError: If there is no such storage, or it cannot be read.
        """

    def entry(self, name: str) -> Entry | None:
        """Return the file of a name, or None where there is none.

        Raises:
            OSError: If that cannot be told, as where the way to it is a link.
        """

    def open(self, name: str) -> BinaryIO:
        """Open a file for reading.

        Raises:
            FileNotFoundError: If there is none of this name.
            NotPlain: If what has the name is no regular file, or lies behind a link.
            OSError: If it cannot be opened.
        """

    def local_copy(self, name: str) -> AbstractContextManager[str]:
        """Give the path of a local file with what a file holds, for those who need one.

        At the end of the block nobody may use it any more.

        Raises:
            OSError: If there is no such file, or it cannot be read.
        """

    def digest(self, name: str) -> Digest | None:
        """Return the digest that a file had when it was written, or that it has.

        Which of both, a storage decides by what it knows without reading the file.
        None where there is no such file.

        Raises:
            OSError: If it cannot be told.
        """

    def kept_copies(self) -> AbstractContextManager[None]:
        """In the block, fetch a file once, however often it is opened.

        What was verified is then what is loaded. Nothing is kept but the file that
        was opened last, and nothing after the block.
        """

    def staged(self, name: str, suffix: str) -> AbstractContextManager[Staged]:
        """Begin a file that is to get a name; at the end of the block it is discarded.

        Unless it was published. Meanwhile nobody else takes it for abandoned.

        Args:
            name: That it gets when it is published.
            suffix: How the name of its local path ends: Keras looks at that.
        """

    def copy(self, name: str, second: str) -> None:
        """Give what a file holds a second name, beside the first one.

        Raises:
            FileExistsError: If the second name is taken.
            OSError: If there is no such file, or it cannot be copied.
        """

    def delete(self, entry: Entry) -> bool:
        """Delete a file if it still is the one of this entry; return whether it was.

        Raises:
            OSError: If it cannot be deleted, or lies behind a link.
        """

    def lines(self, after: Mapping[str, int] = NOTHING) -> Iterator[Line]:
        """Yield the journal's lines, oldest first; the last one may lack its end.

        Args:
            after: Where to begin in each file of the journal: where the last line
                ended that was read in it. One that is shorter by now was begun again,
                and is read from its beginning.

        Raises:
            FileNotFoundError: If there is no journal.
            NotPlain: If what has its name is no regular file.
            OSError: If it cannot be read.
        """

    def append(self, *lines: str) -> None:
        """Add lines to the journal, durably.

        Raises:
            OSError: If that fails; part of it may be there, which readers pass over.
        """

    def journal_version(self) -> object:
        """Return what changes when the journal does; None where there is none."""

    def unpublished(self, name: str) -> list[Entry]:
        """Return the files that anybody, dead or alive, has staged beside a name."""

    def abandoned(self) -> list[Entry]:
        """Return what writers that are dead have staged; where in doubt, it is none."""

    def hurry(self) -> None:
        """Try no longer what has failed and could yet succeed: somebody waits for it.

        It holds for the file that is staged or published now, on whatever thread.
        """

    def is_stuck(self) -> bool:
        """Return whether what is staged or published now has not gone on for long.

        Nobody waits for it then, but for who asks that it be there.
        """

    def end_in_time(self) -> float | None:
        """Have what is staged or published now succeed or fail in good time.

        Returns:
            How many seconds that may take; None where it takes what it takes.
        """

    def tidy(self) -> None:
        """Do what could not be done, or was left to be done at leisure.

        That is to delete staged files, and to make it durable that files were deleted.
        What cannot be done now is left for the next time.
        """


def measured(file: BinaryIO, read: Callable[[int], None] = lambda size: None) -> Digest:
    """Return size and checksum of all that is left to read in an open file.

    Args:
        file: Open for reading.
        read: Is told of each piece, how many bytes it had.
    """
    checksum = size = 0
    while chunk := file.read(_CHUNK):
        checksum = crc32(chunk, checksum)
        size += len(chunk)
        read(len(chunk))
    return Digest(size, f"{checksum:08x}")


def digest_of(storage: Storage, name: str) -> Digest | None:
    """Return the digest of what a file holds, or None where there is no such file.

    None, too, where the name leads through a link, or to something else than a file.
    """
    try:
        with storage.open(name) as file:
            return measured(file)
    except (FileNotFoundError, NotPlain):
        return None
