"""A storage in memory: what `storage/base.py` requires, without a disk."""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import posixpath
import tempfile
import time

from local_trees import fill, tree

from modelcheckpoint.storage.base import Entry, NotPlain, digest_of
from modelcheckpoint.storage.journals import JOURNAL, NOTHING, lines_of
from modelcheckpoint.storage.names import is_tree


class MemoryStorage:
    """Files and a journal in memory, for tests whose subject is not the disk.

    Attributes:
        files: What each published file holds; a test may change it. A tree is a
            dictionary of its own files.
        staged_files: The entries of staged files, and what they hold.
        dead: Names of staged files whose writer died.
        journal: What the journal holds; None if there is none.
    """

    root = "memory:"
    is_near = True

    def __init__(self):
        self.files = {}
        self.staged_files = {}
        self.dead = set()
        self.journal = None
        self._versions = {}
        self._count = itertools.count(1)

    def check(self, name=None, given=None):
        if name is not None and any(file.startswith(f"{name}/") for file in self.files):
            raise IsADirectoryError(21, "`filepath` must name a file", name)

    def path(self, name):
        return f"{self.root}/{name}"

    def put(self, name, data):
        """Publish a file, as any other program would."""
        self.files[name] = data
        self._versions[name] = (next(self._count), time.time_ns())

    def entries(self, suffixes, depth):
        names = [
            n for n in self.files if n.endswith(suffixes) and n.count("/") <= depth
        ]
        return map(self.entry, names)

    def entry(self, name):
        if name not in self.files:
            return None
        number, modified = self._versions[name]
        return Entry(name, size_of(self.files[name]), modified, number)

    def members(self, name):
        content = self._content(name)
        if not isinstance(content, dict):
            raise NotPlain(20, "it is not a folder", name)
        for inner, data in content.items():
            yield Entry(f"{name}/{inner}", len(data), 0, 0)

    def open(self, name):
        content = self._content(name)
        if isinstance(content, dict):
            raise NotPlain(21, "it is not a regular file", name)
        return io.BytesIO(content)

    def _content(self, name):
        holds = {**self.files, **self.staged_files}
        for one, content in list(holds.items()):
            if isinstance(content, dict):
                holds.update({f"{one}/{n}": data for n, data in content.items()})
        if name not in holds:
            raise FileNotFoundError(2, "there is no such file", name)
        return holds[name]

    def digest(self, name):
        return digest_of(self, name)

    def kept_copies(self):
        return contextlib.nullcontext()

    @contextlib.contextmanager
    def local_copy(self, name):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, posixpath.basename(name))
            write(path, self._content(name))
            yield path

    @contextlib.contextmanager
    def staged(self, name, suffix):
        with tempfile.TemporaryDirectory() as folder:
            staged = MemoryStaged(self, name, os.path.join(folder, "staged" + suffix))
            try:
                yield staged
            finally:
                self.staged_files.pop(staged.name, None)

    def copy(self, name, second):
        if second in self.files:
            raise FileExistsError(17, "it is taken", second)
        self.put(second, self._content(name))

    def delete(self, entry):
        if entry.name in self.dead:
            self.dead.discard(entry.name)
            return self.staged_files.pop(entry.name, None) is not None
        if self.entry(entry.name) != entry:
            return False
        del self.files[entry.name]
        return True

    def lines(self, after=NOTHING):
        if self.journal is None:
            raise FileNotFoundError(2, "there is no journal", JOURNAL)
        return lines_of({JOURNAL: io.BytesIO(self.journal)}, after)

    def append(self, *lines):
        before = self.journal or b""
        torn = before and not before.endswith(b"\n")
        text = "".join(f"{line}\n" for line in lines)
        self.journal = before + b"\n" * bool(torn) + text.encode()

    def journal_version(self):
        return self.journal

    def unpublished(self, name):
        folder = posixpath.dirname(name)
        names = [n for n in self.staged_files if posixpath.dirname(n) == folder]
        return [Entry(n, size_of(self.staged_files[n]), 0, 0) for n in names]

    def abandoned(self):
        names = [name for name in self.staged_files if name in self.dead]
        return [Entry(n, size_of(self.staged_files[n]), 0, 0) for n in names]

    def hurry(self):
        pass

    def is_stuck(self):
        return False

    def end_in_time(self):
        return None

    def tidy(self):
        pass


class MemoryStaged:
    """A file or a tree on its way into a storage in memory."""

    def __init__(self, storage, name, path):
        self.path = path
        self.name = staged_name(name)
        self._storage, self._final = storage, name
        write(path, {} if is_tree(path) else b"")

    def write(self, parts):
        with open(self.path, "wb") as file:
            file.writelines(data for data, _ in parts)
        return self.seal()

    def seal(self, known=None):
        content = tree(self.path)
        if content is None:
            with open(self.path, "rb") as file:
                content = file.read()
        if not size_of(content):
            raise OSError(5, "the model's save wrote nothing")
        self._storage.staged_files[self.name] = content
        return digest_of(self._storage, self.name)

    @property
    def published(self):
        return self.name not in self._storage.staged_files

    def publish(self):
        self._storage.put(self._final, self._storage.staged_files.pop(self.name))


def staged_name(name):
    return f"{name}.staged{'.orbax' if is_tree(name) else ''}"


def size_of(content):
    return (
        sum(map(len, content.values())) if isinstance(content, dict) else len(content)
    )


def write(path, content):
    """Write a file, or a tree."""
    if isinstance(content, dict):
        os.mkdir(path)
        fill(path, content)
    else:
        with open(path, "wb") as file:
            file.write(content)


def left_behind(storage, name, data):
    """Leave what a writer had staged when it died in a storage in memory."""
    staged = staged_name(name)
    storage.staged_files[staged] = data
    storage.dead.add(staged)
    return staged
