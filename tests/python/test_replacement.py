"""`save/replacement.py`: files that must not be lost if their name is used again."""

from __future__ import annotations

import os

import numpy as np
import pytest
from conftest import checkpoints, lines, make_model, names, warning_texts
from keras_process import run_with_keras

from modelcheckpoint import (
    ModelCheckpoint,
    best_checkpoint,
    list_checkpoints,
    restore_checkpoint,
    verify_checkpoints,
)
from modelcheckpoint.errors import CheckpointWarning

keras = pytest.importorskip("keras")

pytestmark = pytest.mark.slow


def callback(folder, template="{loss:.1f}.weights.h5", **arguments):
    arguments = {"monitor": "loss", "save_weights_only": True, **arguments}
    return ModelCheckpoint(folder / template, **arguments)


def train(one, losses, model=None, first=1):
    """Call the hooks as a fit does; each weight is the number of the epoch."""
    model = make_model(keras) if model is None else model
    one.set_model(model)
    one.on_train_begin()
    for epoch, loss in enumerate(losses, first):
        fill(model, epoch)
        one.on_epoch_begin(epoch - 1)
        one.on_epoch_end(epoch - 1, {"loss": loss})
    one.on_train_end()
    return model


def fill(model, value):
    for variable in model.weights:
        variable.assign(np.full(variable.shape, float(value)))


def epoch_in(path):
    """Return the epoch, from a file's weights."""
    model = make_model(keras)
    restore_checkpoint(model, path)
    return int(model.get_weights()[0].ravel()[0])


def epochs(folder):
    """Return the epoch of each listed file, after checking it against the weights."""
    found = list_checkpoints(folder)
    assert [epoch_in(one.path) for one in found] == [one.epoch for one in found]
    assert {one.status for one in verify_checkpoints(folder)} <= {"good"}
    return [one.epoch for one in found]


LOSSES = [0.4401, 0.4352, 0.4449, 0.4399]


@pytest.mark.filterwarnings("ignore::modelcheckpoint.errors.CheckpointWarning")
@pytest.mark.parametrize(
    ("arguments", "kept"),
    [
        ({}, [2, 4]),
        ({"keep_best": 1}, [2, 4]),
        ({"keep_best": 2}, [2, 4]),
        ({"keep_latest": 3}, [2, 3, 4]),
        ({"keep_every": 1}, [1, 2, 3, 4]),
        ({"keep_every": 3}, [2, 3, 4]),
        ({"save_best_only": True}, [2]),
        ({"background": False, "keep_best": 1}, [2, 4]),
    ],
    ids=str,
)
def test_names_that_are_rounded_alike(tmp_path, arguments, kept):
    """Every checkpoint that must be kept is there, once, though all have one name."""
    one = callback(tmp_path, **arguments)
    train(one, LOSSES)
    assert epochs(tmp_path) == kept
    assert one.best == 0.4352
    assert epoch_in(best_checkpoint(tmp_path)) == 2
    newest = tmp_path / "0.4.weights.h5"
    assert epoch_in(newest) == kept[-1]  # the name leads to the newest


def test_a_name_that_is_used_again_is_told_once(tmp_path):
    """One sentence names the file, both epochs, and the way out."""
    one = callback(tmp_path, keep_latest=2)
    with pytest.warns(CheckpointWarning) as warned:
        train(one, LOSSES)
    (text,) = warning_texts(warned)
    assert "0.4.weights.h5 (saved after epoch 1 and after epoch 2)" in text
    assert "is kept as" in text
    assert "{epoch}" in text
    assert one.problems == [text]


def test_one_fixed_name_is_meant_to_be_used_again(tmp_path):
    """A name without a field has one file, and nothing is reported."""
    one = callback(tmp_path, "w.weights.h5")
    train(one, LOSSES)
    assert checkpoints(tmp_path) == ["w.weights.h5"]
    assert one.problems == []


