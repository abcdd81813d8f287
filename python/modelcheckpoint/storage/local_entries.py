"""The entry for a name in a folder: a file, or a tree of files."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator

from modelcheckpoint.storage.base import Entry, NotPlain
from modelcheckpoint.storage.beneath import check_plain, stat_below
from modelcheckpoint.storage.names import is_tree
from modelcheckpoint.storage.walker import walk_tree

__all__ = ["entry_below", "file_entry", "is_still", "members_below", "tree_entry"]


def entry_below(folder: str, name: str) -> Entry | None:
    """Return the file or the tree of a name below a folder, or None.

    Raises:
        NotPlain: If it lies behind a link, or the tree contains too much.
        OSError: If it cannot be accessed.
    """
    try:
        found = stat_below(folder, name)
        if is_tree(name):
            return tree_entry(folder, name) if stat.S_ISDIR(found.st_mode) else None
    except (FileNotFoundError, NotADirectoryError):
        return None
    return file_entry(name, found) if stat.S_ISREG(found.st_mode) else None


def file_entry(name: str, found: os.stat_result) -> Entry:
    """Return the entry of a file, from the result of a stat call."""
    version = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
    return Entry(name, found.st_size, found.st_mtime_ns, version)


def tree_entry(folder: str, tree: str) -> Entry:
    """Return the entry of a tree; its size is the size of all its files.

    Raises:
        OSError: If it has gone, cannot be read, or contains too much.
    """
    top = stat_below(folder, tree)
    size = files = 0
    newest = top.st_mtime_ns
    for name, entry in walk_tree(folder, tree):
        found = entry.stat(follow_symlinks=False)
        if stat.S_ISREG(found.st_mode):
            size += found.st_size
        newest = max(newest, found.st_mtime_ns)
        # A sum needs no memory, and does not depend on the order.
        what = (name[len(tree) :], found.st_ino, found.st_size, found.st_mtime_ns)
        files += hash(what)
    version = (top.st_dev, top.st_ino, size, newest, files)
    return Entry(tree, size, newest, version)


def is_still(entry: Entry, found: os.stat_result) -> bool:
    """Return whether a stat result is still that of an entry.

    For a folder, this means that it is the same folder, whatever it contains.
    """
    if stat.S_ISDIR(found.st_mode):
        version = entry.version
        identity = (found.st_dev, found.st_ino)
        return isinstance(version, tuple) and version[:2] == identity
    return file_entry(entry.name, found) == entry


def members_below(folder: str, tree: str) -> Iterator[Entry]:
    """Yield the files of a tree below a folder; see `base.Storage.members`."""
    try:
        top = stat_below(folder, tree)
    except NotADirectoryError as error:
        raise FileNotFoundError(errno.ENOENT, error.strerror, tree) from None
    if not stat.S_ISDIR(top.st_mode):
        kind = "a link" if stat.S_ISLNK(top.st_mode) else "not a folder"
        raise NotPlain(errno.ENOTDIR, f"it is {kind}", tree)
    for name, entry in walk_tree(folder, tree):
        found = entry.stat(follow_symlinks=False)
        if not stat.S_ISDIR(found.st_mode):
            check_plain(found, name)
            yield file_entry(name, found)
