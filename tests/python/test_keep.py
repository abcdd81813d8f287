"""`keep_latest`, `keep_best`, `keep_every`: what training deletes and keeps."""

from __future__ import annotations

import os
import shutil

import pytest
from conftest import checkpoints, drive, fit, lines, make_model, names, warning_texts

from modelcheckpoint import ModelCheckpoint, verify_checkpoints
from modelcheckpoint.errors import CheckpointWarning

keras = pytest.importorskip("keras")

pytestmark = pytest.mark.slow


def callback(folder, template="{epoch}.weights.h5", **arguments):
    arguments = {"monitor": "loss", "save_weights_only": True, **arguments}
    return ModelCheckpoint(folder / template, **arguments)


def epochs(folder):
    return sorted(int(name.partition(".")[0]) for name in checkpoints(folder))


def all_are_good(folder):
    found = verify_checkpoints(folder)
    assert sorted(one.path for one in found) == checkpoints(folder)
    return {one.status for one in found} == {"good"}


# Whole trainings.


def test_a_fit_keeps_the_newest(K, data, tmp_path):
    """At all times the newest two and the best exist, and the journal agrees."""
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
    """The newest, the best and every third epoch stay; all else is deleted."""
    one = callback(tmp_path, keep_latest=2, keep_best=2, keep_every=3)
    drive(one, make_model(keras), 9.0, 1.0, 8.0, 2.0, 7.0, 6.0, 5.0, 4.0)
    assert epochs(tmp_path) == [2, 3, 4, 6, 7, 8]
    assert all_are_good(tmp_path)
    gone = [line["removed"] for line in lines(tmp_path) if "removed" in line]
    assert gone == ["1.weights.h5", "5.weights.h5"]


def test_the_best_alone_keeps_its_history(tmp_path):
    """Without retention, `save_best_only` with a template deletes nothing."""
    losses = [5.0, 4.0, 6.0, 3.0, 2.0]
    drive(callback(tmp_path / "a", save_best_only=True), make_model(keras), *losses)
    assert epochs(tmp_path / "a") == [1, 2, 4, 5]
    one = callback(tmp_path / "b", save_best_only=True, keep_latest=2)
    drive(one, make_model(keras), *losses)
    assert epochs(tmp_path / "b") == [4, 5]


def test_checkpoints_in_mid_epoch(data, tmp_path):
    """With a number as `save_freq`, the last checkpoint of a kept epoch stays."""
    one = callback(tmp_path, "{epoch}-{batch}.weights.h5", save_freq=8, keep_every=2)
    fit(make_model(keras), data, one, epochs=5)
    last = {}
    for line in lines(tmp_path):
        if "path" in line:
            last[line["epoch"]] = line["path"]
    kept = set(checkpoints(tmp_path))
    assert {last[2], last[4], last[5]} <= kept
    assert len(kept) <= 4  # and the best, if it is another one
    assert all_are_good(tmp_path)


def test_a_monitor_that_never_comes(tmp_path):
    """The newest stays, and one message lists the keys in `logs`."""
    one = callback(tmp_path, monitor="val_los", keep_best=2)
    with pytest.warns(CheckpointWarning, match="keep_best") as warned:
        drive(one, make_model(keras), 3.0, 2.0, 1.0)
    (text,) = warning_texts(warned)
    assert "`keep_best` does not count" in text
    assert "it has loss" in text
    assert epochs(tmp_path) == [3]


def test_a_folder_for_each_epoch(tmp_path):
    """Folders left empty are deleted, too; a folder with other files stays."""
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
    """It continues the same run: files of the first fit may be deleted."""
    one, model = callback(tmp_path, keep_latest=2), make_model(keras)
    drive(one, model, 4.0, 3.0, 2.0)
    drive(one, model, 1.0, 0.5, first=4)
    assert epochs(tmp_path) == [4, 5]
    assert all_are_good(tmp_path)


def test_what_is_told(tmp_path, capsys):
    """With `verbose=1`, the line of a save names what was deleted after it."""
    drive(callback(tmp_path, keep_latest=1, verbose=1), make_model(keras), 2.0, 1.0)
    path = tmp_path / "1.weights.h5"
    assert f"2.weights.h5, deleted {path}\n" in capsys.readouterr().out


# What is not ours.


def test_another_runs_files_stay(tmp_path):
    """Two callbacks in one folder, and an earlier run: each deletes only its own."""
    model = make_model(keras)
    drive(callback(tmp_path, "old-{epoch}.weights.h5"), model, 3.0, 2.0, 1.0)
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
    """Even at the same size, which weights of the same model have."""
    model = make_model(keras)
    first = callback(tmp_path, keep_latest=1)
    first.set_model(model)
    first.on_train_begin()
    for epoch, loss in enumerate([3.0, 2.0]):
        first.on_epoch_begin(epoch)
        first.on_epoch_end(epoch, {"loss": loss})
    drive(callback(tmp_path), model, 1.0, 1.0)  # 1 and 2, by another run
    for epoch in (2, 3):
        first.on_epoch_begin(epoch)
        first.on_epoch_end(epoch, {"loss": 1.0})
    first.on_train_end()
    assert epochs(tmp_path) == [1, 2, 3, 4]  # 3 is the best of the first run


def test_a_file_of_another_size_stays(tmp_path):
    """A file that anybody has replaced must not be deleted."""
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
    drive(callback(tmp_path, save_best_only=True), model, 1.0)
    drive(callback(tmp_path, keep_latest=1, save_best_only=True), model, 3.0, 2.0)
    left = checkpoints(tmp_path)
    assert len(left) == 2
    assert "2.weights.h5" in left
    assert any(".run-" in name for name in left)


def test_what_was_deleted_by_hand_does_not_count(tmp_path):
    """Otherwise the newest and the best of the remaining files could be deleted."""
    one = callback(tmp_path, keep_latest=2)
    one.set_model(make_model(keras))
    one.on_train_begin()
    for epoch, loss in enumerate([9.0, 1.0, 7.0, 8.0]):
        one.on_epoch_begin(epoch)
        if epoch == 3:  # now there are 3 and 2, which is the best
            (tmp_path / "2.weights.h5").unlink()
            assert epochs(tmp_path) == [3]
        one.on_epoch_end(epoch, {"loss": loss})
    one.on_train_end()
    assert epochs(tmp_path) == [3, 4]


def test_it_is_told_once(tmp_path):
    """A checkpoint that cannot be deleted is reported once, whatever the retries."""
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
    (text,) = warning_texts(warned)
    assert "w.weights.h5 could not be deleted (its folder is a link)" in text
    assert one.problems == [text]
    assert (tmp_path / "elsewhere" / "1" / "w.weights.h5").exists()
    (tmp_path / "w" / "1").unlink()
    assert names(tmp_path / "w") == ["4/w.weights.h5", "modelcheckpoint.jsonl"]
