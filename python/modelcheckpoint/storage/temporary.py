"""Temporary files: who wrote them, and whether the writer is still alive.

A writer claims its temporary files by locking one byte of its journal; the file's name
determines which byte. The lock ends with the process, however the process dies. It is
visible in other containers and (on NFS 4) on other machines, where a process id means
nothing. The temporary file itself cannot carry the lock, because HDF5 locks it. If in
doubt, a file stays.
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
from dataclasses import dataclass
from zlib import crc32

from modelcheckpoint.storage import running_process
from modelcheckpoint.storage.beneath import open_below
from modelcheckpoint.storage.journals import JOURNAL

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = [
    "ASIDE",
    "OWN_FOLDER",
    "Mark",
    "claim",
    "is_abandoned",
    "is_temporary",
    "new_token",
    "temporary_name",
]

OWN_FOLDER = ".d"
"""The ending of a temporary folder that is deleted with its contents."""

ASIDE = ".aside"
"""The ending of a temporary folder that briefly holds what had a name."""

# A place in the journal's address space far beyond its contents.
_FIRST = 1 << 40
_TEMPORARY = re.compile(
    r"\.modelcheckpoint-(?P<token>[0-9a-f]{12})-(?P<place>[0-9a-f]{8})-(?P<pid>\d{1,9})"
    r"-(?P<up>\d{1,3})\.tmp"
    r"(\.keras|\.h5|\.hdf5|\.weights\.h5|\.orbax|\.run|\.d|\.aside)"
)
_HELD = (errno.EACCES, errno.EAGAIN)


@dataclass(frozen=True)
class Mark:
    """What identifies the owner of a temporary file.

    Attributes:
        token: The writer's token, from `new_token`.
        up: How many folders above the file the writer's journal lies.
    """

    token: str
    up: int


def new_token() -> str:
    """Return a token that identifies one writer's temporary files."""
    token = secrets.token_hex(6)
    _tokens.add(token)
    return token


_tokens: set[str] = set()


def temporary_name(mark: Mark, suffix: str) -> str:
    """Return a name for a temporary file; Keras looks at its suffix."""
    owner = f"{mark.token}-{_place()}-{os.getpid()}-{mark.up}"
    return f".modelcheckpoint-{owner}.tmp{suffix}"


@contextlib.contextmanager
def claim(journal: int, token: str) -> Iterator[None]:
    """Lock the byte that belongs to `token`, at the latest until the process dies."""
    with contextlib.suppress(OSError):  # then only the process id is left
        _lock(journal, token)
    _claimed.add(journal)
    try:
        yield
    finally:
        _claimed.discard(journal)


_claimed: set[int] = set()


def _give_up_claims() -> None:
    # A forked child shares its parent's locks. If it lived longer, as a data loader
    # can, it would hold them for a dead writer.
    for journal in _claimed:
        with contextlib.suppress(OSError):
            os.close(journal)
    _claimed.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_give_up_claims)


def is_temporary(name: str) -> bool:
    """Return whether a name belongs to a temporary file, or to its folder."""
    return _TEMPORARY.fullmatch(name) is not None


def is_abandoned(folder: str, name: str) -> bool:
    """Return whether a name belongs to a temporary file whose writer is dead.

    False if its journal lies above `folder`: nothing is searched up there.

    Args:
        folder: Absolute path.
        name: Of the file, or of its folder, relative to `folder`.
    """
    *above, last = name.split("/")
    match = _TEMPORARY.fullmatch(last)
    if match is None or int(match["up"]) > len(above):
        return False
    journal = [*above[: len(above) - int(match["up"])], JOURNAL]
    free = _is_free(folder, "/".join(journal), match["token"])
    if free is False:
        return False
    if match["place"] == _place():
        # Even if the lock is free: the journal may have been replaced.
        pid = int(match["pid"])
        if pid == os.getpid():  # as in a restarted container
            return match["token"] not in _tokens
        return not running_process.runs(pid)
    return free is True


def _is_free(folder: str, journal: str, token: str) -> bool | None:
    """Return whether nobody locks the token's byte; None if this is not known."""
    try:
        descriptor = open_below(folder, journal, os.O_RDWR)
    except OSError:
        return None
    try:
        _lock(descriptor, token)
    except OSError as error:
        return False if error.errno in _HELD else None
    finally:
        os.close(descriptor)
    return True


def _lock(journal: int, token: str) -> None:
    # Locks of the open file description: unlike the older POSIX locks, they are not
    # lost when this process closes another descriptor of the same file.
    if fcntl is None or not hasattr(fcntl, "F_OFD_SETLK"):
        raise OSError(errno.ENOTSUP, "no locks of open file descriptions here")
    start = _FIRST + int(token, 16)
    request = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, start, 1, 0)
    fcntl.fcntl(journal, fcntl.F_OFD_SETLK, request)


def _place() -> str:
    # A process id is only meaningful on one machine, in one container, and until the
    # machine is restarted.
    namespace = boot = ""
    with contextlib.suppress(OSError):
        namespace = os.readlink("/proc/self/ns/pid")
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            boot = file.read()
    return f"{crc32(f'{socket.gethostname()} {namespace} {boot}'.encode()):08x}"
