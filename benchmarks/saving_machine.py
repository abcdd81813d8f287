"""The machine that was measured, without its name."""

from __future__ import annotations

import mmap
import os
import platform
from pathlib import Path

LEFT = 3 << 30
_MIB = 1 << 20


def touch_free_memory() -> None:
    """Write to the memory that is free, but for 3 GiB, once.

    The host of a virtual machine finds memory for it only then, in 25 times the time
    that a copy takes, and whoever comes first would pay for all that come later.
    """
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return
    free = [line.split()[1] for line in lines if line.startswith("MemAvailable")]
    size = int(free[0]) * 1024 - LEFT
    if size > 0:
        with mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE) as memory:
            memory.madvise(mmap.MADV_HUGEPAGE)
            for at in range(0, size, 2 * _MIB):
                memory[at] = 1


def machine(folder: str) -> str:
    """Return one line: processor, memory, file system, system."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} cores ({processor()}), {memory:.0f} GiB of memory, "
        f"{file_system(folder)}, {platform.system()} {platform.release()}; "
        f"load when it began {os.getloadavg()[0]:.1f}"
    )


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if "model name" in line]
    return names[0] if names else platform.machine()


def file_system(folder: str) -> str:
    """Return the type of the file system that a folder is on."""
    try:
        lines = Path("/proc/mounts").read_text().splitlines()
    except OSError:
        return "a file system of unknown type"
    folder = os.path.realpath(folder)
    found = [
        (len(at), kind)
        for at, kind in (line.split()[1:3] for line in lines)
        if folder == at or folder.startswith(at.rstrip("/") + "/")
    ]
    return max(found)[1]


if __name__ == "__main__":
    touch_free_memory()
