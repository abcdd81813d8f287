"""Deleting temporary folders, and giving back what was moved aside in them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable

from modelcheckpoint.storage.beneath import (
    delete_below,
    open_folder_below,
    rename_below,
    stat_below,
)
from modelcheckpoint.storage.directories import Directories
from modelcheckpoint.storage.names import TREES, is_tree
from modelcheckpoint.storage.system import System
from modelcheckpoint.storage.temporary import ASIDE, OWN_FOLDER

__all__ = ["delete_temporary", "is_folder"]


def is_folder(name: str) -> bool:
    """Return whether a temporary name is that of a folder."""
    return name.endswith((OWN_FOLDER, ASIDE, *TREES))


def delete_temporary(
    root: str,
    name: str,
    system: System,
    is_it: Callable[[os.stat_result], bool] = lambda found: True,
) -> bool:
    """Delete a temporary folder with its contents, or a file in its place.

    What was moved aside in it gets its name back if the name is free: its writer died
    or failed before another checkpoint got the name.

    Args:
        root: Absolute path of the folder of checkpoints.
        name: Of the temporary folder, relative to `root`.
        system: Carries out the calls.
        is_it: Whether what has the name now is what is to be deleted.

    Returns:
        Whether it existed, and was deleted.

    Raises:
        FileNotFoundError: If it does not exist.
        OSError: If it cannot be deleted.
    """
    stat_below(root, name)
    if name.endswith(ASIDE):
        _give_back(root, name, system)
    # Until its temporary name is durable, a power cut could bring back the name it had
    # before, with half of it deleted. The same applies to what is given back.
    Directories(system).flush(os.path.dirname(os.path.join(root, *name.split("/"))))
    return delete_below(root, name, is_it, system)


def _give_back(root: str, aside: str, system: System) -> None:
    above, slash, _ = aside.rpartition("/")
    for last in _names_in(root, aside):
        name = f"{above}{slash}{last}"
        if is_tree(last) and not _is_taken(root, name):
            rename_below(root, f"{aside}/{last}", name, system)


def _names_in(root: str, folder: str) -> list[str]:
    if os.listdir not in os.supports_fd:
        return os.listdir(os.path.join(root, *folder.split("/")))
    opened = open_folder_below(root, folder)
    try:
        return os.listdir(opened)
    finally:
        os.close(opened)


def _is_taken(root: str, name: str) -> bool:
    with contextlib.suppress(FileNotFoundError):
        stat_below(root, name)
        return True
    return False
