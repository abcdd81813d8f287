"""Processes that save, in which strace kills at one system call, or fails it."""

from __future__ import annotations

import collections
import contextlib
import functools
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from zlib import crc32

import pytest
from checkpoint_files import RECORD, archive, weights
from keras_process import KerasProcess
from local_trees import digest_of_files, fill, split
from run_save import commit_for, save

from modelcheckpoint import verify_checkpoints
from modelcheckpoint.records import Record
from modelcheckpoint.results import Receipt
from modelcheckpoint.storage.base import Digest
from modelcheckpoint.storage.journals import JOURNAL
from modelcheckpoint.storage.names import is_tree

pytest.importorskip("h5py")

# Queries change nothing on disk: to die before one is to die before the next call.
ASKING = r"|newfstatat|fstat|lstat|stat|statx|lseek|ioctl|readlink|getdents64|access"
ALL = "MODELCHECKPOINT_KILL_ALL" in os.environ
IDLE = re.compile(
    r"futex|mmap|munmap|mprotect|madvise|brk|rt_sig\w+|clone3?|rseq|exit\w*|gettid|"
    r"set_robust_list|sched_\w+|getrandom|getpid|poll|ppoll|select|pselect6|clock_\w+|"
    r"prctl|tgkill|restart_syscall|sigaltstack|read" + ("" if ALL else ASKING)
)


def may_trace():
    """Return why no process can be traced here, or None."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    command = ["strace", "-o", os.devnull, "-e", "trace=getpid", "true"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30)
    return f"strace may not trace: {ended.stderr.strip()}" if ended.returncode else None


@pytest.fixture(scope="module", autouse=True)
def _traceable():
    reason = may_trace()
    if reason:
        pytest.skip(reason)


weights_of = functools.partial(weights, shape=(40, 100))


def archive_of(value):
    return archive(**{"model.weights.h5": weights_of(value)})


FORMATS = {
    "w.keras": ("keras", archive_of),
    "w.weights.h5": ("weights.h5", weights_of),
    "w.h5": ("hdf5", functools.partial(weights_of, model_config="{}")),
    "w.hdf5": ("hdf5-weights", functools.partial(weights_of, layer_names="{}")),
    "w.orbax": ("orbax", weights_of),  # which is split into files
}
OLD, NEW, NEXT = 1.0, 2.0, 3.0


class Scene:
    """What is on disk before the process that is killed starts.

    Attributes:
        name: What it saves to.
        old: Whether a better file of an earlier run has that name.
        left: Whether a killed run left a temporary file, with or without its line.
        parts: In how many pieces the file is written.
        folders: Where the file is.
    """

    def __init__(self, name, old=False, left=False, parts=1, folders=""):
        self.format, make = FORMATS[name]
        self.make = functools.cache(make)  # an archive records when it was made
        self.name, self.old, self.left = folders + name, old, left
        self.job = {
            "name": self.name,
            "format": self.format,
            "value": NEW,
            "run": "new",
            "parts": parts,
            "sweep": left,
        }

    def prepare(self, folder):
        (folder / "image").write_bytes(self.make(NEW))
        if self.old or self.left:
            (folder / "checkpoints").mkdir()
        if self.old:
            job = {**self.job, "value": OLD, "run": "old"}
            commit = commit_for(folder / "checkpoints", job)
            assert isinstance(save(commit, job, self.make(OLD)), Receipt)
        if self.left:
            self.leave(folder / "checkpoints")

    def leave(self, folder):
        data = self.make(NEXT)
        suffix = "." + self.name.partition(".")[2]
        # Its writer, on this machine, is dead: no process has this id.
        commit = commit_for(folder, self.job)
        with commit.storage.staged(self.name, suffix) as staged:
            left = re.sub(rf"-{os.getpid()}-", "-999999999-", staged.path)
            digest = self.write(left, data)
        line = {**vars(RECORD), "path": self.name, "run": "dead", "value": NEXT}
        line = {**line, "bytes": digest.bytes, "crc32": digest.crc32}
        with open(folder / JOURNAL, "a", encoding="utf-8") as file:
            file.write(Record(**{**line, "format": self.format}).to_line() + "\n{torn")

    def write(self, path, data):
        if is_tree(self.name):
            fill(path, split(data))
            return digest_of_files(split(data))
        Path(path).write_bytes(data)
        return Digest(len(data), f"{crc32(data):08x}")


SCENES = {
    "a new folder": Scene("w.keras", folders="a/b/"),
    "a better file": Scene("w.weights.h5", old=True, parts=3),
    "an old and a dead one": Scene("w.h5", old=True, left=True),
    "a dead one": Scene("w.hdf5", left=True),
    "a new tree": Scene("w.orbax", folders="a/"),
    "a better tree": Scene("w.orbax", old=True),
    "an old tree and a dead one": Scene("w.orbax", old=True, left=True),
}


def child(folder, job, *strace):
    """Run a child under strace, and return its output and its exit status."""
    with started(folder, job) as process, attached(process, *strace) as tracer:
        process.stdin.write("go\n")
        said, _ = process.communicate()
        tracer.communicate(timeout=300)
    return said.splitlines(), process.returncode


@contextlib.contextmanager
def started(folder, job):
    """Give a child that waits for a line."""
    job = json.dumps({**job, "image": str(folder / "image")})
    process = KerasProcess("run_save.py", folder / "checkpoints", job)
    try:
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.communicate()


@contextlib.contextmanager
def attached(process, *strace):
    """Give a strace that traces a process and its threads from now on."""
    attach = ["strace", "-f", "-p", str(process.pid), *strace]
    with subprocess.Popen(attach, stderr=subprocess.PIPE, text=True) as tracer:
        said = tracer.stderr.readline()
        assert "attached" in said, said
        yield tracer


def calls_of(scene, folder):
    """Return how often each kind of call is made, by the thread that makes it most."""
    scene.prepare(folder)
    log = folder / "log"
    said, status = child(folder, scene.job, "-o", str(log))
    assert said == ["durable"]
    assert status == 0
    counts = collections.Counter(
        tuple(match.groups())
        for match in map(
            re.compile(r"(\d+) +(\w+)\(").match, log.read_text().splitlines()
        )
        if match and not IDLE.fullmatch(match[2])
    )
    most = collections.Counter()
    for (_, name), count in counts.items():
        most[name] = max(most[name], count)
    return most


def not_good(folder, but=None):
    for one in verify_checkpoints(folder) if folder.exists() else []:
        if one.status != "good" and not (but and one.path.endswith(but)):
            yield str(one)
