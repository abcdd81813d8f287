"""Copies of a callback, by `copy` and `pickle`, at any time."""

from __future__ import annotations

import copy
import pickle
import threading

import pytest
from conftest import (
    checkpoints,
    fit,
    lines,
    same_weights,
)
from one_layer import make_model

from modelcheckpoint import ModelCheckpoint

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("save_freq", ["epoch", 10])
def test_copies_are_callbacks_of_their_own(K, save_freq, tmp_path, data):
    """Copies made before use share nothing: each has its own best, count and run."""
    path = tmp_path / "{epoch}-{loss:.6f}.keras"
    original = ModelCheckpoint(path, "loss", save_best_only=True, save_freq=save_freq)
    copies = [pickle.loads(pickle.dumps(original)), copy.deepcopy(original)]
    bests = []
    for one in copies:
        fit(make_model(K), data, one)
        bests.append(one.best)
        assert one.problems == []
    assert original.best is None
    assert None not in bests


WAYS = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda callback: pickle.loads(pickle.dumps(callback)),
    "pickle 2": lambda callback: pickle.loads(pickle.dumps(callback, 2)),
}


class Tagged(ModelCheckpoint):
    """A subclass with its own attributes and hooks."""

    def __init__(self, filepath, tag, **arguments):
        super().__init__(filepath, **arguments)
        self.validation_data, self.tags = tag, []

    def on_epoch_end(self, epoch, logs=None):
        super().on_epoch_end(epoch, logs)
        self.tags.append(epoch)


@pytest.mark.parametrize(
    ("way", "save_freq"),
    [("copy", 10), ("deepcopy", "epoch"), ("pickle", 10), ("pickle 2", "epoch")],
)
@pytest.mark.keras2
def test_a_callback_is_copied_at_any_time(K, way, save_freq, tmp_path, data):
    """Before, during and after a fit, and after a failed one; each copy can be used.

    It has the arguments, the best, and what a subclass has added; nothing of a fit.
    """
    path = tmp_path / "{epoch}-{loss:.4f}.weights.h5"
    arguments = {"monitor": "loss", "save_best_only": True, "save_weights_only": True}
    original = Tagged(path, "mine", save_freq=save_freq, **arguments)
    copies = {}

    def note(when):
        copies.setdefault(when, (WAYS[way](original), original.best))

    others = notes_of(K, note)
    threads = threading.active_count()
    note("before")
    model = make_model(K)
    fit(model, data, original, others, epochs=2)
    note("after")
    with pytest.raises(ZeroDivisionError):
        fit(model, data, original, others, epochs=4, initial_epoch=1)
    note("after one that broke")
    assert len(copies) == 7
    assert threading.active_count() <= threads
    for duplicate, best in copies.values():
        check_copy(duplicate, original, best)
    assert copies["before"][1] is None
    assert copies["after one that broke"][1] == original.best
    wrote = lines(tmp_path)
    for when in ("before", "in an epoch", "after one that broke"):
        check_use(K, data, *copies[when])
    ours = {line["run"] for line in wrote}
    assert ours.isdisjoint(line["run"] for line in lines(tmp_path)[len(wrote) :])
    assert {line["path"] for line in wrote} <= set(checkpoints(tmp_path))


def notes_of(K, note):
    """Return a callback that records moments of a fit, and fails in the third epoch."""

    def stop(epoch, logs=None):
        if epoch == 2:
            raise ZeroDivisionError

    return K.callbacks.LambdaCallback(
        on_train_begin=lambda logs: note("at the beginning"),
        on_epoch_begin=stop,
        on_train_batch_end=lambda batch, logs: note("in an epoch"),
        on_epoch_end=lambda epoch, logs: note("at an epoch's end"),
        on_train_end=lambda logs: note("at the end"),
    )


def check_copy(duplicate, original, best):
    """It has the arguments, the best at its moment, and nothing of a fit."""
    assert type(duplicate) is Tagged
    assert duplicate.best == best
    assert duplicate.filepath == original.filepath
    assert duplicate.save_freq == original.save_freq
    assert duplicate.validation_data == "mine"
    assert (duplicate.model, duplicate.params) == (None, None)
    assert (duplicate.problems, duplicate.restored) == ([], None)


def check_use(K, data, duplicate, best):
    """A fit continues from the best that was copied."""
    history = fit(make_model(K), data, duplicate, epochs=9, initial_epoch=8).history
    if duplicate.save_freq == "epoch":
        assert duplicate.best == min(history["loss"][0], best or history["loss"][0])
    assert duplicate.problems == []
    assert 8 in duplicate.tags


@pytest.mark.parametrize("way", ["copy", "pickle"])
def test_a_copy_leaves_the_files_of_the_original(way, tmp_path, data):
    """It is a separate run, so retention and `restore_best` keep the two apart."""
    import keras

    path = tmp_path / "{epoch}.weights.h5"
    arguments = {"monitor": "loss", "save_weights_only": True, "period": 2}
    original = ModelCheckpoint(path, keep_latest=1, restore_best=True, **arguments)
    model = make_model(keras)
    fit(model, data, original, epochs=3)
    copied = WAYS[way](original)
    assert checkpoints(tmp_path) == ["2.weights.h5"]
    # One of the two epochs between its saves had passed.
    fit(model, data, copied, epochs=8, initial_epoch=3)
    assert checkpoints(tmp_path) == ["2.weights.h5", "8.weights.h5"]
    ours, *others = lines(tmp_path)
    assert ours["run"] not in {line["run"] for line in others}
    # It restores the best that it or, before it, the original has saved.
    other = make_model(keras)
    best = min((line for line in lines(tmp_path) if "value" in line), key=value_of)
    other.load_weights(tmp_path / best["path"])
    assert same_weights(model, other)


def value_of(line):
    return line["value"]


def test_a_copy_inside_a_fit_serves_another(tmp_path, data):
    """A `fit` inside a `fit` needs a callback of its own, and a copy is one."""
    import keras

    callback = ModelCheckpoint(tmp_path / "{epoch}.keras", "loss", save_on_exit=True)

    def nested(epoch, logs):
        if epoch == 0:
            inner = copy.deepcopy(callback)
            fit(make_model(keras), data, inner, epochs=12, initial_epoch=10)

    others = keras.callbacks.LambdaCallback(on_epoch_end=nested)
    fit(make_model(keras), data, callback, others, epochs=2)
    assert len(checkpoints(tmp_path)) == 4
    assert callback.problems == []
