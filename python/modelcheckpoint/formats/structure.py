"""Check the outer structure of a checkpoint that no journal describes.

The file may be malicious. Only a zip's directory and the signature of HDF5 are
inspected, nothing is unpacked, and only Python's own library reads it.
"""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Sequence
from typing import BinaryIO, cast

from modelcheckpoint.storage.names import is_name_below

__all__ = ["archive_problem", "hdf5_problem", "orbax_problem"]

_MEMBERS = ("metadata.json", "config.json", "model.weights.h5")
_LARGEST_READ = 8 << 20
"""No archive of ours has a directory as large as this, in bytes."""

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_FIRST_BLOCK = 512
"""The signature of HDF5 is at byte 0, 512, 1024, 2048, and so on."""


def archive_problem(file: BinaryIO) -> str | None:
    """Return what is wrong with a zip archive, or None; this takes little memory.

    Args:
        file: Open for reading; may be of any size.
    """
    try:
        with zipfile.ZipFile(cast(BinaryIO, _Sparing(file))) as archive:
            names = archive.namelist()
    except _TooLarge:
        return "its directory is larger than that of any checkpoint"
    except Exception as error:  # zipfile may raise anything for such a file
        return f"it cannot be opened: {str(error) or repr(error)}"
    for name in names:
        if not is_name_below(name.rstrip("/")):
            return f"a member leads out of it: {name!r}"
    missing = [name for name in _MEMBERS if name not in names]
    return f"it has no member {missing[0]!r}" if missing else None


def orbax_problem(members: Sequence[str]) -> str | None:
    """Return a problem if a folder has no complete step of Orbax, or None.

    Args:
        members: The names of the files in it, relative to it.
    """
    if any(re.fullmatch(r"\d+/_CHECKPOINT_METADATA", name) for name in members):
        return None
    return "it has no folder of a step that is complete"


def hdf5_problem(file: BinaryIO) -> str | None:
    """Return what is wrong with an HDF5 file, or None; this takes no memory.

    Args:
        file: Open for reading; may be of any size.
    """
    size, at = file.seek(0, os.SEEK_END), 0
    while at < size:
        file.seek(at)
        if file.read(len(_SIGNATURE)) == _SIGNATURE:
            return None
        at = 2 * at or _FIRST_BLOCK
    return "it cannot be opened: it has no signature of HDF5"


class _TooLarge(Exception):
    """The file asks for a larger read than any of ours needs."""


class _Sparing:
    """A file that refuses large reads, because the sizes in it may be false."""

    def __init__(self, file: BinaryIO) -> None:
        self.seek, self.tell, self._read = file.seek, file.tell, file.read

    def read(self, size: int = -1) -> bytes:
        if size > _LARGEST_READ:
            raise _TooLarge
        return self._read(size if size >= 0 else _LARGEST_READ)
