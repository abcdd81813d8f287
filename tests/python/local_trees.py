"""Trees of files in a local storage, without a commit around them."""

from __future__ import annotations

import os
import pathlib
from zlib import crc32

from modelcheckpoint.storage.base import Digest

OLD = {"0/pytree/d/a": b"old " * 300, "0/pytree/_METADATA": b"{}", "0/empty": b""}
NEW = {"0/pytree/d/b": b"new!" * 500, "0/pytree/_METADATA": b"{1}", "0/e/f": b"x"}


def digest_of_files(files):
    """Return the digest of a tree with these files, computed by hand."""
    lines = [f"{n} {len(d)} {crc32(d):08x}\n".encode() for n, d in files.items()]
    size = sum(map(len, files.values()))
    return Digest(size, f"{crc32(b''.join(sorted(lines))):08x}")


def fill(folder, files, system=os):
    """Write files into a folder, which is created if needed."""
    for name, data in files.items():
        path = os.path.join(folder, *name.split("/"))
        make(os.path.dirname(path), system)
        file = system.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o666)
        try:
            assert system.write(file, data) == len(data)
        finally:
            system.close(file)


def make(folder, system=os):
    """Make a folder, and the folders above it."""
    if not os.path.isdir(folder):
        make(os.path.dirname(folder), system)
        system.mkdir(str(folder))


def save(storage, name="w.orbax", files=NEW, line="{}"):
    """Save as a commit does."""
    with storage.staged(name, ".orbax") as staged:
        fill(staged.path, files)
        digest = staged.seal()
        assert digest == digest_of_files(files)
        storage.append(line)
        staged.publish()
    return digest


def split(data):
    """Return a tree with the same bytes in several files."""
    third = len(data) // 3
    files = {"0/a": data[:third], "0/d/b": data[third:-third], "0/d/c": data[-third:]}
    return {**files, "0/_METADATA": b"{}"}


def joined(files):
    """Return the bytes that were split into a tree; any other tree as text."""
    data = b"".join(files.get(name, b"") for name in ("0/a", "0/d/b", "0/d/c"))
    return data if split(data) == files else repr(files).encode()


def tree(path):
    """Return what the files in a folder hold; None if it is not a folder."""
    path = pathlib.Path(path)
    if not path.is_dir():
        return None
    files = (inner for inner in path.rglob("*") if inner.is_file())
    return {inner.relative_to(path).as_posix(): inner.read_bytes() for inner in files}


def left_behind(folder):
    """Return the temporary files and folders below a folder."""
    return sorted(path.name for path in pathlib.Path(folder).rglob(".*.tmp*"))


class WithoutExchange:
    """`os` on a file system that cannot exchange two names, such as NFS."""

    def __init__(self, system):
        self._system = system

    def __getattr__(self, name):
        return getattr(self._system, name)

    def exchange(self, path, second):
        raise OSError(22, "Invalid argument", path)


WAYS = {"exchange": lambda system: system, "no exchange": WithoutExchange}
"""How a tree takes over the name of another one."""
