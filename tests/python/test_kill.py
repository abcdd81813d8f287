"""A process that saves is killed at each system call in turn, and the next one goes on.

`strace` kills: it has the kernel send SIGKILL as the n-th call of a kind begins.
"""

from __future__ import annotations

import collections
import concurrent.futures
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
from checkpoint_files import RECORD, archive, published, weights
from keras_process import KerasProcess
from run_save import commit_for, save

from modelcheckpoint import verify_checkpoints
from modelcheckpoint.journal.sweep import sweep
from modelcheckpoint.records import Record, Removal
from modelcheckpoint.results import Receipt
from modelcheckpoint.storage.base import JOURNAL

pytest.importorskip("h5py")

pytestmark = pytest.mark.slow


# What only asks changes nothing on disk: a death before it is one before the next call.
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
    "w.keras": (
        "keras",
        lambda value: archive(**{"model.weights.h5": weights_of(value)}),
    ),
    "w.weights.h5": ("weights.h5", weights_of),
    "w.h5": ("hdf5", functools.partial(weights_of, model_config="{}")),
    "w.hdf5": ("hdf5-weights", functools.partial(weights_of, layer_names="{}")),
}
OLD, NEW, NEXT = 1.0, 2.0, 3.0


class Scene:
    """What is on disk before the process starts that is killed.

    Attributes:
        name: What it saves to.
        old: Whether a better file of an earlier run has that name.
        left: Whether a killed run left a temporary file, with or without its line.
        parts: In how many pieces the file is written.
        folders: Where the file lies.
    """

    def __init__(self, name, old=False, left=False, parts=1, folders=""):
        self.format, make = FORMATS[name]
        self.make = functools.cache(make)  # an archive tells when it was made
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
        # Its writer, of this machine, is dead: no process has such an id.
        commit = commit_for(folder, self.job)
        with commit.storage.staged(self.name, suffix) as staged:
            left = re.sub(rf"-{os.getpid()}-", "-999999999-", staged.path)
            Path(left).write_bytes(data)
        sums = {"bytes": len(data), "crc32": f"{crc32(data):08x}"}
        line = {**vars(RECORD), "path": self.name, **sums, "run": "dead", "value": NEXT}
        with open(folder / JOURNAL, "a", encoding="utf-8") as file:
            file.write(Record(**{**line, "format": self.format}).to_line() + "\n{torn")


SCENES = {
    "a new folder": Scene("w.keras", folders="a/b/"),
    "a better file": Scene("w.weights.h5", old=True, parts=3),
    "an old and a dead one": Scene("w.h5", old=True, left=True),
    "a dead one": Scene("w.hdf5", left=True),
}


def child(folder, job, *strace):
    """Run a child under strace, and return what it said, and its exit status."""
    with started(folder, job) as process, attached(process, *strace) as tracer:
        process.stdin.write("go\n")
        said, _ = process.communicate(timeout=60)
        tracer.communicate(timeout=60)
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
    """Give a strace that traces a process, from now on, and its threads."""
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


@pytest.mark.parametrize("scene", SCENES)
def test_killed_at_each_call(tmp_path, scene):
    """The file before or the new one; what was told durable is there; it goes on."""
    scene = SCENES[scene]
    (tmp_path / "count").mkdir()
    calls = calls_of(scene, tmp_path / "count")
    assert calls["fsync"] >= 3
    points = [(name, n) for name, most in calls.items() for n in range(1, most + 1)]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        wrong = list(pool.map(lambda point: killed(scene, tmp_path, point), points))
    assert len(points) > 30
    assert [found for found in wrong if found] == []


def killed(scene, tmp_path, point):
    """Kill at one call, and return what is wrong afterwards."""
    name, number = point
    folder = tmp_path / f"{name}-{number}"
    folder.mkdir()
    scene.prepare(folder)
    inject = f"inject={name}:signal=SIGKILL:when={number}"
    options = ("-o", os.devnull, "-e", f"trace={name}", "-e", inject)
    said, status = child(folder, scene.job, *options)
    wrong = [*wrong_now(scene, folder / "checkpoints", durable=said == ["durable"])]
    wrong += wrong_later(scene, folder / "checkpoints")
    return [(point, status, what) for what in wrong]


def wrong_now(scene, folder, durable):
    """Yield what is wrong right after the death."""
    known = {scene.make(value): value for value in (OLD, NEW)}
    found = {name: known.get(data) for name, data in published(folder).items()}
    if None in found.values():
        yield f"a file is neither the old nor the new one: {found}"
    if durable and found.get(scene.name) != NEW:
        yield f"what was told durable is not there: {found}"
    if scene.old and OLD not in found.values():
        yield f"the better one is lost: {found}"
    # The second name of the better file comes before its line.
    yield from not_good(folder, but=f".run-old.{scene.name.partition('.')[2]}")


def wrong_later(scene, folder):
    """Run once more, and yield what is wrong then."""
    folder.mkdir(exist_ok=True)
    job = {**scene.job, "value": NEXT, "run": "next"}
    commit = commit_for(folder, job)
    commit.storage.check(scene.name)
    sweep(commit.storage)
    outcome = save(commit, job, scene.make(NEXT))
    if not isinstance(outcome, Receipt):
        yield f"the next save fails: {outcome}"
    found = published(folder)
    if found.get(scene.name) != scene.make(NEXT):
        yield "the next save did not come"
    if scene.old and list(found.values()).count(scene.make(OLD)) != 1:
        yield f"the better one is there not once: {list(found)}"
    if [path for path in folder.rglob("*.tmp*") if path.is_file()]:
        yield "a temporary file is left"
    yield from not_good(folder)
    torn = [line for line in lines_of(folder) if not is_entry(line)]
    if len(torn) > 1 + scene.left:
        yield f"more than one line is torn: {torn}"


def not_good(folder, but=None):
    for one in verify_checkpoints(folder) if folder.exists() else []:
        if one.status != "good" and not (but and one.path.endswith(but)):
            yield str(one)


def lines_of(folder):
    return (folder / JOURNAL).read_bytes().splitlines()


def is_entry(line):
    return Record.from_line(line) or Removal.from_line(line)
