"""Several processes and one folder: writers, readers, sweepers, and forked children."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from save_process import save_process

from modelcheckpoint import verify_checkpoints
from modelcheckpoint.journal import log
from modelcheckpoint.journal.sweep import sweep
from modelcheckpoint.records import Record
from modelcheckpoint.storage import storage_for
from modelcheckpoint.storage.base import digest_of
from modelcheckpoint.storage.journals import JOURNAL
from modelcheckpoint.storage.local import LocalStorage

HERE = Path(__file__).parent
SAVES = 80

pytest.importorskip("h5py")

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")


@pytest.mark.parametrize("name", ["w.weights.h5", "a/b/w.weights.h5"])
def test_two_writers_a_reader_and_a_sweeper(tmp_path, name):
    """Each name is one complete file of one writer, and no save is lost."""
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    writers = [
        save_process(tmp_path, folder, run, name, SAVES) for run in ("one", "second")
    ]
    looks = 0
    while any(process.poll() is None for process in writers):
        assert [f for f in verify_checkpoints(folder) if f.status != "good"] == []
        assert sweep(LocalStorage(str(folder), 2)) == []
        looks += 1
    said = [process.stdout.read().splitlines() for process in writers]
    for process in writers:
        process.stdout.close()
    assert said == [["ready", *["durable"] * SAVES]] * 2
    assert looks > 2
    (found,) = verify_checkpoints(folder)
    assert (found.path, found.status) == (name, "good")
    lines = (folder / JOURNAL).read_bytes().splitlines()
    assert [line for line in lines if Record.from_line(line) is None] == []
    assert len(lines) == 2 * SAVES
    assert list(folder.rglob("*.tmp*")) == []


FORKS = """
import os, sys, threading, time
sys.path.insert(0, {path!r})
from modelcheckpoint.save.background import Background
from run_save import commit_for, save

class Gate:
    open_ = threading.Event()
    reached = threading.Event()
    def __getattr__(self, name):
        return getattr(os, name)
    def fsync(self, file):
        if os.fstat(file).st_size == 5000:
            self.reached.set()
            assert self.open_.wait(60)
        os.fsync(file)

folder, what, data = sys.argv[1], sys.argv[2], b"x" * 5000
job = {{"name": "w.keras", "format": "keras", "run": "parent", "value": 1.0}}
commit, background = commit_for(folder, job, Gate()), Background()
background.start(lambda: save(commit, {{**job}}, data))
assert Gate.reached.wait(60)
child = os.fork()
if child == 0:
    Gate.open_.set()
    if what == "saves":
        job["name"] = "child.keras"
        print(save(commit, job, data[1:]).record.path, flush=True)
    if what == "sleeps":
        print("sleeping", os.getpid(), flush=True)
        time.sleep(60)
    background.wait()
    commit.storage.tidy()
    sys.exit()
if what == "sleeps":
    background.wait()
os.waitpid(child, 0)
Gate.open_.set()
background.wait()
print("saved", flush=True)
"""


def forked(tmp_path, what):
    code = FORKS.format(path=str(HERE))
    return subprocess.Popen(
        [sys.executable, "-c", code, tmp_path, what], stdout=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("what", ["ends", "saves"])
def test_a_fork_while_a_save_is_under_way(tmp_path, what):
    """The child leaves the parent's file alone, and may save its own."""
    process = forked(tmp_path, what)
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    assert said.split() == [*(["child.keras"] if what == "saves" else []), "saved"]
    records = list(log.read(storage_for(str(tmp_path))))
    storage = LocalStorage(str(tmp_path))
    names = ["child.keras", "w.keras"] if what == "saves" else ["w.keras"]
    assert [record.path for record in records] == names
    for record in records:
        assert log.describes(record, digest_of(storage, record.path))
    assert list(tmp_path.rglob("*.tmp*")) == []


def test_a_child_that_outlives_its_parent(tmp_path):
    """It keeps nothing of the parent locked: the parent's leftovers are swept."""
    process = forked(tmp_path, "sleeps")
    try:
        word, child = process.stdout.readline().split()
        assert word == "sleeping"
        assert len(list(tmp_path.rglob("*.tmp*"))) == 1
        assert sweep(LocalStorage(str(tmp_path))) == []  # the parent lives
        process.send_signal(signal.SIGKILL)
        process.wait()
        deadline = time.monotonic() + 20
        while not sweep(LocalStorage(str(tmp_path))):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.kill(int(child), signal.SIGKILL)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
