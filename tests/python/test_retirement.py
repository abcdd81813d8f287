"""`save/retirement.py`: the steps of deleting a checkpoint, without a model."""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
from dataclasses import replace

import numpy as np
import pytest
from checkpoint_files import RECORD, abandoned_path
from conftest import checkpoints, lines, names

from modelcheckpoint.decide.retention import Keep
from modelcheckpoint.journal.sweep import sweep
from modelcheckpoint.save.retirement import Retirement
from modelcheckpoint.storage.base import Entry, NotPlain
from modelcheckpoint.storage.local import LocalStorage

pytestmark = pytest.mark.slow


def record(storage, name, run="run", value=None, epoch=1):
    path = storage.path(name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write("x" * 10)
    made = replace(
        RECORD,
        path=name,
        epoch=epoch,
        monitor="loss",
        value=value,
        best=False,
        bytes=10,
        run=run,
    )
    storage.append(made.to_line())
    return made


class Stubborn:
    """`os`, which cannot delete for a while, and records the order of calls."""

    def __init__(self):
        self.refuses = False
        self.calls = []

    def __getattr__(self, name):
        return getattr(os, name)

    def fsync(self, file):
        self.calls.append("fsync")
        os.fsync(file)

    def unlink(self, path, dir_fd=None):
        self.calls.append(f"unlink {path}")
        if self.refuses:
            raise OSError(errno.EPERM, "Operation not permitted", path)
        os.unlink(path, dir_fd=dir_fd)


def test_the_journal_comes_first(tmp_path):
    """The line is durable before the file is deleted."""
    system = Stubborn()
    storage = LocalStorage(str(tmp_path), system=system)
    retirement = Retirement(storage, Keep(latest=1), "run", RECORD.template)
    retirement.retire(record(storage, "1.keras"))
    newest = record(storage, "2.keras")
    system.calls.clear()
    assert retirement.retire(newest).deleted == ("1.keras",)
    assert system.calls[0] == "fsync"
    assert system.calls[-1] == "unlink 1.keras"


def test_what_cannot_be_deleted_is_tried_again(tmp_path):
    """Each failure is reported; it has one journal line, and is deleted later."""
    system = Stubborn()
    storage = LocalStorage(str(tmp_path), system=system)
    retirement = Retirement(storage, Keep(latest=1), "run", RECORD.template)
    retirement.retire(record(storage, "1.keras"))
    system.refuses = True
    for name in ("2.keras", "3.keras"):
        retired = retirement.retire(record(storage, name))
        assert "1.keras" in [name for name, _ in retired.undeleted]
    system.refuses = False
    retired = retirement.retire(record(storage, "4.keras"))
    assert retired.deleted == ("1.keras", "2.keras", "3.keras")
    gone = [line["removed"] for line in lines(tmp_path) if "removed" in line]
    assert gone == ["1.keras", "2.keras", "3.keras"]


def test_what_was_announced_and_not_deleted_goes_later(tmp_path):
    """After a kill between line and deletion, the next training deletes the file."""
    system = Stubborn()
    storage = LocalStorage(str(tmp_path), system=system)
    retirement = Retirement(storage, Keep(latest=1), "run", RECORD.template)
    retirement.retire(record(storage, "1.keras"))
    system.refuses = True
    retirement.retire(record(storage, "2.keras"))
    storage = LocalStorage(str(tmp_path))
    retired = Retirement(storage, Keep(latest=1), "run", RECORD.template).retire(
        record(storage, "3.keras")
    )
    assert retired.deleted == ("1.keras", "2.keras")
    assert len([line for line in lines(tmp_path) if "removed" in line]) == 2


def test_a_folder_that_became_a_link(tmp_path):
    """Nothing behind it is deleted, nor anything behind a link in the file's place."""
    storage = LocalStorage(str(tmp_path / "w"), depth=1)
    retirement = Retirement(storage, Keep(latest=1), "run", RECORD.template)
    retirement.retire(record(storage, "a/1.keras"))
    shutil.move(tmp_path / "w" / "a", tmp_path / "elsewhere")
    (tmp_path / "w" / "a").symlink_to(tmp_path / "elsewhere")
    retired = retirement.retire(record(storage, "2.keras"))
    ((name, error),) = retired.undeleted
    assert name == "a/1.keras"
    assert isinstance(error, NotPlain)
    assert (tmp_path / "elsewhere" / "1.keras").exists()
    with pytest.raises(NotPlain):
        storage.delete(Entry("a/1.keras", 10, 0, ()))
    with pytest.raises(NotPlain):
        storage.delete(Entry("../elsewhere/1.keras", 10, 0, ()))


def test_a_folder_is_deleted_without_following_links(tmp_path):
    """What a link in it points to stays."""
    (tmp_path / "keep").mkdir()
    (tmp_path / "keep" / "file").write_text("x")
    (tmp_path / "w").mkdir()
    folder = abandoned_path(tmp_path / "w", suffix=".d")
    (folder / "deeper").mkdir(parents=True)
    (folder / "deeper" / "file").write_text("x")
    (folder / "link").symlink_to(tmp_path / "keep")
    assert sweep(LocalStorage(str(tmp_path / "w"))) == [folder.name]
    assert os.listdir(tmp_path / "w") == []
    assert names(tmp_path / "keep") == ["file"]


def test_a_journal_that_cannot_be_read(tmp_path):
    """Then nobody knows whose the files are: nothing is deleted, and it is reported."""
    storage = LocalStorage(str(tmp_path))
    retirement = Retirement(storage, Keep(latest=1), "run", RECORD.template)
    retirement.retire(record(storage, "1.keras"))
    newest = record(storage, "2.keras")
    journal = tmp_path / "modelcheckpoint.jsonl"

    class Unreadable:
        def entries(self):
            raise OSError(errno.EIO, "Input/output error", str(journal))

    followed, retirement._journal = retirement._journal, Unreadable()
    ((name, error),) = retirement.retire(newest).undeleted
    assert (name, error.errno) == ("1.keras", errno.EIO)
    retirement._journal = followed
    assert retirement.retire(newest).deleted == ("1.keras",)


@pytest.mark.parametrize(
    "keep", [Keep(latest=5, best=5), Keep(latest=2, every=1)], ids=str
)
def test_ten_thousand_cost_no_more_than_ten(tmp_path, keep):
    """What a save costs does not grow with the number of earlier saves."""
    storage = LocalStorage(str(tmp_path), system=WithoutFlush(os))
    retirement = Retirement(storage, keep, "run", RECORD.template)
    took = []
    for saved in ten_thousand_saves(storage):
        began = time.perf_counter()
        retirement.retire(saved)
        took.append(time.perf_counter() - began)
    first, last = np.median(took[10:500]), np.median(took[-500:])
    assert last < 2 * first + 0.0005
    assert len(retirement._there) <= 6
    expected = 10_000 if keep.every else 5
    assert len(checkpoints(tmp_path)) == expected


def ten_thousand_saves(storage):
    """Save with lower and lower loss, and yield each record.

    Its line is not made from it: that would take longer than retiring it.
    """
    first = record(storage, "1.keras", value=1.0)
    line = json.loads(first.to_line())
    yield first
    with open(storage.path("modelcheckpoint.jsonl"), "a", encoding="utf-8") as journal:
        for epoch in range(2, 10_001):
            path, value = f"{epoch}.keras", 1 / epoch
            with open(storage.path(path), "w") as file:
                file.write("x" * 10)
            changed = {"path": path, "epoch": epoch, "epochs_done": epoch}
            print(json.dumps({**line, **changed, "value": value}), file=journal)
            journal.flush()
            yield replace(first, value=value, **changed)


class WithoutFlush:
    """`os` that does not wait for the disk."""

    def __init__(self, system):
        self._system = system

    def __getattr__(self, name):
        return getattr(self._system, name)

    def fsync(self, file):
        pass


def test_a_journal_that_others_write_to(tmp_path):
    """Foreign and torn lines, and a new journal, do no harm."""
    storage = LocalStorage(str(tmp_path))
    retirement = Retirement(storage, Keep(latest=1), "run", RECORD.template)
    retirement.retire(record(storage, "1.keras"))
    journal = tmp_path / "modelcheckpoint.jsonl"
    with journal.open("a") as file:
        file.write('{"schema": 1, "path": "1.ker')
    assert retirement.retire(record(storage, "2.keras")).deleted == ("1.keras",)
    journal.unlink()
    assert retirement.retire(record(storage, "3.keras")).deleted == ("2.keras",)
    said = [json.loads(line) for line in journal.read_text().splitlines()]
    assert [line.get("removed") for line in said] == [None, "2.keras"]
