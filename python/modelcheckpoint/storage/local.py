"""A folder on a local disk, in which files appear complete or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, BinaryIO

from modelcheckpoint.storage.appender import Appender
from modelcheckpoint.storage.base import Digest, Entry, NotPlain, digest_of
from modelcheckpoint.storage.beneath import (
    PLAIN,
    delete_below,
    delete_empty_above,
    open_below,
)
from modelcheckpoint.storage.directories import Directories
from modelcheckpoint.storage.journals import (
    JOURNAL,
    NOTHING,
    Line,
    is_journal,
    lines_of,
)
from modelcheckpoint.storage.local_entries import (
    entry_below,
    file_entry,
    is_still,
    members_below,
    tree_entry,
)
from modelcheckpoint.storage.local_trees import LocalTrees, copied
from modelcheckpoint.storage.names import is_tree
from modelcheckpoint.storage.preflight import check_folder, check_not_a_folder
from modelcheckpoint.storage.staging import Staged, Staging
from modelcheckpoint.storage.system import System, as_system
from modelcheckpoint.storage.temporary import ASIDE, is_abandoned, is_temporary
from modelcheckpoint.storage.temporary_folders import delete_temporary, is_folder
from modelcheckpoint.storage.walker import walk

__all__ = ["LocalStorage", "folder_of_its_own"]


class LocalStorage:
    """The folder in which checkpoints and their journal lie; see `base.Storage`.

    Its promises hold on a local file system that keeps its own promises about fsync and
    rename (POSIX). On network file systems they depend on what the server makes of
    these calls.

    Args:
        root: Absolute path of the folder; it does not have to exist yet.
        depth: How many folders below it a checkpoint may lie.
        system: Carries out the calls; a test passes one that fails.
    """

    def __init__(self, root: str, depth: int = 0, system: Any = os) -> None:
        self.root = root
        self.is_near = True
        self.depth = depth
        self._os = system = as_system(system)
        self._folders = Directories(system)
        self._journal = Appender(root, self._folders, system)
        self._staging = Staging(root, self._journal, self._folders, system)
        self._trees = LocalTrees(root, self._staging, self._folders, system)
        self._thinned: set[str] = set()

    def check(self, name: str | None = None, given: str | None = None) -> None:
        """Raise if a checkpoint could not be written here, and leave no trace.

        Args:
            name: Name of the file, if it is known.
            given: The folder as the user gave it, for errors; None for its path.

        Raises:
            OSError: If the folder, or the nearest existing one above it, is not a
                folder or cannot be written to; if `name` is a folder in it; or if the
                journal is a link or anything but a file.
        """
        probe = self._staging.name(0, ".run")
        given = self.root if given is None else given
        check_folder(self.root, given or os.curdir, probe, self._os)
        self._journal.check()
        if name is not None and not is_tree(name):
            check_not_a_folder(self.path(name), os.path.join(given, name))

    def path(self, name: str) -> str:
        """Return the absolute path of a name in this folder."""
        return os.path.join(self.root, *name.split("/"))

    def entries(self, suffixes: tuple[str, ...], depth: int) -> Iterator[Entry]:
        """Yield the regular files and the trees with these suffixes.

        Links are not followed, and a tree that cannot be read is skipped.
        """
        for name, found in walk(self.root, depth):
            is_ours = name.endswith(suffixes) and not is_temporary(found.name)
            if is_ours and found.is_dir(follow_symlinks=False) == is_tree(name):
                yield from self._seen(name, found)

    def entry(self, name: str) -> Entry | None:
        """Return the regular file or the tree with a name, or None."""
        return entry_below(self.root, name)

    def members(self, name: str) -> Iterator[Entry]:
        """Yield the files of a tree, without following links."""
        return members_below(self.root, name)

    def open(self, name: str) -> BinaryIO:
        """Open a regular file for reading; no link below this folder is followed."""
        try:
            return os.fdopen(open_below(self.root, name), "rb")
        except NotADirectoryError as error:
            raise FileNotFoundError(errno.ENOENT, error.strerror, name) from None

    def digest(self, name: str) -> Digest | None:
        """Return the digest of a file's current contents."""
        return digest_of(self, name)

    def kept_copies(self) -> AbstractContextManager[None]:
        """Do nothing: the file is local already."""
        return contextlib.nullcontext()

    def local_copy(self, name: str) -> AbstractContextManager[str]:
        """Give the path of the file itself."""
        return contextlib.nullcontext(self.path(name))

    def staged(self, name: str, suffix: str) -> AbstractContextManager[Staged]:
        """Begin a temporary file, or a temporary folder for a tree, beside `name`."""
        return self._staging.staged(name, suffix)

    def copy(self, name: str, second: str) -> None:
        """Give a file a second name, by a hard link or else by a copy."""
        if is_tree(name):
            self._trees.copy(name, second)
            return
        try:
            self._os.link(self.path(name), self.path(second))
        except FileExistsError:
            raise
        except (OSError, AttributeError):  # a file system without hard links: FAT, SMB
            if os.path.lexists(self.path(second)):
                raise FileExistsError(errno.EEXIST, "it is taken", second) from None
            self._copy(name, second)
        self._folders.flush(os.path.dirname(self.path(second)))

    def delete(self, entry: Entry) -> bool:
        """Delete a file if it has not changed, and return whether it was deleted.

        Folders below this one that become empty are deleted, too.
        """
        if not self._delete(entry):
            return False
        self._thinned.add(os.path.dirname(self.path(entry.name)))
        delete_empty_above(self.root, entry.name, self._os)
        return True

    def lines(self, after: Mapping[str, int] = NOTHING) -> Iterator[Line]:
        """Yield the lines of the journal in this folder.

        Nobody appends to journals that were copied from elsewhere, so a reader that
        continues only reads the rest of them.
        """
        with contextlib.ExitStack() as stack:
            journals: dict[str, BinaryIO] = {}
            for name in {JOURNAL, *after} if after else self._journals():
                with contextlib.suppress(FileNotFoundError, NotPlain):
                    journals[name] = stack.enter_context(self.open(name))
            if not journals:
                self.open(JOURNAL).close()  # raises an error that says what is wrong
            yield from lines_of(journals, after)

    def append(self, *lines: str) -> None:
        """Add lines to the journal, durably."""
        self._journal.append(*lines)

    def journal_version(self) -> object:
        """Return a value that changes with the journal; None if there is no journal."""
        journals = (self.entry(name) for name in sorted(self._journals()))
        return tuple(one.version for one in journals if one is not None) or None

    def unpublished(self, name: str) -> list[Entry]:
        """Return the temporary files beside a name, and what was moved aside there."""
        above, depth = name.rpartition("/")[0], name.count("/")
        found = list(self._temporary(depth, above))
        for aside in [one.name for one in found if one.name.endswith(ASIDE)]:
            with contextlib.suppress(OSError):  # gone by now
                for inner, entry in walk(self.root, depth + 1, aside):
                    found += self._seen(inner, entry) if is_tree(inner) else []
        return found

    def abandoned(self) -> list[Entry]:
        """Return the temporary files whose writer is dead, and their folders."""
        found = self._temporary(self.depth)
        return [entry for entry in found if is_abandoned(self.root, entry.name)]

    def hurry(self) -> None:
        """Do nothing: what fails on a disk is not retried for long."""

    def is_stuck(self) -> bool:
        """Return False: a disk has no time limit."""
        return False

    def end_in_time(self) -> None:
        """Do nothing: a disk has no time limit."""

    def tidy(self) -> None:
        """Delete leftover temporary files, and flush folders that lost files."""
        self._staging.tidy()
        folders, self._thinned = self._thinned, set()
        for folder in folders:  # otherwise a power cut could bring its files back
            with contextlib.suppress(OSError):
                Directories(self._os).flush(folder)

    def _journals(self) -> list[str]:
        try:
            return [name for name in os.listdir(self.root) if is_journal(name)]
        except (FileNotFoundError, NotADirectoryError):
            return []

    def _copy(self, name: str, second: str) -> None:
        with self.staged(second, ".run") as staged:
            target = self._os.open(staged.path, os.O_WRONLY | PLAIN)
            with self.open(name) as source:
                copied(source, target, self._os)
            self._os.replace(staged.path, self.path(second))

    def _delete(self, entry: Entry) -> bool:
        name, is_it = entry.name, partial(is_still, entry)
        temporary = is_temporary(name.rpartition("/")[2])
        if temporary and is_folder(name):
            with contextlib.suppress(FileNotFoundError):
                return delete_temporary(self.root, name, self._os, is_it)
            return False
        if is_tree(name):
            return self._trees.delete(entry)
        return delete_below(self.root, name, is_it, self._os)

    def _temporary(self, depth: int, below: str = "") -> Iterator[Entry]:
        with contextlib.suppress(OSError):  # there may be no such folder
            for name, found in walk(self.root, depth, below):
                if is_temporary(found.name):
                    # A file can have had the name of a tree before the two were
                    # exchanged.
                    is_dir = found.is_dir(follow_symlinks=False)
                    if is_dir == is_folder(name) or is_tree(name):
                        yield from self._seen(name, found)

    def _seen(self, name: str, found: os.DirEntry[str]) -> Iterator[Entry]:
        """Yield the entry of what a walk has found, unless it is a link or has gone."""
        is_dir = found.is_dir(follow_symlinks=False)
        if is_dir and is_tree(name):
            with contextlib.suppress(OSError):  # or it is malicious
                yield tree_entry(self.root, name)
        elif is_dir or found.is_file(follow_symlinks=False):
            with contextlib.suppress(FileNotFoundError):
                yield file_entry(name, found.stat(follow_symlinks=False))


@contextlib.contextmanager
def folder_of_its_own(temporary: str) -> Iterator[str]:
    """Give a new folder that belongs to a temporary file, and delete it at the end.

    It is for a writer that creates more than one file. A sweep finds it as it finds the
    file.
    """
    folder = os.path.splitext(temporary)[0] + ".d"
    os.mkdir(folder)
    try:
        yield folder
    finally:
        with contextlib.suppress(OSError):  # then a sweep deletes what is left
            System().patiently(shutil.rmtree, folder)
