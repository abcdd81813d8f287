"""Checking before the first batch, without a trace, whether a file can be written."""

from __future__ import annotations

import errno
import os
from typing import Any

__all__ = ["check_folder", "check_not_a_folder"]

_NO_UNNAMED_FILES = (errno.ENOTSUP, errno.EISDIR, errno.EINVAL)


def check_folder(folder: str, given: str, probe: str, system: Any = os) -> None:
    """Raise if no file can be created in a folder, or in the nearest one above it.

    Args:
        folder: Absolute path; it does not have to exist.
        given: The same path as the user gave it, for the error.
        probe: Name of a file to create and delete, if there is no other way.
        system: Carries out the calls.

    Raises:
        OSError: If the nearest existing path is not a folder, or cannot be written to.
            If this is not the folder itself, the error names both.
    """
    nearest = folder
    while not os.path.lexists(nearest) and os.path.dirname(nearest) != nearest:
        nearest = os.path.dirname(nearest)
    above = nearest != folder
    if not os.path.isdir(nearest):
        rule = "`filepath` must lie in a folder, not in a file"
        reason = f"{rule} ({nearest!r} is not a folder)" if above else rule
        raise NotADirectoryError(errno.ENOTDIR, reason, given)
    try:
        _try_to_write(nearest, probe, system)
    except OSError as error:
        rule = "`filepath` must lie in a folder that can be written to"
        where = f"no folder can be made in {nearest!r}: " if above else ""
        reason = f"{rule} ({where}{error.strerror or error})"
        raise type(error)(error.errno, reason, given) from error


def check_not_a_folder(path: str, given: str) -> None:
    """Raise if a folder has the name of the file to be written.

    Args:
        path: Absolute path of the file.
        given: The same path as the user gave it, for the error.
    """
    if os.path.isdir(path):
        # The last sentence is Keras' own, which people search for.
        raise IsADirectoryError(
            errno.EISDIR,
            "`filepath` must name a file, not an existing folder. Please specify a "
            "non-directory filepath for ModelCheckpoint.",
            given,
        )


def _try_to_write(folder: str, probe: str, system: Any) -> None:
    try:
        # A file without a name: nobody sees it, and nothing is left to delete.
        system.close(system.open(folder, os.O_TMPFILE | os.O_WRONLY, 0o600))
        return
    except AttributeError:  # not Linux
        pass
    except OSError as error:
        if error.errno not in _NO_UNNAMED_FILES:
            raise
    path = os.path.join(folder, probe)
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
    system.close(system.open(path, flags, 0o666))
    system.unlink(path)
