"""Finding the journal that describes a given file."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator

from modelcheckpoint.addresses import check_address, is_address
from modelcheckpoint.decide import arguments
from modelcheckpoint.journal import log
from modelcheckpoint.records import Record
from modelcheckpoint.storage import absolute, storage_for
from modelcheckpoint.storage.base import Storage

__all__ = ["absolute_path", "described"]

_FOLDERS_UP = 8
"""How far above a file to look for its journal; templates are rarely this deep."""


def absolute_path(argument: str, value: object) -> str:
    """Return the absolute path or the address that an argument names.

    Raises:
        ValueError: If it is not a path, or an invalid address.
    """
    path = absolute(arguments.path(argument, value))
    if is_address(path):
        check_address(argument, path)
    return path


def described(file: str) -> tuple[Storage, str, list[Record]]:
    """Return the storage with the journal of a file, its name there, and its lines.

    If no journal describes it, the storage is the file's own folder.

    Args:
        file: Absolute path, or address.

    Raises:
        OSError: If a journal cannot be read.
    """
    for folder, name in _places(file):
        storage = storage_for(folder)
        records = [record for record in log.read(storage) if record.path == name]
        if records:
            return storage, name, records
    folder, name = _split(file)
    return storage_for(folder), name, []


def _places(file: str) -> Iterator[tuple[str, str]]:
    """Yield folders whose journal may describe a file, with its name from there."""
    folder, name = _split(file)
    for _ in range(_FOLDERS_UP + 1):
        yield folder, name
        above, last = _split(folder)
        if above == folder or (is_address(file) and not is_address(above)):
            return  # nothing is above `/` or a bucket
        folder, name = above, f"{last}/{name}"


def _split(path: str) -> tuple[str, str]:
    return posixpath.split(path) if is_address(path) else os.path.split(path)
