"""Deleting trees in a folder of checkpoints, and giving them second names."""

from __future__ import annotations

import errno
import os
from typing import BinaryIO

from modelcheckpoint.storage.base import Entry, NotPlain
from modelcheckpoint.storage.beneath import PLAIN, open_below, rename_below
from modelcheckpoint.storage.directories import Directories
from modelcheckpoint.storage.local_entries import entry_below
from modelcheckpoint.storage.staged_tree import StagedTree
from modelcheckpoint.storage.staging import Staging
from modelcheckpoint.storage.system import System
from modelcheckpoint.storage.walker import walk_tree
from modelcheckpoint.storage.writer import write_some

__all__ = ["LocalTrees", "copied"]

_CHUNK = 1 << 20


class LocalTrees:
    """Deletes trees, and gives them second names.

    Args:
        root: Absolute path of the folder of checkpoints.
        staging: Makes temporary folders in it.
        folders: Flushes its folders.
        system: Carries out the calls.
    """

    def __init__(
        self, root: str, staging: Staging, folders: Directories, system: System
    ) -> None:
        self._root = root
        self._staging = staging
        self._folders = folders
        self._os = system

    def delete(self, entry: Entry) -> bool:
        """Delete a tree if it has not changed, and return whether it was deleted.

        It disappears in one step, by a rename to a temporary name: however this process
        ends, nobody finds half a tree. What cannot be deleted then is left for later.

        Raises:
            OSError: If it cannot be renamed.
        """
        if entry_below(self._root, entry.name) != entry:
            return False
        temporary = self._staging.set_aside(entry.name)
        rename_below(self._root, entry.name, temporary, self._os)
        self._staging.discard(self._path(temporary))
        return True

    def copy(self, name: str, second: str) -> None:
        """Give a tree a second name, with hard links to its files, or else copies.

        Raises:
            FileExistsError: If the second name is taken.
            OSError: If there is no such tree, or it cannot be copied.
        """
        self._check_free(second)
        with self._staging.staged(second, os.path.splitext(second)[1]) as staged:
            assert isinstance(staged, StagedTree)
            self._fill(staged.path, name)
            staged.flush()
            try:
                self._os.replace(staged.path, self._path(second))
            except OSError:
                self._check_free(second)  # somebody was faster
                raise
        self._folders.flush(os.path.dirname(self._path(second)))

    def _fill(self, folder: str, tree: str) -> None:
        for name, entry in walk_tree(self._root, tree):
            path = os.path.join(folder, *name[len(tree) + 1 :].split("/"))
            if entry.is_dir(follow_symlinks=False):
                self._os.mkdir(path)
            elif entry.is_file(follow_symlinks=False):
                self._link(name, path)
            else:
                raise NotPlain(errno.EINVAL, "it is not a regular file", name)

    def _link(self, name: str, path: str) -> None:
        try:
            self._os.link(self._path(name), path)
        except (OSError, AttributeError):  # a file system without hard links
            flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | PLAIN
            target = self._os.open(path, flags, 0o666)
            with os.fdopen(open_below(self._root, name), "rb") as source:
                copied(source, target, self._os)

    def _check_free(self, name: str) -> None:
        if os.path.lexists(self._path(name)):
            raise FileExistsError(errno.EEXIST, "it is taken", name)

    def _path(self, name: str) -> str:
        return os.path.join(self._root, *name.split("/"))


def copied(source: BinaryIO, target: int, system: System) -> None:
    """Write a file's contents to a descriptor, durably, and close it."""
    try:
        while data := source.read(_CHUNK):
            while data:
                data = data[write_some(target, data, system) :]
        system.fsync(target)
    finally:
        system.close(target)
