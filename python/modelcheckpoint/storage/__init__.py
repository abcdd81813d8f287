"""The only modules that touch a disk or a store; `storage_for` opens a path."""

from __future__ import annotations

import os
from importlib.util import find_spec

from modelcheckpoint.addresses import is_address
from modelcheckpoint.storage.base import Storage
from modelcheckpoint.storage.local import LocalStorage

__all__ = ["absolute", "check_library", "storage_for"]


def absolute(path: str) -> str:
    """Return a path as an absolute one, `~` expanded, or an address as it is."""
    if is_address(path):
        scheme, mark, rest = path.partition("://")
        return f"{scheme}{mark}{rest.rstrip('/')}"
    return os.path.abspath(os.path.expanduser(path))


def check_library(address: str) -> None:
    """Raise `ImportError`, with the way out, if nothing here can open an address."""
    if find_spec("obstore") is None:
        raise ImportError(
            f"{address} is in an object store, for which the package obstore is "
            'missing: pip install "modelcheckpoint[remote]"'
        )


def storage_for(root: str, depth: int = 0) -> Storage:
    """Return the storage behind a path or an address; nothing is looked at yet.

    Args:
        root: Absolute path of a folder, or address in a store of objects, such as
            `s3://bucket/run`; neither need exist.
        depth: How many folders below it a checkpoint may lie.

    Raises:
        ImportError: If the library is missing that an address needs.
    """
    if is_address(root):
        check_library(root)
        # Loads a library that only they need.
        from modelcheckpoint.storage.objects import ObjectStorage

        return ObjectStorage(root, depth)
    return LocalStorage(root, depth)
