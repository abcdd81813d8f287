"""Files below a folder that somebody else may be able to write to.

No link below the folder is followed, and only regular files are opened: a name cannot
lead out of the folder, nor to a pipe or a device that never ends.
"""

from __future__ import annotations

import errno
import os
import stat

__all__ = ["PLAIN", "NotPlain", "check_plain", "is_name_below", "open_below"]

_LONGEST = 4096
_BINARY = getattr(os, "O_BINARY", 0)
PLAIN = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | _BINARY
"""Flags to open a file with that is to be checked by `check_plain`."""

_FOLDER = getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)


class NotPlain(OSError):
    """There is something of that name, but it is no regular file below the folder."""


def is_name_below(name: str) -> bool:
    """Return whether a name, with `/` between its parts, stays below any folder."""
    separators = {"\\", ":"} if os.name == "nt" else set()
    parts = name.split("/")
    try:
        os.fsencode(name)
    except UnicodeEncodeError:  # JSON can hold what no file's name can
        return False
    return (
        0 < len(name) <= _LONGEST
        and not ({"", ".", ".."} & set(parts))
        and not ({"\0", *separators} & set(name))
    )


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
    if not is_name_below(name):
        raise NotPlain(errno.EINVAL, "the name leads out of its folder", name)
    if os.open not in os.supports_dir_fd:
        return _open_by_path(folder, name, flags)
    inner = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    try:
        *above, last = name.split("/")
        for part in above:
            below = _open_folder(part, inner)
            os.close(inner)
            inner = below
        check_plain(os.stat(last, dir_fd=inner, follow_symlinks=False), name)
        return _checked(os.open(last, flags | PLAIN, dir_fd=inner), name)
    finally:
        os.close(inner)


def check_plain(found: os.stat_result, name: str) -> None:
    """Raise `NotPlain` if what was found is no regular file."""
    if not stat.S_ISREG(found.st_mode):
        kind = "a link" if stat.S_ISLNK(found.st_mode) else "no regular file"
        raise NotPlain(errno.EINVAL, f"it is {kind}", name)


def _open_folder(part: str, above: int) -> int:
    found = os.stat(part, dir_fd=above, follow_symlinks=False)
    if stat.S_ISLNK(found.st_mode):
        raise NotPlain(errno.ELOOP, "its folder is a link", part)
    return os.open(part, os.O_RDONLY | _FOLDER, dir_fd=above)


def _open_by_path(folder: str, name: str, flags: int) -> int:
    path = folder
    for part in name.split("/"):
        path = os.path.join(path, part)
        if os.path.islink(path):
            raise NotPlain(errno.ELOOP, "a link", name)
    check_plain(os.lstat(path), name)
    return _checked(os.open(path, flags | PLAIN), name)


def _checked(file: int, name: str) -> int:
    try:
        check_plain(os.fstat(file), name)  # it may be another one by now
    except BaseException:
        os.close(file)
        raise
    return file
