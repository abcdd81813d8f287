"""A storage in memory: what `storage/base.py` asks for, and no disk."""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import posixpath
import tempfile
import time

from modelcheckpoint.storage.base import Entry, digest_of, measured
from modelcheckpoint.storage.journals import JOURNAL, NOTHING, lines_of


class MemoryStorage:
    """Files and a journal in memory, for tests whose subject is not the disk.

    Attributes:
        files: What each published file holds; a test may change it.
        staged_files: The entries of staged files, and what they hold.
        dead: Names of staged files whose writer died.
        journal: What the journal holds; None where there is none.
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
        """Publish a file, as anybody else would."""
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
        return Entry(name, len(self.files[name]), modified, number)

    def open(self, name):
        holds = {**self.files, **self.staged_files}
        if name not in holds:
            raise FileNotFoundError(2, "there is no such file", name)
        return io.BytesIO(holds[name])

    def digest(self, name):
        return digest_of(self, name)

    def kept_copies(self):
        return contextlib.nullcontext()

    @contextlib.contextmanager
    def local_copy(self, name):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, posixpath.basename(name))
            with open(path, "wb") as file:
                file.write(self.open(name).read())
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
        self.put(second, self.open(name).read())

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
        return [Entry(n, len(self.staged_files[n]), 0, 0) for n in names]

    def abandoned(self):
        names = [name for name in self.staged_files if name in self.dead]
        return [Entry(n, len(self.staged_files[n]), 0, 0) for n in names]

    def hurry(self):
        pass

    def is_stuck(self):
        return False

    def end_in_time(self):
        return None

    def tidy(self):
        pass


class MemoryStaged:
    """A file on its way into a storage in memory."""

    def __init__(self, storage, name, path):
        self.path = path
        self.name = f"{name}.staged"
        self._storage, self._final = storage, name
        with open(path, "wb"):
            pass

    def write(self, parts):
        with open(self.path, "wb") as file:
            file.writelines(data for data, _ in parts)
        return self.seal()

    def seal(self):
        with open(self.path, "rb") as file:
            data = file.read()
        if not data:
            raise OSError(5, "the model's save wrote nothing")
        self._storage.staged_files[self.name] = data
        return measured(io.BytesIO(data))

    @property
    def published(self):
        return self.name not in self._storage.staged_files

    def publish(self):
        self._storage.put(self._final, self._storage.staged_files.pop(self.name))


def left_behind(storage, name, data):
    """Leave in a storage in memory what a writer that died had staged."""
    staged = f"{name}.staged"
    storage.staged_files[staged] = data
    storage.dead.add(staged)
    return staged
