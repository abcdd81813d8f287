"""A disk that can be unplugged: a FUSE file system that logs what reaches its file.

    power_cut_disk.py FOLDER IMAGE LOG

FOLDER gets two files. `disk` starts with the contents of the file IMAGE, and is meant
for a loop device: each write, and each flush (fsync), becomes an entry of LOG, in the
order in which the kernel requested it. What is written to `marks` becomes an entry,
too, after everything that the disk was given before. The program runs until FOLDER is
unmounted.

It needs a process of its own. A process that served the file system on which it waits
would wait for itself forever.
"""

from __future__ import annotations

import errno
import os
import stat
import sys

import mfusepy
from power_cut_log import FLUSH, MARK, WRITE, Log


class Disk(mfusepy.Operations):
    """One file with a cache that a power cut empties, and a file for notes.

    Args:
        image: Path of the file with the contents, which changes with them.
        log: The log to write to.
    """

    use_ns = True

    def __init__(self, image, log):
        self._image = os.open(image, os.O_RDWR)
        self._log = log
        self._sizes = {"/disk": os.fstat(self._image).st_size, "/marks": 0}

    def getattr(self, path, fh=None):
        if path == "/":
            return {"st_mode": stat.S_IFDIR | 0o700, "st_nlink": 2}
        if path not in self._sizes:
            raise mfusepy.FuseOSError(errno.ENOENT)
        mode = stat.S_IFREG | 0o600
        return {"st_mode": mode, "st_nlink": 1, "st_size": self._sizes[path]}

    def readdir(self, path, fh):
        return [".", "..", "disk", "marks"]

    def read(self, path, size, offset, fh):
        return os.pread(self._image, size, offset) if path == "/disk" else b""

    def write(self, path, data, offset, fh):
        if path == "/marks":
            self._log.add(MARK, 0, data)
            return len(data)
        count = os.pwrite(self._image, data, offset)
        self._log.add(WRITE, offset, data[:count])
        return count

    def fsync(self, path, datasync, fh):
        self._log.add(FLUSH)


def main():
    folder, image, log = sys.argv[1:]
    with open(log, "wb", buffering=0) as file:
        # Without threads, the log has the order in which requests come.
        mfusepy.FUSE(Disk(image, Log(file)), folder, foreground=True, nothreads=True)


if __name__ == "__main__":
    main()
