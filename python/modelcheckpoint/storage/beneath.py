"""Files below a folder that somebody else may be able to write to.

No link below the folder is followed, and only regular files are opened: a name cannot
lead out of the folder, or to a pipe or a device that never ends.
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
    "rename_below",
    "stat_below",
]

_BINARY = getattr(os, "O_BINARY", 0)
PLAIN = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | _BINARY
"""Flags for opening a file that `check_plain` then checks."""

_FOLDER = getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)


def open_below(folder: str, name: str, flags: int = os.O_RDONLY) -> int:
    """Open a regular file below a folder, and return its descriptor.

    Args:
        folder: Path of the folder, which may itself be a link.
        name: Of the file, with `/` between its parts.
        flags: How to open it.

    Raises:
        NotPlain: If the name leads out of the folder, through a link, or to anything
            but a regular file.
        OSError: If the file does not exist, or cannot be opened.
    """
    if os.open not in os.supports_dir_fd:
        return _open_by_path(_checked_path(folder, name), name, flags)
    with _folder_of(folder, name) as (inner, last):
        check_plain(os.stat(last, dir_fd=inner, follow_symlinks=False), name)
        return _checked(os.open(last, flags | PLAIN, dir_fd=inner), name)


def open_folder_below(folder: str, name: str) -> int:
    """Open a folder below another folder, and return its descriptor.

    Args:
        folder: Path of the folder above, which may itself be a link.
        name: With `/` between its parts; empty for `folder` itself.

    Raises:
        NotPlain: If there is a link on the way.
        OSError: If it does not exist, or cannot be opened.
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
    """Return the status of a name below a folder, which may be a link or anything.

    Raises:
        NotPlain: If the name leads out of the folder, or through a link.
        OSError: If it does not exist, or cannot be accessed.
    """
    if os.stat not in os.supports_dir_fd:
        return os.lstat(_checked_path(folder, name))
    with _folder_of(folder, name) as (inner, last):
        return os.stat(last, dir_fd=inner, follow_symlinks=False)


def rename_below(folder: str, name: str, target: str, calls: Any = os) -> None:
    """Rename a file or folder below a folder; its own folder may change.

    Args:
        folder: Path of the folder, which may itself be a link.
        name: With `/` between its parts.
        target: The new name, likewise.
        calls: What carries out the calls.

    Raises:
        NotPlain: If a name leads out of the folder, or through a link.
        OSError: If it does not exist, or cannot be renamed.
    """
    system = as_system(calls)
    if os.rename not in system.supports_dir_fd:
        system.replace(_checked_path(folder, name), _checked_path(folder, target))
        return
    with _folder_of(folder, name) as old, _folder_of(folder, target) as new:
        system.replace(old[1], new[1], src_dir_fd=old[0], dst_dir_fd=new[0])


def delete_below(
    folder: str, name: str, is_it: Callable[[os.stat_result], bool], calls: Any = os
) -> bool:
    """Delete a file, or a folder with its contents, below a folder.

    Args:
        folder: Path of the folder, which may itself be a link.
        name: With `/` between its parts.
        is_it: Whether what has the name now is what is to be deleted.
        calls: Carries out the calls.

    Returns:
        Whether it existed, and was deleted.

    Raises:
        NotPlain: If the name leads out of the folder, or through a link. If the name
            itself is a link, the link is deleted, not its target.
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
    except RecursionError:  # nothing of ours is nested so deeply
        reason = "there are too many folders in folders"
        raise OSError(errno.ELOOP, reason, name) from None


def delete_empty_above(folder: str, name: str, calls: Any = os) -> None:
    """Delete the empty folders between a folder and a name in it, if any."""
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
    """Raise `NotPlain` if what was found is not a regular file."""
    if not stat.S_ISREG(found.st_mode):
        kind = "a link" if stat.S_ISLNK(found.st_mode) else "not a regular file"
        raise NotPlain(errno.EINVAL, f"it is {kind}", name)


@contextlib.contextmanager
def _folder_of(folder: str, name: str) -> Iterator[tuple[int, str]]:
    """Give a descriptor of a name's folder, and the last part of the name."""
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
    # A link that takes its place must not lead the deletion elsewhere.
    inner = _open_folder(name, above)
    try:
        with os.scandir(inner) as entries:
            found = [(e.name, e.is_dir(follow_symlinks=False)) for e in entries]
        for entry, is_folder in found:
            if is_folder:
                _delete_folder(entry, inner, system)
            else:
                with contextlib.suppress(FileNotFoundError):  # others delete it, too
                    system.unlink(entry, dir_fd=inner)
    finally:
        os.close(inner)
    system.rmdir(name, dir_fd=above)


def _checked_path(folder: str, name: str) -> str:
    """Return the path of a name; its folders are not links, as far as can be seen."""
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
        check_plain(os.fstat(file), name)  # it may have been replaced
    except BaseException:
        os.close(file)
        raise
    return file
