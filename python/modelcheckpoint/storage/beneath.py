"""Files below a folder that somebody else may be able to write to.

No link below the folder is followed, and only regular files are opened: a name cannot
lead out of the folder, nor to a pipe or a device that never ends.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from typing import Any

from modelcheckpoint.storage.base import NotPlain
from modelcheckpoint.storage.names import is_name_below
from modelcheckpoint.storage.system import System, as_system

__all__ = [
    "PLAIN",
    "check_plain",
    "delete_below",
    "delete_empty_above",
    "open_below",
    "open_folder_below",
    "stat_below",
]

_BINARY = getattr(os, "O_BINARY", 0)
PLAIN = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | _BINARY
"""Flags to open a file with that is to be checked by `check_plain`."""

_FOLDER = getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)


def open_below(folder: str, name: str, flags: int = os.O_RDONLY) -> int:
    """Open a regular file below a folder, and return its descriptor.

    Args:
        folder: Path of the folder, which may itself be a link.
        name: Of the file, with `/` between its parts.
        flags: How to open it.

    Raises:
        NotPlain: If the name leads out of the folder, through a link, or to something
            else than a regular file.
        OSError: If the file is not there, or cannot be opened.
    """
    if os.open not in os.supports_dir_fd:
        return _open_by_path(_checked_path(folder, name), name, flags)
    with _folder_of(folder, name) as (inner, last):
        check_plain(os.stat(last, dir_fd=inner, follow_symlinks=False), name)
        return _checked(os.open(last, flags | PLAIN, dir_fd=inner), name)


def open_folder_below(folder: str, name: str) -> int:
    """Open a folder below another one, and return its descriptor.

    Args:
        folder: Path of the folder above, which may itself be a link.
        name: With `/` between its parts; empty for `folder` itself.

    Raises:
        NotPlain: If there is a link on the way.
        OSError: If it is not there, or cannot be opened.
    """
    inner = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    try:
        for part in filter(None, name.split("/")):
            below = _open_folder(part, inner)
            os.close(inner)
            inner = below
    except BaseException:
        os.close(inner)
        raise
    return inner


def stat_below(folder: str, name: str) -> os.stat_result:
    """Return what has a name below a folder, which may be a link or anything else.

    Raises:
        NotPlain: If the name leads out of the folder, or through a link.
        OSError: If it is not there, or cannot be seen.
    """
    if os.stat not in os.supports_dir_fd:
        return os.lstat(_checked_path(folder, name))
    with _folder_of(folder, name) as (inner, last):
        return os.stat(last, dir_fd=inner, follow_symlinks=False)


def delete_below(
    folder: str, name: str, is_it: Callable[[os.stat_result], bool], calls: Any = os
) -> bool:
    """Delete what has this name below a folder; a folder with all that is in it.

    Args:
        folder: Path of the folder, which may itself be a link.
        name: With `/` between its parts.
        is_it: Whether what is there by now is what is to go.
        calls: What carries out the calls.

    Returns:
        Whether it was there, and was deleted.

    Raises:
        NotPlain: If the name leads out of the folder, or through a link. A link that
            has the name itself is deleted, and not what it leads to.
        OSError: If it cannot be deleted.
    """
    system = as_system(calls)
    try:
        if os.unlink not in system.supports_dir_fd:
            return _delete_by_path(_checked_path(folder, name), is_it, system)
        with _folder_of(folder, name) as (inner, last):
            found = os.stat(last, dir_fd=inner, follow_symlinks=False)
            if not is_it(found):
                return False
            if not stat.S_ISDIR(found.st_mode):
                system.unlink(last, dir_fd=inner)
                return True
            _delete_folder(last, inner, system)
            return True
    except (FileNotFoundError, NotADirectoryError):
        return False
    except RecursionError:  # nothing of ours has so many folders in folders
        reason = "there are too many folders in folders"
        raise OSError(errno.ELOOP, reason, name) from None


def delete_empty_above(folder: str, name: str, calls: Any = os) -> None:
    """Delete the folders between a folder and a name in it that are empty, if any."""
    system = as_system(calls)
    *above, _ = name.split("/")
    with contextlib.suppress(OSError):
        for count in range(len(above), 0, -1):
            inner = "/".join(above[:count])
            if os.rmdir not in system.supports_dir_fd:
                system.rmdir(_checked_path(folder, inner))
            else:
                with _folder_of(folder, inner) as (descriptor, last):
                    system.rmdir(last, dir_fd=descriptor)


def check_plain(found: os.stat_result, name: str) -> None:
    """Raise `NotPlain` if what was found is no regular file."""
    if not stat.S_ISREG(found.st_mode):
        kind = "a link" if stat.S_ISLNK(found.st_mode) else "no regular file"
        raise NotPlain(errno.EINVAL, f"it is {kind}", name)


@contextlib.contextmanager
def _folder_of(folder: str, name: str) -> Iterator[tuple[int, str]]:
    """Give a descriptor of the folder that a name is in, and the name's last part."""
    _check_name(name)
    above, _, last = name.rpartition("/")
    inner = open_folder_below(folder, above)
    try:
        yield inner, last
    finally:
        os.close(inner)


def _check_name(name: str) -> None:
    if not is_name_below(name):
        raise NotPlain(errno.EINVAL, "the name leads out of its folder", name)


def _open_folder(part: str, above: int) -> int:
    found = os.stat(part, dir_fd=above, follow_symlinks=False)
    if stat.S_ISLNK(found.st_mode):
        raise NotPlain(errno.ELOOP, "its folder is a link", part)
    return os.open(part, os.O_RDONLY | _FOLDER, dir_fd=above)


def _delete_by_path(
    path: str, is_it: Callable[[os.stat_result], bool], system: System
) -> bool:
    found = os.lstat(path)
    if not is_it(found):
        return False
    if stat.S_ISDIR(found.st_mode):
        system.patiently(shutil.rmtree, path)
    else:
        system.unlink(path)
    return True


def _delete_folder(name: str, above: int, system: System) -> None:
    # What walks into it must not be led away by a link that takes its place.
    inner = _open_folder(name, above)
    try:
        with os.scandir(inner) as entries:
            found = [(e.name, e.is_dir(follow_symlinks=False)) for e in entries]
        for entry, is_folder in found:
            if is_folder:
                _delete_folder(entry, inner, system)
            else:
                system.unlink(entry, dir_fd=inner)
    finally:
        os.close(inner)
    system.rmdir(name, dir_fd=above)


def _checked_path(folder: str, name: str) -> str:
    """Return the path of a name whose folders are no links, as far as can be seen."""
    _check_name(name)
    path = folder
    *above, last = name.split("/")
    for part in above:
        path = os.path.join(path, part)
        if os.path.islink(path):
            raise NotPlain(errno.ELOOP, "its folder is a link", name)
    return os.path.join(path, last)


def _open_by_path(path: str, name: str, flags: int) -> int:
    check_plain(os.lstat(path), name)
    return _checked(os.open(path, flags | PLAIN), name)


def _checked(file: int, name: str) -> int:
    try:
        check_plain(os.fstat(file), name)  # it may be another one by now
    except BaseException:
        os.close(file)
        raise
    return file
