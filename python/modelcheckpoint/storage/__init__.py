"""The only modules that touch a disk or a store; `storage_for` opens a path."""

from __future__ import annotations

import os

from modelcheckpoint.addresses import is_address
from modelcheckpoint.extras import check_extra
from modelcheckpoint.storage.base import Storage
from modelcheckpoint.storage.local import LocalStorage

__all__ = ["absolute", "check_library", "storage_for"]


def absolute(path: str) -> str:
    """Return a path made absolute, with `~` expanded, or an address as it is."""
    if is_address(path):
        scheme, mark, rest = path.partition("://")
        return f"{scheme}{mark}{rest.rstrip('/')}"
    return os.path.abspath(os.path.expanduser(path))


def check_library(address: str) -> None:
    """Raise `ImportError`, with the way out, if no library can open an address."""
    check_extra("remote", f"{address} is in an object store")


def storage_for(root: str, depth: int = 0) -> Storage:
    """Return the storage for a path or an address; it is not accessed yet.

    Args:
        root: Absolute path of a folder, or address in an object store, such as
            `s3://bucket/run`; neither has to exist.
        depth: How many folders below it a checkpoint may lie.

    Raises:
        ImportError: If the library that an address needs is missing.
    """
    if is_address(root):
        check_library(root)
        # Loads a library that only object stores need.
        from modelcheckpoint.storage.objects import ObjectStorage

        return ObjectStorage(root, depth)
    return LocalStorage(root, depth)
