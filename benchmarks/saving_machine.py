"""The machine that was measured, without its name."""

from __future__ import annotations

import os
import platform
from pathlib import Path


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
