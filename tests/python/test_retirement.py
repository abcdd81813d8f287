"""`save/retirement.py`: what a training deletes, and what it never touches."""

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
from conftest import checkpoints, fit, lines, make_model, names, told

from modelcheckpoint import ModelCheckpoint, verify_checkpoints
from modelcheckpoint.decide.retention import Keep
from modelcheckpoint.errors import CheckpointWarning
from modelcheckpoint.journal.sweep import sweep
from modelcheckpoint.save.retirement import Retirement
from modelcheckpoint.storage.base import Entry, NotPlain
from modelcheckpoint.storage.local import LocalStorage

keras = pytest.importorskip("keras")

pytestmark = pytest.mark.slow


def callback(folder, template="{epoch}.weights.h5", **arguments):
    arguments = {"monitor": "loss", "save_weights_only": True, **arguments}
    return ModelCheckpoint(folder / template, **arguments)


def drive(one, losses, model=None, first=1):
    """Call the hooks as a fit does, with an epoch for each loss."""
    if model is not None:
        one.set_model(model)
    one.on_train_begin()
    for epoch, loss in enumerate(losses, first - 1):
        one.on_epoch_begin(epoch)
        one.on_epoch_end(epoch, {"loss": loss} if loss is not None else {})
    one.on_train_end()


def epochs(folder):
    return sorted(int(name.partition(".")[0]) for name in checkpoints(folder))


def all_are_good(folder):
    found = verify_checkpoints(folder)
    assert sorted(one.path for one in found) == checkpoints(folder)
    return {one.status for one in found} == {"good"}


# Whole trainings.


