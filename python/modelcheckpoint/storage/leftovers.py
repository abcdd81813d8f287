"""Temporary files: whose are they, and does their writer still live?

A writer claims its temporary files by a lock on one byte of the folder's journal, at a
place that their name tells; the lock goes with the process, however that dies, and is
seen from other containers and (on NFS 4) other machines, where a process id means
nothing. The temporary file itself cannot carry the lock: HDF5 takes its own.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import socket
import struct
from collections.abc import Iterator
from typing import Any
from zlib import crc32

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["claim", "is_abandoned", "new_token", "temporary_name"]

# A place in the journal's address space far beyond its contents.
_FIRST = 1 << 40
_TEMPORARY = re.compile(
    r"\.modelcheckpoint-(?P<token>[0-9a-f]{12})-(?P<place>[0-9a-f]{8})-(?P<pid>\d{1,9})"
    r"\.tmp(\.keras|\.h5|\.hdf5|\.weights\.h5|\.run)"
)
_UNSUPPORTED = (
    errno.EINVAL,
    errno.ENOLCK,
    errno.ENOSYS,
    errno.ENOTSUP,
    errno.EOPNOTSUPP,
)


def new_token() -> str:
    """Return what tells this writer's temporary files from every other's."""
    return secrets.token_hex(6)


def temporary_name(token: str, suffix: str) -> str:
    """Return the name of a temporary file; Keras looks at its suffix."""
    return f".modelcheckpoint-{token}-{_place()}-{os.getpid()}.tmp{suffix}"


def claim(journal: int, token: str) -> None:
    """Hold the byte that belongs to `token` until the descriptor is closed."""
    with contextlib.suppress(OSError):  # then the process id is all there is
        _lock(journal, token)


def is_abandoned(name: str, open_journal: Any) -> bool:
    """Return whether `name` is a temporary file whose writer is certainly dead.

    Args:
        name: Name of a file in the checkpoint folder.
        open_journal: Context manager that gives a descriptor of the folder's journal,
            open for writing, or raises OSError.
    """
    match = _TEMPORARY.fullmatch(name)
    if match is None:
        return False
    try:
        with open_journal() as journal:
            _lock(journal, match["token"])
        return True
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            return False
    return match["place"] == _place() and not _runs(int(match["pid"]))


def _lock(journal: int, token: str) -> None:
    # Locks of the open file description: unlike POSIX' older ones they are not lost
    # when another descriptor of the same file is closed in this process.
    if fcntl is None or not hasattr(fcntl, "F_OFD_SETLK"):
        raise OSError(errno.ENOTSUP, "no locks of open file descriptions here")
    start = _FIRST + int(token, 16)
    request = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, start, 1, 0)
    fcntl.fcntl(journal, fcntl.F_OFD_SETLK, request)


def _place() -> str:
    # A process id means something only on one machine, and there in one container.
    namespace = ""
    with contextlib.suppress(OSError):
        namespace = os.readlink("/proc/self/ns/pid")
    return f"{crc32(f'{socket.gethostname()} {namespace}'.encode()):08x}"


def _runs(pid: int) -> bool:
    if os.name == "nt":  # there os.kill(pid, 0) would stop it; deleting fails if open
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def walk(folder: str, depth: int) -> Iterator[str]:
    """Yield `folder` and the folders below it, `depth` levels down, links excepted."""
    yield folder
    if depth < 1:
        return
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        below = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
        for path in below:
            yield from walk(path, depth - 1)
