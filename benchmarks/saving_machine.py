"""The machine that was measured, without its name."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from pathlib import Path

KEPT = "kept-"
_FILLER = "filler"
_LEFT_DISK = 16 << 30


def kept_folder(folder: str) -> str:
    """Create a folder for the files of one fit, which `renew` deletes.

    If they were deleted after the fit, the next one would write to free memory, which
    is slow on some machines.
    """
    return tempfile.mkdtemp(dir=folder, prefix=KEPT)


def clear(folder: str) -> None:
    """Delete what earlier fits have saved, and what fills the memory.

    Returns only when the disk has done it, because flushes are slower until then.
    """
    _delete_kept(folder)
    Path(folder, _FILLER).unlink(missing_ok=True)
    os.sync()


def renew(folder: str, fill: bool = False) -> None:
    """Delete what earlier fits have saved, and fill the memory again.

    Args:
        folder: Where `kept_folder` has created folders.
        fill: Whether to fill the memory for the first time, too.
    """
    _delete_kept(folder)
    if fill or Path(folder, _FILLER).exists():
        fill_memory(folder)


def fill_memory(folder: str) -> None:
    """Fill the free memory with the pages of a file, as far as the disk has room.

    On a machine that has run for a while the memory is full of such pages, and a write
    takes the place of an old page. The host of a virtual machine, however, provides
    memory only when it is first written to, and may take back what is free: there, a
    write to a new page takes up to ten times as long.
    """
    filler = Path(folder, _FILLER)
    if shutil.disk_usage(folder).free < _free_memory() + _LEFT_DISK:
        filler.unlink(missing_ok=True)
    room = shutil.disk_usage(folder).free - _LEFT_DISK
    block = bytes(1 << 20)
    with filler.open("ab") as file:
        for _ in range(min(_free_memory(), room) // len(block)):
            file.write(block)
        os.fsync(file.fileno())


def _delete_kept(folder: str) -> None:
    for kept in Path(folder).glob(f"{KEPT}*"):
        shutil.rmtree(kept, ignore_errors=True)


def _free_memory() -> int:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return 0
    free = [line.split()[1] for line in lines if line.startswith("MemFree")]
    return int(free[0]) * 1024


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
