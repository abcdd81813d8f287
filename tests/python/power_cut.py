"""What a disk may hold after a power cut, given what was written and flushed before.

The rules are those of POSIX: any part of what was not flushed may be there or not. Each
block of a file is there or not; a file may have grown without its blocks, as zeros.
Names in a folder that changed since its last flush are each changed or not, in any
combination. A single renaming is done or not, even between folders, and so is a single
exchange of two names. Real file systems keep more order than that.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import random
from pathlib import Path

from modelcheckpoint.storage.exchange import exchange


class Recorder:
    """`os`, in one folder, that records what was done to the disk, in order.

    Attributes:
        log: Tuples of what happened; tuples that begin with `"said"` are notes.
    """

    def __init__(self, root):
        self.root = str(root)
        self.log = []
        self._open = {}
        self._inodes = itertools.count(1)
        self._inode = {self.root: 0}

    def __getattr__(self, name):
        return getattr(os, name)

    def say(self, *what):
        self.log.append(("said", *what))

    def open(self, path, flags, mode=0o777):
        made = flags & os.O_CREAT and not os.path.exists(path)
        file = os.open(path, flags, mode)
        unnamed = flags & os.O_TMPFILE == os.O_TMPFILE
        if made and not unnamed:
            self._name(path, "create")
        self._open[file] = None if unnamed else self._inode.get(str(path))
        return file

    def write(self, file, data):
        end = os.fstat(file).st_size
        appends = fcntl.fcntl(file, fcntl.F_GETFL) & os.O_APPEND
        at = end if appends else os.lseek(file, 0, os.SEEK_CUR)
        count = os.write(file, data)
        self.log.append(("write", self._open[file], at, bytes(data[:count])))
        return count

    def fsync(self, file):
        os.fsync(file)
        if self._open[file] is not None:
            self.log.append(("flush", self._open[file]))

    def mkdir(self, path):
        os.mkdir(path)
        self._name(path, "mkdir")

    def link(self, path, second):
        os.link(path, second)
        self._inode[second] = self._inode[path]
        names = {self._last(second): self._inode[path]}
        self.log.append(("names", self._above(second), names))

    def unlink(self, path, dir_fd=None):
        path = self._path(path, dir_fd)
        os.unlink(path)
        self._gone(path)

    def rmdir(self, path, dir_fd=None):
        path = self._path(path, dir_fd)
        os.rmdir(path)
        self._gone(path)

    def replace(self, path, second, src_dir_fd=None, dst_dir_fd=None):
        path, second = self._path(path, src_dir_fd), self._path(second, dst_dir_fd)
        os.replace(path, second)
        moved, _ = self._taken(path), self._taken(second)
        self._given(second, moved)
        names = {}
        names.setdefault(self._above(path), {})[self._last(path)] = None
        last = {self._last(second): self._inode[second]}
        names.setdefault(self._above(second), {}).update(last)
        self.log.append(("rename", tuple(names), names))

    def exchange(self, path, second):
        exchange(path, second)
        one, other = self._taken(path), self._taken(second)
        self._given(second, one)
        self._given(path, other)
        names = {self._last(name): self._inode[name] for name in (path, second)}
        self.log.append(("names", self._above(path), names))

    def _path(self, path, folder):
        if folder is None:
            return str(path)
        return os.path.join(os.readlink(f"/proc/self/fd/{folder}"), path)

    def _gone(self, path):
        self._inode.pop(path)
        self.log.append(("names", self._above(path), {self._last(path): None}))

    def _taken(self, path):
        """Forget a name and those below it; return what they stood for."""
        names = [n for n in self._inode if f"{n}/".startswith(f"{path}/")]
        return {name[len(path) :]: self._inode.pop(name) for name in names}

    def _given(self, path, inodes):
        self._inode.update({path + name: inode for name, inode in inodes.items()})

    def _name(self, path, kind):
        self._inode[path] = inode = next(self._inodes)
        self.log.append((kind, inode))
        self.log.append(("names", self._above(path), {self._last(path): inode}))

    def _above(self, path):
        return self._inode[os.path.dirname(path)]

    def _last(self, path):
        return os.path.basename(path)


class Without:
    """A recorder on a file system that has no hard links."""

    def __init__(self, recorder):
        self._recorder = recorder

    def __getattr__(self, name):
        return getattr(self._recorder, name)

    def link(self, path, second):
        raise OSError(95, "Operation not supported", path)


class Disk:
    """What is certainly on a disk after a part of a log, and what may be.

    Args:
        log: What was done.
        block: Size of the pieces of a file that reach the disk as a whole.
    """

    def __init__(self, log, block):
        self.block = block
        self.files, self.folders = {}, {0: {}}
        self.loose = []  # what was not flushed, each with how to carry it out
        for kind, *rest in log:
            getattr(self, f"_{kind}", lambda *rest: None)(*rest)

    def states(self, most, chance):
        """Yield what the disk may hold: dictionaries from path to contents."""
        count = len(self.loose)
        if 2**count <= most:
            choices = itertools.product((False, True), repeat=count)
        else:
            choices = [[kept] * count for kept in (False, True)]
            choices += [
                [number < cut for number in range(count)] for cut in range(count)
            ]
            choices += [
                [chance.random() < share for _ in range(count)]
                for share in itertools.islice(
                    itertools.cycle((0.1, 0.5, 0.9)), max(0, most - len(choices))
                )
            ]
        for choice in choices:
            yield self._state([op for op, kept in zip(self.loose, choice) if kept])

    def _create(self, inode):
        self.files[inode] = b""

    def _mkdir(self, inode):
        self.folders[inode] = {}

    def _write(self, inode, at, data):
        # The size and each block reach the disk separately.
        self.loose.append(("size", inode, at + len(data)))
        start = at
        while start < at + len(data):
            end = min(at + len(data), (start // self.block + 1) * self.block)
            self.loose.append(("data", inode, start, data[start - at : end - at]))
            start = end

    def _names(self, folder, names):
        self.loose.append(("names", folder, names))

    def _rename(self, folders, names):
        self.loose.append(("rename", folders, names))

    def _flush(self, inode):
        # A renaming from one folder to another is one entry in the file system's
        # journal: flushing either folder flushes all of it.
        flushed = [op for op in self.loose if inode in _inodes(op)]
        self.loose = [op for op in self.loose if inode not in _inodes(op)]
        self._apply(self.files, self.folders, flushed)

    def _apply(self, files, folders, operations):
        for kind, inode, *rest in operations:
            if kind == "names":
                _give_names(folders[inode], rest[0])
            elif kind == "rename":
                for folder in inode:
                    _give_names(folders[folder], rest[0][folder])
            elif kind == "size":
                files[inode] = files[inode].ljust(rest[0], b"\0")
            else:
                at, data = rest
                old = files[inode].ljust(at + len(data), b"\0")
                files[inode] = old[:at] + data + old[at + len(data) :]

    def _state(self, kept):
        files = dict(self.files)
        folders = {inode: dict(names) for inode, names in self.folders.items()}
        self._apply(files, folders, kept)
        return dict(self._below(files, folders, 0, ""))

    def _below(self, files, folders, inode, path):
        for name, other in folders[inode].items():
            if other in folders:
                yield f"{path}{name}/", None
                yield from self._below(files, folders, other, f"{path}{name}/")
            else:
                yield f"{path}{name}", files[other]


def _inodes(operation):
    return operation[1] if isinstance(operation[1], tuple) else (operation[1],)


def _give_names(folder, names):
    for name, inode in names.items():
        folder.pop(name, None)
        if inode is not None:
            folder[name] = inode


def restore(state, folder):
    """Make a folder hold a state."""
    for path, data in state.items():
        if data is None:
            Path(folder, path).mkdir(parents=True, exist_ok=True)
        else:
            Path(folder, path).parent.mkdir(parents=True, exist_ok=True)
            Path(folder, path).write_bytes(data)


def cuts(log, block, most=48, seed=None):
    """Yield, for a power cut after each step, what was said and what may be there.

    A state that is possible after several steps comes once, until more is said.
    """
    chance = random.Random(seed)
    said, seen = [], set()
    for end in range(len(log) + 1):
        if end and log[end - 1][0] == "said":
            said, seen = [*said, log[end - 1][1:]], set()
        for state in Disk(log[:end], block).states(most, chance):
            key = hash(frozenset(state.items()))  # so many states take too much memory
            if key not in seen:
                seen.add(key)
                yield end, said, state
