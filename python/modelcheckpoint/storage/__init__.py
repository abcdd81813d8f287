"""The only modules that touch a disk; `storage_for` opens what lies behind a path."""

from __future__ import annotations

from modelcheckpoint.storage.base import Storage
from modelcheckpoint.storage.local import LocalStorage

__all__ = ["storage_for"]


def storage_for(root: str, depth: int = 0) -> Storage:
    """Return the storage behind an absolute path; nothing is looked at yet.

    Args:
        root: Absolute path of a folder, which need not exist.
        depth: How many folders below it a checkpoint may lie.
    """
    return LocalStorage(root, depth)
