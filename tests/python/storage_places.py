"""Storages of each kind, and what others do to them."""

from __future__ import annotations

import pathlib

from checkpoint_files import abandoned_path
from memory_storage import MemoryStorage, left_behind

from modelcheckpoint.storage import storage_for
from modelcheckpoint.storage.journals import JOURNAL


class Local:
    """A folder on a disk, and what others do to it."""

    leaves_pieces = True
    resolution = 0

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        self.storage = storage_for(str(folder), depth=1)

    def write_journal(self, data):
        (self.folder / JOURNAL).write_bytes(data)

    def read_journal(self):
        return (self.folder / JOURNAL).read_bytes()

    def leave(self, name, data):
        path = abandoned_path(self.folder / pathlib.PurePosixPath(name).parent)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        return path.relative_to(self.folder).as_posix()


class InMemory:
    """A storage in memory, and what others do to it."""

    leaves_pieces = True
    resolution = 0

    def __init__(self, folder):
        self.storage = MemoryStorage()

    def write_journal(self, data):
        self.storage.journal = data

    def read_journal(self):
        return self.storage.journal

    def leave(self, name, data):
        return left_behind(self.storage, name, data)


class Objects:
    """A bucket of a real S3 server, and what others do to it."""

    leaves_pieces = False
    resolution = 2.1

    def __init__(self, server, name):
        self.folder, self._server = server.bucket(name), server
        self.storage = storage_for(f"s3://{name}/run", depth=1)

    def write_journal(self, data):
        (self.folder / "run").mkdir(exist_ok=True)
        self._journal().write_bytes(data)
        self._server.refresh()

    def read_journal(self):
        return self._journal().read_bytes()

    def _journal(self):
        (path, *_) = [
            *(self.folder / "run").glob("modelcheckpoint.*.jsonl"),
            self.folder / "run" / JOURNAL,
        ]
        return path
