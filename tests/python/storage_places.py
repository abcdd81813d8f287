"""Storages of each kind, and what others do to them."""

from __future__ import annotations

import pathlib

from checkpoint_files import abandoned_path
from memory_storage import MemoryStorage, left_behind, write

from modelcheckpoint.storage import storage_for
from modelcheckpoint.storage.journals import JOURNAL
from modelcheckpoint.storage.object_listing import journals_in
from modelcheckpoint.storage.object_store import SMALL, store_at


class Local:
    """A folder on a disk, and what others do to it."""

    leaves_pieces = True
    resolution, copies = 0, True

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        self.storage = storage_for(str(folder), depth=1)

    def write_journal(self, data):
        (self.folder / JOURNAL).write_bytes(data)

    def read_journal(self):
        return (self.folder / JOURNAL).read_bytes()

    def leave(self, name, data):
        above, suffix = pathlib.PurePosixPath(name).parent, pathlib.Path(name).suffix
        path = abandoned_path(self.folder / above, suffix=suffix)
        path.parent.mkdir(exist_ok=True)
        write(path, data)
        return path.relative_to(self.folder).as_posix()


class InMemory:
    """A storage in memory, and what others do to it."""

    leaves_pieces = True
    resolution, copies = 0, True

    def __init__(self, folder):
        self.storage = MemoryStorage()

    def write_journal(self, data):
        self.storage.journal = data

    def read_journal(self):
        return self.storage.journal

    def leave(self, name, data):
        return left_behind(self.storage, name, data)


class Objects:
    """A bucket of a real server, and what others do to it."""

    leaves_pieces = False
    resolution = 2.1

    def __init__(self, server, name):
        server.bucket(name)
        self.address = f"{server.scheme}://{name}/run"
        self.storage = storage_for(self.address, depth=1)
        self.copies = server.copies

    def write_journal(self, data):
        import obstore

        obstore.put(self._store(), self._journal(), data)

    def read_journal(self):
        import obstore

        return bytes(obstore.get(self._store(), self._journal()).bytes())

    def _store(self):
        return store_at(self.address, SMALL)

    def _journal(self):
        import obstore

        journals = journals_in(obstore, self._store())
        return journals[0].name if journals else JOURNAL
