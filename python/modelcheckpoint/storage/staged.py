"""Files that are on their way into a storage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Optional, Protocol, Union

from modelcheckpoint.storage.digests import Digest

__all__ = ["NOTHING_KNOWN", "Data", "NotFlushed", "Part", "Staged"]

NOTHING_KNOWN: Mapping[str, Digest] = {}

Data = Union[bytes, memoryview]
Part = tuple[Data, Optional[int]]
"""A part of a file, and its crc32 if it is known already."""


class NotFlushed(OSError):
    """A file has its final name, but a power cut could still undo that."""


class Staged(Protocol):
    """A file on its way into a storage, which nobody sees before it is published."""

    @property
    def path(self) -> str:
        """A local file for writers that need one; empty at first.

        For a tree it is a folder.
        """

    def write(self, parts: Iterable[Part]) -> Digest:
        """Write the complete contents, durably, and return the digest.

        Raises:
            OSError: If there is nothing to write, or it cannot be written. Always for a
                tree, which is written to `path` instead.
        """

    def seal(self, known: Mapping[str, Digest] = NOTHING_KNOWN) -> Digest:
        """Make durable what somebody wrote to `path`, and return its digest.

        Args:
            known: For a tree, files that were already measured and made durable, by
                their names in it.

        Raises:
            OSError: If it is empty, or cannot be read or flushed, or if a tree contains
                anything but files and folders.
        """

    @property
    def published(self) -> bool:
        """Whether it has its name, as far as is known."""

    def publish(self) -> None:
        """Give the file its name, in place of any file that had it.

        Raises:
            NotFlushed: If it has the name, but not durably.
            OSError: If it did not get the name; the previous file still has it.
        """
