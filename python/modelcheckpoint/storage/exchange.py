"""Exchanging two names in one folder, in one step or not at all."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from collections.abc import Callable

__all__ = ["UNSUPPORTED", "exchange"]

UNSUPPORTED = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)
"""What a system or file system answers if it cannot do this."""

_HERE = -100
"""Linux' `AT_FDCWD`: paths mean what they mean in other functions."""

_RENAME_EXCHANGE = _RENAME_SWAP = 2


def exchange(path: str, second: str) -> None:
    """Exchange what two paths name: files, folders, or one of each.

    It uses renameat2 on Linux and renamex_np on macOS.

    Raises:
        OSError: If it was not done; one of `UNSUPPORTED` if it cannot be done.
    """
    call = _call()
    if call is None:
        raise OSError(errno.ENOSYS, "no two names can be exchanged here", path)
    if call(os.fsencode(path), os.fsencode(second)):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path, None, second)


def _call() -> Callable[[bytes, bytes], int] | None:
    if sys.platform.startswith("linux"):
        rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
        if rename is not None:
            return lambda path, second: int(
                rename(_HERE, path, _HERE, second, _RENAME_EXCHANGE)
            )
    if sys.platform == "darwin":
        rename = getattr(ctypes.CDLL(None, use_errno=True), "renamex_np", None)
        if rename is not None:
            return lambda path, second: int(rename(path, second, _RENAME_SWAP))
    return None