@pytest.mark.filterwarnings("ignore::modelcheckpoint.errors.CheckpointWarning")
def test_the_epochs_of_a_second_fit(tmp_path):
    """They have the names of the first fit's files, whose best is kept."""
    one = callback(tmp_path, "{epoch}.weights.h5", keep_latest=2, restore_best=True)
    model = train(one, [3.0, 1.0, 2.0])
    model = train(one, [9.0, 8.0, 7.0], model)
    assert sorted(one.epoch for one in list_checkpoints(tmp_path)) == [2, 2, 3]
    assert [one.value for one in list_checkpoints(tmp_path)] == [1.0, 8.0, 7.0]
    # `restore_best` finds it under its current name.
    assert one.problems[1:] == []
    assert int(model.get_weights()[0].ravel()[0]) == 2


@pytest.mark.filterwarnings("ignore::modelcheckpoint.errors.CheckpointWarning")
def test_a_resumed_run_knows_what_it_kept(tmp_path):
    """Files to which an earlier process gave second names are counted and deleted."""
    train(callback(tmp_path, keep_latest=3), LOSSES)
    one = callback(tmp_path, keep_latest=3, resume=True)
    train(one, [0.4444, 0.4445], first=5)
    assert epochs(tmp_path) == [2, 4, 5, 6]
    one = callback(tmp_path, keep_latest=1, resume=True)
    train(one, [0.4441], first=7)
    assert epochs(tmp_path) == [2, 7]


@pytest.mark.filterwarnings("ignore::modelcheckpoint.errors.CheckpointWarning")
def test_killed_between_the_second_name_and_the_new_file(tmp_path):
    """One file then has two names; it counts once, and resume uses the newest."""
    status, _, errors = run_with_keras("run_replacement.py", tmp_path, 4)
    assert status == 9, errors
    one = callback(tmp_path, keep_latest=2, resume=True)
    train(one, [0.45], first=4)
    assert one.restored.epoch == 3
    assert epochs(tmp_path) == [1, 3, 4]


def test_kept_aside_files_do_not_pile_up(tmp_path):
    """With retention, only the best that each run keeps for another stays."""
    model = make_model(keras)
    for loss in range(20, 0, -1):  # each run is better than the one before
        train(callback(tmp_path, "{epoch}.weights.h5", keep_latest=1), [loss], model)
    assert checkpoints(tmp_path) == ["1.weights.h5"]
    for loss in (5.0, 9.0, 7.0, 3.0, 8.0, 6.0):
        train(callback(tmp_path, "{epoch}.weights.h5", keep_latest=1), [loss], model)
    found = list_checkpoints(tmp_path)
    assert [(one.aside, one.value) for one in found] == [(True, 1.0), (False, 6.0)]
    assert {one.status for one in verify_checkpoints(tmp_path)} == {"good"}


def test_another_templates_kept_files_stay(tmp_path):
    """Two models may share a folder: the best of each is kept."""
    model = make_model(keras)
    for template in ("a{epoch}.weights.h5", "b{epoch}.weights.h5"):
        for loss in (1.0, 2.0, 3.0):
            train(callback(tmp_path, template, keep_latest=1), [loss], model)
    kept = [one.name[0] for one in list_checkpoints(tmp_path) if one.aside]
    assert kept == ["a", "b"]


# `resume` with nothing to continue from.


def saved_by_keras(folder, name="1.weights.h5"):
    folder.mkdir(exist_ok=True)
    model = make_model(keras)
    fill(model, 77)
    model.save_weights(folder / name)


def test_files_that_the_journal_does_not_know(tmp_path):
    """Keras' own callback wrote them: one line names the newest, and they are kept."""
    saved_by_keras(tmp_path, "1.weights.h5")
    saved_by_keras(tmp_path, "2.weights.h5")
    os.utime(tmp_path / "1.weights.h5", (1, 1))
    one = callback(tmp_path, "{epoch}.weights.h5", resume=True)
    with pytest.warns(CheckpointWarning, match="Nothing to resume from") as warned:
        train(one, [2.0, 1.0])
    (text,) = warning_texts(warned)
    assert f"{tmp_path / '2.weights.h5'} (it is not in the journal)" in text
    assert "`restore_checkpoint(model, " in text
    assert "kept under another name" in text
    assert [epoch_in(tmp_path / f"{n}.run-unknown.weights.h5") for n in (1, 2)] == [
        77,
        77,
    ]
    assert [epoch_in(tmp_path / f"{n}.weights.h5") for n in (1, 2)] == [1, 2]


