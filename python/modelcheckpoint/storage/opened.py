"""A checkpoint that is open for reading, whether a file or a tree of files."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO

from modelcheckpoint.storage.base import Storage, measured, measured_tree
from modelcheckpoint.storage.digests import Digest, Read
from modelcheckpoint.storage.names import is_tree

__all__ = ["Opened", "opened"]


@dataclass(frozen=True)
class Opened:
    """A checkpoint that is open for reading; nothing was read from it yet.

    Attributes:
        bytes: Its size.
        members: For a tree, the sorted names of its files, relative to the tree; empty
            for a file.
        measured: Reads everything and returns the digest. It calls its argument with
            the number of bytes of each piece.
        content: The open file; None for a tree.
    """

    bytes: int
    members: Sequence[str]
    measured: Callable[[Read], Digest]
    content: BinaryIO | None = None

    @property
    def file(self) -> BinaryIO:
        """The open file, at its beginning until something is read.

        Raises:
            IsADirectoryError: If it is a tree.
        """
        if self.content is None:
            raise IsADirectoryError(errno.EISDIR, "it is a folder, not a file")
        return self.content


@contextlib.contextmanager
def opened(storage: Storage, name: str) -> Iterator[Opened]:
    """Open a checkpoint for reading.

    Raises:
        FileNotFoundError: If no checkpoint has this name.
        NotPlain: If what has the name is neither a regular file nor a tree of regular
            files.
        OSError: If it cannot be opened.
    """
    if is_tree(name):
        yield _opened_tree(storage, name)
        return
    with storage.open(name) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        yield Opened(size, (), partial(measured, file), file)


def _opened_tree(storage: Storage, name: str) -> Opened:
    entries = list(storage.members(name))
    return Opened(
        sum(entry.bytes for entry in entries),
        sorted(entry.name[len(name) + 1 :] for entry in entries),
        partial(measured_tree, storage, name, entries),
    )