def test_a_fit_keeps_the_newest(K, data, tmp_path):
    """At each moment the newest two and the best are there, and the journal agrees."""
    seen = []

    class Looks(K.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append(epochs(tmp_path))

    model = make_model(K)
    fit(model, data, callback(tmp_path, keep_latest=2), Looks(), epochs=5)
    assert all(there[-1] == epoch for epoch, there in enumerate(seen, 1))
    assert {4, 5} <= set(epochs(tmp_path))
    assert len(epochs(tmp_path)) <= 3
    assert all_are_good(tmp_path)
    model.load_weights(tmp_path / "5.weights.h5")


def test_the_union_of_all_three(tmp_path):
    """The newest, the best and each third epoch stay; all else goes."""
    one = callback(tmp_path, keep_latest=2, keep_best=2, keep_every=3)
    drive(one, [9.0, 1.0, 8.0, 2.0, 7.0, 6.0, 5.0, 4.0], make_model(keras))
    assert epochs(tmp_path) == [2, 3, 4, 6, 7, 8]
    assert all_are_good(tmp_path)
    gone = [line["removed"] for line in lines(tmp_path) if "removed" in line]
    assert gone == ["1.weights.h5", "5.weights.h5"]


def test_the_best_alone_keeps_its_history(tmp_path):
    """`save_best_only` with a template deletes nothing, unless it is told to."""
    losses = [5.0, 4.0, 6.0, 3.0, 2.0]
    drive(callback(tmp_path / "a", save_best_only=True), losses, make_model(keras))
    assert epochs(tmp_path / "a") == [1, 2, 4, 5]
    one = callback(tmp_path / "b", save_best_only=True, keep_latest=2)
    drive(one, losses, make_model(keras))
    assert epochs(tmp_path / "b") == [4, 5]


def test_checkpoints_in_mid_epoch(data, tmp_path):
    """With a number as `save_freq`, of an epoch that stays its last checkpoint does."""
    one = callback(tmp_path, "{epoch}-{batch}.weights.h5", save_freq=8, keep_every=2)
    fit(make_model(keras), data, one, epochs=5)
    last = {}
    for line in lines(tmp_path):
        if "path" in line:
            last[line["epoch"]] = line["path"]
    kept = set(checkpoints(tmp_path))
    assert {last[2], last[4], last[5]} <= kept
    assert len(kept) <= 4  # and the best, where it is none of these
    assert all_are_good(tmp_path)


def test_a_monitor_that_never_comes(tmp_path):
    """The newest stays, and one message names what there is in `logs`."""
    one = callback(tmp_path, monitor="val_los", keep_best=2)
    with pytest.warns(CheckpointWarning, match="keep_best") as warned:
        drive(one, [3.0, 2.0, 1.0], make_model(keras))
    (text,) = told(warned)
    assert "`keep_best` does not count" in text
    assert "it has loss" in text
    assert epochs(tmp_path) == [3]


def test_a_folder_for_each_epoch(tmp_path):
    """Folders that are empty then go, too; what else is in one keeps it."""
    one = callback(tmp_path, "{epoch}/deep/w.weights.h5", keep_latest=1)
    one.set_model(make_model(keras))
    one.on_train_begin()
    for epoch in range(3):
        one.on_epoch_begin(epoch)
        one.on_epoch_end(epoch, {"loss": 3.0 - epoch})
        if epoch == 0:
            (tmp_path / "1" / "notes.txt").write_text("mine")
    one.on_train_end()
    assert names(tmp_path) == [
        "1/notes.txt",
        "3/deep/w.weights.h5",
        "modelcheckpoint.jsonl",
    ]
    assert sorted(os.listdir(tmp_path)) == ["1", "3", "modelcheckpoint.jsonl"]
    assert os.listdir(tmp_path / "1") == ["notes.txt"]


def test_the_same_callback_in_a_second_fit(data, tmp_path):
    """It goes on with the same run: what the first left may go."""
    one, model = callback(tmp_path, keep_latest=2), make_model(keras)
    drive(one, [4.0, 3.0, 2.0], model)
    drive(one, [1.0, 0.5], first=4)
    assert epochs(tmp_path) == [4, 5]
    assert all_are_good(tmp_path)


def test_what_is_told(tmp_path, capsys):
    """With `verbose=1` the line of a save tells what was deleted after it."""
    drive(callback(tmp_path, keep_latest=1, verbose=1), [2.0, 1.0], make_model(keras))
    path = tmp_path / "1.weights.h5"
    assert f"2.weights.h5, deleted {path}\n" in capsys.readouterr().out


# What is not ours.


def test_another_runs_files_stay(tmp_path):
    """Two callbacks in one folder, and an earlier run: each deletes only its own."""
    model = make_model(keras)
    drive(callback(tmp_path, "old-{epoch}.weights.h5"), [3.0, 2.0, 1.0], model)
    (tmp_path / "b-1.weights.h5").write_text("a user's own")
    one = callback(tmp_path, "a-{epoch}.weights.h5", keep_latest=1)
    other = callback(tmp_path, "c-{epoch}.weights.h5", keep_latest=2)
    both = keras.callbacks.CallbackList([one, other], model=model)
    both.on_train_begin()
    for epoch in range(4):
        both.on_epoch_begin(epoch)
        both.on_epoch_end(epoch, {"loss": 4.0 - epoch})
    both.on_train_end()
    assert checkpoints(tmp_path) == [
        "a-4.weights.h5",
        "b-1.weights.h5",
        "c-3.weights.h5",
        "c-4.weights.h5",
        *(f"old-{epoch}.weights.h5" for epoch in (1, 2, 3)),
    ]


def test_a_file_that_another_run_has_overwritten_stays(tmp_path):
    """Also where it has the same size, as weights of the same model have."""
    model = make_model(keras)
    first = callback(tmp_path, keep_latest=1)
    first.set_model(model)
    first.on_train_begin()
    for epoch, loss in enumerate([3.0, 2.0]):
        first.on_epoch_begin(epoch)
        first.on_epoch_end(epoch, {"loss": loss})
    drive(callback(tmp_path), [1.0, 1.0], model)  # 1 and 2, by another run
    for epoch in (2, 3):
        first.on_epoch_begin(epoch)
        first.on_epoch_end(epoch, {"loss": 1.0})
    first.on_train_end()
    assert epochs(tmp_path) == [1, 2, 3, 4]  # 3 is the best of the first run


def test_a_file_of_another_size_stays(tmp_path):
    """What was exchanged by anybody is nobody's to delete."""
    one = callback(tmp_path, keep_latest=1)
    one.set_model(make_model(keras))
    one.on_train_begin()
    for epoch in range(3):
        one.on_epoch_begin(epoch)
        one.on_epoch_end(epoch, {"loss": 3.0 - epoch})
        if epoch == 1:
            (tmp_path / "2.weights.h5").write_text("notes")
    one.on_train_end()
    assert (tmp_path / "2.weights.h5").read_text() == "notes"
    assert epochs(tmp_path) == [2, 3]


def test_what_was_kept_aside_stays(tmp_path):
    """A better file of an earlier run, kept under a second name, is not this run's."""
    model = make_model(keras)
    drive(callback(tmp_path, save_best_only=True), [1.0], model)
    drive(callback(tmp_path, keep_latest=1, save_best_only=True), [3.0, 2.0], model)
    left = checkpoints(tmp_path)
    assert len(left) == 2
    assert "2.weights.h5" in left
    assert any(".run-" in name for name in left)


def test_what_was_deleted_by_hand_does_not_count(tmp_path):
    """Else the newest and the best of what is really there could go."""
    one = callback(tmp_path, keep_latest=2)
    one.set_model(make_model(keras))
    one.on_train_begin()
    for epoch, loss in enumerate([9.0, 1.0, 7.0, 8.0]):
        one.on_epoch_begin(epoch)
        if epoch == 3:  # there are 2, which is the best, and 3
            (tmp_path / "2.weights.h5").unlink()
            assert epochs(tmp_path) == [3]
        one.on_epoch_end(epoch, {"loss": loss})
    one.on_train_end()
    assert epochs(tmp_path) == [3, 4]


# Single steps, without a model.


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
    """`os`, which does not delete for a while, and tells the order of things."""

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
    """It is told of each time, has one line in the journal, and goes when it can."""
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
    """A kill between the line and the deletion leaves a file for the next training."""
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
    """Nothing behind it is deleted, and nothing through a link in place of the file."""
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
    """What a link in it leads to stays."""
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
    """Then nobody knows whose the files are: nothing is deleted, and it is told."""
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


def test_it_is_told_once(tmp_path):
    """A checkpoint that cannot be deleted is one problem, however often it is tried."""
    (tmp_path / "elsewhere").mkdir()
    one = callback(tmp_path / "w", "{epoch}/w.weights.h5", keep_latest=1)
    one.set_model(make_model(keras))

    def train():
        one.on_train_begin()
        for epoch in range(4):
            one.on_epoch_begin(epoch)
            one.on_epoch_end(epoch, {"loss": 4.0 - epoch})
            if epoch == 0:
                moved = tmp_path / "elsewhere" / "1"
                shutil.move(tmp_path / "w" / "1", moved)
                (tmp_path / "w" / "1").symlink_to(moved)
        one.on_train_end()

    with pytest.warns(CheckpointWarning, match="could not be deleted") as warned:
        train()
    (text,) = told(warned)
    assert "w.weights.h5 could not be deleted: its folder is a link" in text
    assert one.problems == [text]
    assert (tmp_path / "elsewhere" / "1" / "w.weights.h5").exists()
    (tmp_path / "w" / "1").unlink()
    assert names(tmp_path / "w") == ["4/w.weights.h5", "modelcheckpoint.jsonl"]


@pytest.mark.parametrize(
    "keep", [Keep(latest=5, best=5), Keep(latest=2, every=1)], ids=str
)
def test_ten_thousand_cost_no_more_than_ten(tmp_path, keep):
    """What a save costs does not grow with the number of those before it."""
    system = os
    storage = LocalStorage(str(tmp_path), system=WithoutFlush(system))
    retirement = Retirement(storage, keep, "run", RECORD.template)
    took = []
    for epoch in range(1, 10_001):
        newest = record(storage, f"{epoch}.keras", value=1 / epoch, epoch=epoch)
        began = time.perf_counter()
        retirement.retire(newest)
        took.append(time.perf_counter() - began)
    first, last = np.median(took[10:500]), np.median(took[-500:])
    assert last < 2 * first + 0.0005
    assert len(retirement._there) <= 6
    expected = 10_000 if keep.every else 5
    assert len(checkpoints(tmp_path)) == expected


class WithoutFlush:
    """`os` without the waiting for a disk."""

    def __init__(self, system):
        self._system = system

    def __getattr__(self, name):
        return getattr(self._system, name)

    def fsync(self, file):
        pass


def test_a_journal_that_others_write_to(tmp_path):
    """Lines of others, torn ones and a journal that was begun anew do no harm."""
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
