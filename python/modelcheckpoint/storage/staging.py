"""Temporary files, in the folders of the names that they are to get."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from typing import TypeVar, Union

from modelcheckpoint.storage.appender import Appender
from modelcheckpoint.storage.base import NotPlain
from modelcheckpoint.storage.directories import Directories
from modelcheckpoint.storage.names import is_tree
from modelcheckpoint.storage.staged_file import StagedFile
from modelcheckpoint.storage.staged_tree import StagedTree
from modelcheckpoint.storage.system import System, one_wait
from modelcheckpoint.storage.temporary import (
    ASIDE,
    OWN_FOLDER,
    Mark,
    claim,
    new_token,
    temporary_name,
)
from modelcheckpoint.storage.temporary_folders import delete_temporary, is_folder

__all__ = ["Staging"]

_BINARY = getattr(os, "O_BINARY", 0)

Staged = Union[StagedFile, StagedTree]
Made = TypeVar("Made")


class Staging:
    """Makes the temporary files of one writer, and deletes those left at the end.

    Args:
        folder: Absolute path of the folder of checkpoints.
        journal: The journal of that folder; the claim on a temporary file is a lock in
            it.
        folders: Makes folders, and flushes them.
        system: Carries out the calls.
    """

    def __init__(
        self, folder: str, journal: Appender, folders: Directories, system: System
    ) -> None:
        self._folder = folder
        self._journal = journal
        self._folders = folders
        self._os = system
        self._token = new_token()
        self._process = os.getpid()
        self._undeleted: set[str] = set()

    def name(self, up: int, suffix: str) -> str:
        """Return a name for a temporary file, this many folders below the journal."""
        return temporary_name(Mark(self._token, up), suffix)

    def staged(self, name: str, suffix: str) -> AbstractContextManager[Staged]:
        """Give a new, empty file or folder beside `name`, and delete it at the end.

        Once it is published nothing is left to delete, except what had the name of a
        folder before. It is claimed, so a sweep by another process leaves it alone.
        """
        kind = self._staged_tree if is_tree(suffix) else self._staged_file
        return kind(name, suffix)

    @contextlib.contextmanager
    def _staged_file(self, name: str, suffix: str) -> Iterator[StagedFile]:
        folder, final = self._prepared(name)
        path = os.path.join(folder, self.name(name.count("/"), suffix))
        with self._journal.opened() as journal, claim(journal, self._token):
            descriptor = self._made_in(folder, partial(self._create, path))
            try:
                self._os.close(descriptor)
                yield StagedFile(path, final, self._folders, self._os)
            finally:
                if self._process == os.getpid():  # not in a forked child
                    self.discard(path)

    @contextlib.contextmanager
    def _staged_tree(self, name: str, suffix: str) -> Iterator[StagedTree]:
        folder, final = self._prepared(name)
        # Each has a token of its own: code that still writes into the folder of a
        # failed save (threads of Orbax do) must not write into any other folder.
        mark = Mark(new_token(), name.count("/"))
        path = os.path.join(folder, temporary_name(mark, suffix))
        aside = os.path.join(folder, temporary_name(mark, ASIDE))
        with self._journal.opened() as journal, claim(journal, mark.token):
            self._made_in(folder, partial(self._os.mkdir, path))
            staged = StagedTree(path, final, aside, self._folders, self._os)
            try:
                yield staged
            finally:
                if self._process == os.getpid():
                    self.discard(aside)
                    self.discard(path)
                    if not staged.published:  # it may reappear: try again later
                        self._undeleted.add(path)

    def set_aside(self, name: str) -> str:
        """Return a temporary name beside its own for a tree that is to be deleted.

        Each call returns a new one: what could not be deleted keeps its name.
        """
        above, slash, _ = name.rpartition("/")
        mark = Mark(new_token(), name.count("/"))
        return f"{above}{slash}{temporary_name(mark, OWN_FOLDER)}"

    def discard(self, path: str) -> None:
        """Delete a temporary file or folder if it exists, now or later."""
        self._undeleted.add(path)
        try:
            if is_folder(path):
                name = os.path.relpath(path, self._folder).replace(os.sep, "/")
                delete_temporary(self._folder, name, self._os)
            else:
                self._os.unlink(path)
        except FileNotFoundError:  # it was published, or somebody else deleted it
            pass
        except OSError:  # for example a broken or read-only disk: try later
            return
        self._undeleted.discard(path)

    @one_wait
    def tidy(self) -> None:
        """Delete the temporary files that could not be deleted before."""
        for path in list(self._undeleted):
            self.discard(path)

    def _check_no_links(self, name: str) -> None:
        # The folder itself may be a link: the user gave it. What lies below it is ours,
        # and a link there leads to where no reader would look.
        path = self._folder
        *above, _ = name.split("/")
        for part in above:
            path = os.path.join(path, part)
            if os.path.islink(path):
                raise NotPlain(errno.ELOOP, "a folder below `filepath` is a link", path)

    def _tell_from_parent(self) -> None:
        if self._process != os.getpid():
            self._token, self._process = new_token(), os.getpid()
            self._undeleted.clear()

    def _prepared(self, name: str) -> tuple[str, str]:
        """Make the folder of a name; return the paths of the folder and the name."""
        self._check_no_links(name)
        final = os.path.join(self._folder, *name.split("/"))
        folder = os.path.dirname(final)
        self._folders.make(folder)
        self.tidy()
        self._tell_from_parent()
        return folder, final

    def _made_in(self, folder: str, make: Callable[[], Made]) -> Made:
        try:
            return make()
        except FileNotFoundError:  # the folder was empty, and another writer deleted it
            self._folders.make(folder)
            return make()

    def _create(self, path: str) -> int:
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | _BINARY
        descriptor: int = self._os.open(path, flags, 0o666)
        return descriptor