@pytest.mark.parametrize("journal", [None, b"", b"torn\n\xff\n", b'{"schema": 99}\n'])
def test_a_journal_that_is_lost(tmp_path, journal):
    """Whatever happened to it, training does not start from scratch silently."""
    train(callback(tmp_path, "{epoch}.weights.h5"), [1.0, 2.0])
    path = tmp_path / "modelcheckpoint.jsonl"
    path.unlink() if journal is None else path.write_bytes(journal)
    one = callback(tmp_path, "{epoch}.weights.h5", resume=True)
    with pytest.warns(CheckpointWarning, match="Nothing to resume from"):
        train(one, [9.0])
    assert one.restored is None
    assert "1.run-unknown.weights.h5" in checkpoints(tmp_path)


def test_another_template(tmp_path):
    """The message names what was looked for and what is there; its files stay."""
    train(callback(tmp_path, "old-{epoch}.weights.h5"), [1.0, 2.0])
    before = names(tmp_path)
    one = callback(tmp_path, "new-{epoch}.weights.h5", resume=True)
    with pytest.warns(CheckpointWarning, match="Nothing to resume from") as warned:
        train(one, [9.0])
    (text,) = warning_texts(warned)
    assert str(tmp_path / "new-{epoch}.weights.h5") in text
    assert str(tmp_path / "old-2.weights.h5") in text
    assert "it was saved as" in text
    assert set(names(tmp_path)) == {*before, "new-1.weights.h5"}


@pytest.mark.parametrize(
    ("suffix", "what"),
    [(".h5", "weights alone in HDF5"), (".orbax", r"weights in \.orbax")],
)
def test_another_format_of_the_same_names(tmp_path, suffix, what):
    """Weights, but a full model is wanted: kept under another name, and reported."""
    if suffix == ".orbax":
        pytest.importorskip("orbax.checkpoint")
    name = "{epoch}" + suffix
    train(callback(tmp_path, name), [1.0])
    one = callback(tmp_path, name, save_weights_only=False, resume=True)
    with pytest.warns(CheckpointWarning, match=what):
        train(one, [2.0])
    (kept,) = [one for one in list_checkpoints(tmp_path) if one.aside]
    assert epoch_in(kept.path) == 1
    assert kept.value == 1.0


def test_an_empty_folder_says_nothing(tmp_path):
    """If there is nothing at all, training starts as usual."""
    one = callback(tmp_path / "a", "{epoch}/w.weights.h5", resume=True)
    train(one, [1.0])
    assert one.problems == []
    # Even if its files are in folders that no journal names.
    (tmp_path / "a" / "modelcheckpoint.jsonl").unlink()
    one = callback(tmp_path / "a", "{epoch}/w.weights.h5", resume=True)
    with pytest.warns(CheckpointWarning, match="Nothing to resume from"):
        train(one, [1.0])


def test_a_folder_of_the_version_before(tmp_path):
    """Lines without `kept_by` are read, and the files kept aside are pruned."""
    model = make_model(keras)
    for loss in (1.0, 2.0):
        train(callback(tmp_path, "{epoch}.weights.h5"), [loss], model)
    journal = tmp_path / "modelcheckpoint.jsonl"
    text = journal.read_text("utf-8")
    for line in lines(tmp_path):
        text = text.replace(f', "kept_by": "{line["kept_by"]}"', "")
    journal.write_text(text.replace(', "kept_by": null', ""), "utf-8")
    assert "kept_by" not in journal.read_text("utf-8")
    train(callback(tmp_path, "{epoch}.weights.h5", keep_latest=1), [3.0], model)
    found = [(one.aside, one.value) for one in list_checkpoints(tmp_path)]
    assert found == [(True, 1.0), (False, 3.0)]
