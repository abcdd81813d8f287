"""Saves into a local storage, without a commit around them."""

from __future__ import annotations

import pathlib
from zlib import crc32

from modelcheckpoint.storage.base import Digest

OLD, NEW = b"old " * 1000, b"new!" * 20_000


def parts(data, size):
    """Cut data in two; the checksum of the second part is already known."""
    return [(data[:size], None), (memoryview(data)[size:], crc32(data[size:]))]


def save(storage, name="w.keras", data=NEW, line="{}", by_keras=True):
    """Save as a commit does: Keras writes the file, or we do."""
    with storage.staged(name, ".keras") as staged:
        if by_keras:
            pathlib.Path(staged.path).write_bytes(data)
            digest = staged.seal()
        else:
            digest = staged.write(parts(data, 1000))
        assert digest == Digest(len(data), f"{crc32(data):08x}")
        storage.append(line)
        staged.publish()


def save_that_raises(storage, error):
    """Begin a save and end it with an exception."""
    with storage.staged("w.keras", ".keras") as staged:
        pathlib.Path(staged.path).write_bytes(NEW)
        raise error


def files(folder):
    """Return the names of everything below a folder."""
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*"))
