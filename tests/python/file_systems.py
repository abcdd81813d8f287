"""Real file systems in files: made, mounted by a loop device, and unmounted again."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class FileSystem:
    """How a file system is made and mounted.

    Attributes:
        name: As `mount -t` takes it.
        make: The command that makes it, without the file.
        size: Of the file, in MiB; none could be much smaller.
        options: Of `mount`.
    """

    name: str
    make: tuple[str, ...]
    size: int
    options: str = "loop"


FILE_SYSTEMS = {
    one.name: one
    for one in (
        # Otherwise the kernel zeroes its tables for a while after the first mount.
        FileSystem(
            "ext4",
            ("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,nodiscard"),
            192,
        ),
        # All copies of it have the same identifier.
        FileSystem("xfs", ("mkfs.xfs", "-q", "-f", "-K"), 320, "loop,nouuid"),
        FileSystem("btrfs", ("mkfs.btrfs", "-q", "-f", "-K"), 256),
    )
}


def refusal():
    """Return why no file system can be mounted on a FUSE disk here, or None."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        return "this needs Linux, and root to mount"
    for path in ("/dev/fuse", "/dev/loop-control"):
        if not os.path.exists(path):
            return f"there is no {path}"
    try:
        import mfusepy  # noqa: F401
    except (ImportError, OSError) as error:
        return f"FUSE cannot be used from Python: {error}"
    command = [*alone(), "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except FileNotFoundError as error:
        return f"{error.filename} is missing"
    except subprocess.CalledProcessError as error:
        return f"mounting is refused: {error.stderr.strip()}"
    return None


def absence(file_system):
    """Return why a file system cannot be made here, or None."""
    make = FILE_SYSTEMS[file_system].make[0]
    return None if shutil.which(make) else f"{make} is missing"


def alone():
    """Return the beginning of a command whose mounts only it and its children see.

    The mounts go with the last of these processes, however they end. All of them end
    with the first one.
    """
    return ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]


def make(file_system, path):
    """Make an empty file system in a new file."""
    made = FILE_SYSTEMS[file_system]
    with open(path, "xb") as file:
        file.truncate(made.size << 20)
    _run(*made.make, path)


@contextlib.contextmanager
def mounted(file_system, image, folder):
    """Mount a file system on a folder, by the kernel, through a loop device.

    Raises:
        subprocess.CalledProcessError: If the kernel does not mount it, or cannot
            unmount it.
    """
    made = FILE_SYSTEMS[file_system]
    _run("mount", "-t", made.name, "-o", made.options, image, folder)
    device = _run("findmnt", "-n", "-o", "SOURCE", folder).strip()
    try:
        yield
    finally:
        unmount(folder)
        if made.name == "btrfs":
            # It would take the next image, from an earlier moment, for an old copy.
            _run("btrfs", "device", "scan", "--forget", device)


def unmount(folder, attempts=50):
    """Unmount a folder; if it stays in use, do so after its last user, and raise.

    Raises:
        subprocess.CalledProcessError: If it stayed in use for seconds.
    """
    for _ in range(attempts):
        try:
            _run("umount", folder)
            return
        except subprocess.CalledProcessError as error:
            failed = error
            time.sleep(0.1)
    _run("umount", "-l", folder)
    raise failed


def _run(*command):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if done.returncode:
        print(*command, done.stderr, file=sys.stderr, flush=True)
        done.check_returncode()
    return done.stdout
