"""`save/commit.py`: the steps of a commit, their order, and a failure at each."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from zlib import crc32

import pytest
from checkpoint_files import RECORD, published
from conftest import posix
from faulty import FaultyOS
from memory_storage import MemoryStorage

from modelcheckpoint.decide.retention import Keep
from modelcheckpoint.journal import log
from modelcheckpoint.records import Record, Removal
from modelcheckpoint.results import Retired
from modelcheckpoint.save.commit import Commit
from modelcheckpoint.save.replacement import Caution
from modelcheckpoint.storage.base import Digest, NotFlushed, digest_of
from modelcheckpoint.storage.local import LocalStorage

OLD, NEW = b"old" * 1000, b"new!" * 1000


def record(name="w.keras", value=0.5, **fields):
    """Return the record for the journal, without size and checksum."""
    fields = {"bytes": 0, "crc32": "", "run": "new", **fields}
    return replace(RECORD, path=name, value=value, **fields)


def commit_for(storage, run="new", template="w.keras", **options):
    return Commit(storage, run, template, ".keras", **options)


def save(commit, data=NEW, entry=None):
    def write(staged):
        return staged.write([(data, None)])

    return commit.save(entry or record(), write)


def undescribed(storage):
    """Return the files that no line of the journal describes."""
    records = list(log.read(storage))
    names = storage.files
    return [n for n in names if not log.matching(records, n, digest_of(storage, n))]


class Storage(MemoryStorage):
    """A storage that records each step, and can fail at one of them."""

    def __init__(self):
        super().__init__()
        self.steps, self.fail_at = [], None
        self.error = OSError("the disk is full")

    def _step(self, name):
        self.steps.append(name)
        if name == self.fail_at:
            raise self.error

    @contextlib.contextmanager
    def staged(self, name, suffix):
        with super().staged(name, suffix) as staged:
            yield Staged(staged, self._step)

    def copy(self, name, second):
        self._step("keep aside")
        super().copy(name, second)

    def append(self, *lines):
        entries = [Record.from_line(line) or Removal.from_line(line) for line in lines]
        self._step(" and ".join(map(meaning, entries)))
        super().append(*lines)

    def delete(self, entry):
        self._step("delete")
        return super().delete(entry)


class Staged:
    """A staged file that records each step."""

    def __init__(self, staged, step):
        self.path, self._staged, self._step = staged.path, staged, step

    def write(self, parts):
        self._step("stage")
        return self._staged.write(parts)

    @property
    def published(self):
        return self._staged.published

    def publish(self):
        self._step("publish")
        self._staged.publish()


def meaning(entry):
    if isinstance(entry, Removal):
        return "line of what never came" if entry.never_came else "line of a removal"
    return "line" if entry.kept_by is None else "line of what is kept"


STEPS = ["stage", "keep aside", "line of what is kept", "line", "publish"]


def scene(fail_at=None):
    """Return a commit that meets a better file of an earlier run, and its storage.

    The run keeps one checkpoint, has saved `before.keras`, and is to save `w.keras`.
    """
    storage = Storage()
    before = record("before.keras", value=0.9, run="new", template="{x}.keras")
    save(commit_for(storage, template="{x}.keras"), OLD[::-1], before)
    better = record(value=0.1, run="old", template="{x}.keras")
    save(commit_for(storage, "old", "{x}.keras"), OLD, better)
    storage.steps, storage.fail_at = [], fail_at
    return commit_for(storage, template="{x}.keras", keep=Keep(latest=1)), storage


def test_the_steps_and_their_order():
    """Staged, kept aside, in the journal, under its name; only then others go."""
    commit, storage = scene()
    receipt = save(commit, entry=record(value=0.3, template="{x}.keras"))
    assert storage.steps == [*STEPS, "line of a removal", "delete"]
    assert receipt.record.value == 0.3
    digest = Digest(receipt.record.bytes, receipt.record.crc32)
    assert digest == Digest(len(NEW), f"{crc32(NEW):08x}")
    assert receipt.replaced.record.run == "old"
    assert receipt.replaced.kept == "w.run-old.keras"
    assert receipt.replaced.better
    assert receipt.retired == Retired(deleted=("before.keras",))
    assert storage.files == {"w.keras": NEW, "w.run-old.keras": OLD}
    assert undescribed(storage) == []


@pytest.mark.parametrize("step", STEPS)
def test_a_step_that_fails(step):
    """The old file stays, nothing temporary is left, and the next save succeeds."""
    commit, storage = scene(fail_at=step)
    with pytest.raises(OSError, match="the disk is full"):
        save(commit, entry=record(value=0.3, template="{x}.keras"))
    last = STEPS.index(step) + 1
    told = ["line of what never came"] * (step == "publish")
    assert storage.steps == [*STEPS[:last], *told]
    files = storage.files
    assert files["w.keras"] == OLD
    assert files["before.keras"] == OLD[::-1]
    assert storage.staged_files == {}
    assert commit.best is None
    storage.fail_at = None
    receipt = save(commit, entry=record(value=0.3, template="{x}.keras"))
    assert receipt.replaced.kept == "w.run-old.keras"
    assert storage.files == {"w.keras": NEW, "w.run-old.keras": OLD}
    assert undescribed(storage) == []


@pytest.mark.parametrize("step", ["line of a removal", "delete"])
def test_what_cannot_be_deleted_is_part_of_the_receipt(step):
    """The new checkpoint is durable: nothing that comes later counts as a failure."""
    commit, storage = scene(fail_at=step)
    error = storage.error = PermissionError("read-only")
    receipt = save(commit, entry=record(value=0.3, template="{x}.keras"))
    assert receipt.retired == Retired(undeleted=(("before.keras", error),))
    assert storage.files["w.keras"] == NEW
    storage.fail_at = None
    receipt = save(commit, NEW[1:], record("v.keras", 0.2, template="{x}.keras"))
    assert "before.keras" in receipt.retired.deleted


def test_what_writes_raises():
    """Any exception reaches the caller, and no temporary file is left."""
    storage = Storage()
    commit = commit_for(storage)

    def write(staged):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        commit.save(record(), write)
    assert storage.staged_files == {}
    assert list(log.read(storage)) == []


def test_a_name_that_is_not_durable(monkeypatch):
    """The file has its name but the save raises; it still counts as the best."""
    storage = Storage()
    publish = Staged.publish

    def not_flushed(staged):
        publish(staged)
        raise NotFlushed(5, "Input/output error", staged.path)

    monkeypatch.setattr(Staged, "publish", not_flushed)
    commit = Commit(storage, "new", "w.keras", ".keras")
    with pytest.raises(NotFlushed):
        save(commit)
    assert storage.files == {"w.keras": NEW}
    assert commit.best.path == "w.keras"
    assert "line of what never came" not in storage.steps


def test_the_best_of_a_run_is_kept_under_its_second_name():
    """A worse checkpoint that gets the best one's name leaves it a second name."""
    storage = MemoryStorage()
    commit = commit_for(storage, template="{x}.keras")
    save(commit, OLD, record(value=0.1, template="{x}.keras"))
    worse = record(value=0.5, best=False, template="{x}.keras")
    receipt = save(commit, NEW, worse)
    assert receipt.replaced.own
    assert commit.best.path == receipt.replaced.kept == "w.run-new.keras"
    assert commit.best.value == 0.1
    assert storage.files == {"w.keras": NEW, "w.run-new.keras": OLD}


