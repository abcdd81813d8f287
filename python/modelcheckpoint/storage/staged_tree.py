"""A temporary folder with files in it, until it gets its name."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from modelcheckpoint.storage.base import Digest, NotFlushed, NotPlain, Part
from modelcheckpoint.storage.digests import tree_digest
from modelcheckpoint.storage.directories import Directories
from modelcheckpoint.storage.exchange import UNSUPPORTED
from modelcheckpoint.storage.staged import NOTHING_KNOWN
from modelcheckpoint.storage.staged_file import check_not_empty, sealed
from modelcheckpoint.storage.system import as_system
from modelcheckpoint.storage.walker import walk_tree

__all__ = ["StagedTree", "sealed_part"]


def sealed_part(path: str, is_in_it: Callable[[str], bool]) -> dict[str, Digest]:
    """Make a part of a tree durable, and measure it; another process seals the rest.

    Args:
        path: Absolute path of the tree.
        is_in_it: Whether a file belongs to this part, by its name in the tree.

    Returns:
        The digest of each of these files, by its name.

    Raises:
        OSError: If one of them cannot be read or flushed.
    """
    mine = filter(is_in_it, _contents(path)[0])
    system = as_system(os)
    return {name: sealed(os.path.join(path, *name.split("/")), system) for name in mine}


class StagedTree:
    """A temporary folder, until it gets its name; see `base.Staged`.

    Args:
        path: Absolute path of the temporary folder, which exists.
        final: Absolute path that it is to get, in the same folder.
        aside: Absolute path of a folder that is created if whatever has the name must
            first be moved out of the way.
        folders: Flushes the folder that contains both.
        system: What carries out the calls.
    """

    def __init__(
        self, path: str, final: str, aside: str, folders: Directories, system: Any
    ) -> None:
        self.path = path
        self._final = final
        self._aside = aside
        self._folders = folders
        self._os = system
        self._identity = _identity(path)

    def write(self, parts: Iterable[Part]) -> Digest:
        """Raise an error: somebody else writes its files into `path`."""
        raise IsADirectoryError(errno.EISDIR, "it is a folder", self.path)

    def seal(self, known: Mapping[str, Digest] = NOTHING_KNOWN) -> Digest:
        """Make its contents durable, and measure them.

        Raises:
            NotPlain: If it contains anything but files and folders.
            OSError: If all files are empty, or one cannot be read or flushed.
        """
        files, folders = _contents(self.path)
        digest = tree_digest(
            (name, known.get(name) or sealed(self._in(name), self._os))
            for name in files
        )
        check_not_empty(digest.bytes)
        self.flush(folders)
        return digest

    def flush(self, folders: Iterable[str] | None = None) -> None:
        """Make its own name and the names in it durable.

        Args:
            folders: Names of the folders in it; None for all.

        Raises:
            OSError: If that fails.
        """
        inner = _contents(self.path)[1] if folders is None else folders
        # A name is made durable before its folder's name is, so no folder is ever found
        # with only part of its contents. What could not be flushed does not matter
        # later: it has gone by then.
        for name in sorted(inner, reverse=True):
            Directories(self._os).flush(self._in(name))
        Directories(self._os).flush(self.path)
        self._folders.flush(os.path.dirname(self.path))

    @property
    def published(self) -> bool:
        """Whether the folder has its name; another may now have the temporary name."""
        return self._identity == _identity(self._final)

    def publish(self) -> None:
        """Give it its final name, in place of any folder or file that had it.

        Whatever had the name then has a temporary name.

        Raises:
            NotFlushed: If it has the name, but not durably; the next save tries again
                to make the name durable.
            OSError: If it did not get the name.
        """
        self._rename()
        try:
            self._folders.flush(os.path.dirname(self._final))
        except OSError as error:
            raise NotFlushed(error.errno, error.strerror, self._final) from error

    def _rename(self) -> None:
        if not os.path.lexists(self._final):
            self._os.replace(self.path, self._final)
            return
        # A rename cannot replace a folder that contains files.
        try:
            self._os.exchange(self.path, self._final)
        except OSError as error:
            if error.errno not in UNSUPPORTED:
                raise
            self._rename_after_moving()

    def _rename_after_moving(self) -> None:
        # Here a kill between the two renames leaves nothing under the name. What had it
        # lies in a folder from which a sweep knows the name, and gives it back.
        self._os.mkdir(self._aside)
        self._folders.flush(os.path.dirname(self._aside))
        last = os.path.basename(self._final)
        self._os.replace(self._final, os.path.join(self._aside, last))
        self._os.replace(self.path, self._final)

    def _in(self, name: str) -> str:
        return os.path.join(self.path, *name.split("/"))


def _contents(path: str) -> tuple[list[str], list[str]]:
    """Return the names of the files and of the folders in a tree."""
    files: list[str] = []
    folders: list[str] = []
    above, tree = os.path.split(path)
    for name, entry in walk_tree(above, tree):
        inner = name[len(tree) + 1 :]
        if entry.is_dir(follow_symlinks=False):
            folders.append(inner)
        elif entry.is_file(follow_symlinks=False):
            files.append(inner)
        else:
            reason = "there is something in it that is neither file nor folder"
            raise NotPlain(errno.EINVAL, reason, name)
    return files, folders


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
