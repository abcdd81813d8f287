"""Checking whether a process on this machine is running."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

__all__ = ["is_running", "runs"]

# Windows: the least right with which one can wait for a process, the error if no
# process has the id, and what a wait returns while the process runs.
_SYNCHRONIZE = 0x0010_0000
_INVALID_PARAMETER = 87
_WAIT_OBJECT_0 = 0


def runs(pid: int) -> bool:
    """Return whether a process with this id runs; True if this is not known."""
    if os.name == "nt":  # where os.kill(pid, 0) would end it
        return _runs_on_windows(pid)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def is_running(pid: int, kernel: Any, last_error: Callable[[], int]) -> bool:
    """Return whether a process runs, according to kernel32.dll."""
    handle = kernel.OpenProcess(_SYNCHRONIZE, False, pid)
    if not handle:
        return last_error() != _INVALID_PARAMETER
    try:
        # Somebody may hold a handle to a process that has ended.
        return bool(kernel.WaitForSingleObject(handle, 0) != _WAIT_OBJECT_0)
    finally:
        kernel.CloseHandle(handle)


def _runs_on_windows(pid: int) -> bool:
    import ctypes
    from ctypes import wintypes

    windows: Any = ctypes  # on other systems it does not have these names
    kernel = windows.WinDLL("kernel32", use_last_error=True)
    kernel.OpenProcess.restype = wintypes.HANDLE
    kernel.WaitForSingleObject.argtypes = [wintypes.HANDLE, wintypes.DWORD]
    kernel.CloseHandle.argtypes = [wintypes.HANDLE]
    return is_running(pid, kernel, windows.get_last_error)