def test_caution_keeps_what_no_line_describes():
    """After a resume, another program's file is not lost."""
    storage = Storage()
    storage.put("w.keras", OLD)
    receipt = save(commit_for(storage, caution=Caution(unknown=True)))
    assert receipt.replaced.record is None
    assert storage.files == {"w.keras": NEW, "w.run-unknown.keras": OLD}


def test_a_file_that_somebody_else_wrote():
    """`stage` and `publish` make the same commit, for a file that Keras fills."""
    storage = MemoryStorage()
    commit = commit_for(storage)
    with commit.stage("w.keras") as staged:
        with open(staged.path, "wb") as file:
            file.write(NEW)
        receipt = commit.publish(record(), staged, staged.seal())
    assert receipt.record.bytes == len(NEW)
    assert storage.files == {"w.keras": NEW}


@posix
def test_any_call_that_fails(tmp_path):
    """At each call that touches the disk: the old file or the new one, nothing else."""
    number, reached = 0, True
    while reached:
        number += 1
        folder = tmp_path / str(number)
        folder.mkdir()
        earlier = commit_for(LocalStorage(str(folder)), run="old")
        save(earlier, OLD, record(value=0.1, run="old"))
        system = FaultyOS(fail_at=number)
        commit = commit_for(LocalStorage(str(folder), system=system))
        try:
            save(commit)
        except OSError:
            # After the rename, only the name's durability is missing.
            assert published(folder)["w.keras"] in (OLD, NEW)
        reached, system.fail_at = system.failed is not None, None
        commit.storage.tidy()
        assert list(folder.glob(".*.tmp*")) == [], (number, system.calls[-1])
        assert OLD in published(folder).values()
        assert save(commit).record.path == "w.keras"
        assert published(folder)["w.keras"] == NEW
        assert OLD in published(folder).values()
    assert number > 20
