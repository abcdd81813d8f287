"""A copy of a checkpoint in a folder of this machine."""

from __future__ import annotations

import errno
import os
import shutil

from modelcheckpoint.storage.base import Digest, NotPlain, Storage
from modelcheckpoint.storage.directories import Directories
from modelcheckpoint.storage.names import is_name_below, is_tree
from modelcheckpoint.storage.staged_file import sealed
from modelcheckpoint.storage.staged_tree import StagedTree
from modelcheckpoint.storage.system import as_system

__all__ = ["durable_copy"]

_CHUNK = 1 << 20


def durable_copy(storage: Storage, name: str, path: str) -> Digest:
    """Copy a file or a tree, durably, and return the digest of the copy.

    Args:
        storage: Where it is.
        name: Its name there.
        path: Absolute path of the copy, which must not exist yet.

    Raises:
        FileNotFoundError: If nothing has this name.
        NotPlain: If it is a link, or contains anything but files and folders.
        OSError: If it cannot be read, or the copy cannot be written. Part of the copy
            may then exist.
    """
    system = as_system(os)
    if not is_tree(name):
        _copy_file(storage, name, path)
        return sealed(path, system)
    os.mkdir(path)
    for member in storage.members(name):
        inner = member.name[len(name) + 1 :]
        if not is_name_below(inner):  # an object can have any name
            raise NotPlain(errno.EINVAL, "its name leads elsewhere", member.name)
        copy = os.path.join(path, *inner.split("/"))
        os.makedirs(os.path.dirname(copy), exist_ok=True)
        _copy_file(storage, member.name, copy)
    return StagedTree(path, path, path, Directories(system), system).seal()


def _copy_file(storage: Storage, name: str, path: str) -> None:
    with storage.open(name) as source, open(path, "xb") as copy:
        shutil.copyfileobj(source, copy, _CHUNK)
