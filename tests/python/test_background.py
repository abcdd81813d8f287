"""Files are written while training continues, and the hooks keep their promises."""

from __future__ import annotations

import gc
import os
import signal
import threading

import numpy as np
import pytest
from conftest import checkpoints, lines
from contents import contents
from gated import Gate, Gated, at_epochs

from modelcheckpoint import (
    ModelCheckpoint,
    verify_checkpoints,
)
from modelcheckpoint.formats import format_of
from modelcheckpoint.formats.image import Block
from modelcheckpoint.save.pipeline import SMALL_BYTES

keras = pytest.importorskip("keras", minversion="3.4")

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_thread_is_left")]


FORMATS = ["{epoch}.keras", "{epoch}.weights.h5", "{epoch}.h5", "{epoch}.hdf5"]


@pytest.mark.parametrize("template", FORMATS)
def test_each_file_is_of_its_moment(template, big, tmp_path, capsys):
    """A file holds the state at the time of the hook, whatever training does next."""
    weights_only = template.endswith((".weights.h5", ".hdf5"))
    callback = ModelCheckpoint(tmp_path / template, save_weights_only=weights_only)
    states = {}
    keep = at_epochs(lambda epoch: states.update({epoch: keep.model.get_weights()}))
    big(callback, keep, epochs=4)
    assert len(checkpoints(tmp_path)) == 4
    assert [found.status for found in verify_checkpoints(tmp_path)] == ["good"] * 4
    for epoch, state in states.items():
        path = str(tmp_path / template.format(epoch=epoch))
        if weights_only:
            big.model.load_weights(path)
            loaded = big.model
        else:
            loaded = keras.models.load_model(path)
        for one, other in zip(loaded.get_weights(), state):
            np.testing.assert_array_equal(one, other)
    assert callback.problems == []
    assert "training waits" not in capsys.readouterr().out


def test_training_goes_on_while_a_file_is_written(big, tmp_path):
    """The second save of a large model is under way while the third epoch trains."""
    gate = Gate()
    callback = Gated(tmp_path / "{epoch}.weights.h5", gate=gate, save_weights_only=True)
    found = {}

    def look(epoch):
        found[epoch] = checkpoints(tmp_path)

    def begin(epoch, logs):
        if epoch == 2:  # the second save waits at its gate
            found["third"] = [name for name in checkpoints(tmp_path) if "3" not in name]
            gate.way.set()

    go_on = keras.callbacks.LambdaCallback(on_epoch_begin=begin)
    big(callback, at_epochs(look), go_on)
    first = ["1.weights.h5"]
    assert found[1] == first  # the first one is there when its hook returns
    assert "2.weights.h5" not in found["third"]
    assert checkpoints(tmp_path) == [f"{n}.weights.h5" for n in (1, 2, 3)]


def test_without_a_background(big, tmp_path):
    """With `background=False` each file is there when its hook returns."""
    callback = ModelCheckpoint(tmp_path / "{epoch}.keras", background=False)
    found = {}
    big(callback, at_epochs(lambda epoch: found.update({epoch: checkpoints(tmp_path)})))
    assert found[2] == ["1.keras", "2.keras"]


def test_wait(big, tmp_path):
    """`wait()` mid-training returns once the file is there."""
    callback = ModelCheckpoint(tmp_path / "{epoch}.keras")
    found = {}

    def look(epoch):
        callback.wait()
        found[epoch] = checkpoints(tmp_path)

    big(callback, at_epochs(look))
    assert found[2] == ["1.keras", "2.keras"]
    assert found[3] == ["1.keras", "2.keras", "3.keras"]


def test_on_saved(big, tmp_path):
    """It is called for each file, once the file is there, on the training thread."""
    calls = []

    def on_saved(record):
        there = (tmp_path / record.path).stat().st_size == record.bytes
        calls.append((record.epoch, there, threading.get_ident()))

    callback = ModelCheckpoint(tmp_path / "{epoch}.keras", on_saved=on_saved)
    big(callback)
    assert calls == [(epoch, True, threading.get_ident()) for epoch in (1, 2, 3)]


def test_saved_is_said_when_it_is_so(big, tmp_path, capsys):
    """Each line is printed once the file is there, and in order."""
    callback = ModelCheckpoint(tmp_path / "{epoch}.keras", verbose=1)
    big(callback)
    said = [line for line in capsys.readouterr().out.splitlines() if "saved" in line]
    wanted = [f"Epoch {n}: saved {tmp_path}/{n}.keras" for n in (1, 2, 3)]
    assert said == wanted


@pytest.mark.parametrize("save_freq", [4, 8])
def test_within_epochs(save_freq, big, tmp_path):
    """With an integer `save_freq`, every save that falls due is made."""
    path = tmp_path / "{samples}.weights.h5"
    callback = ModelCheckpoint(path, save_weights_only=True, save_freq=save_freq)
    big(callback)
    due = range(save_freq, 3 * 8 + 1, save_freq)
    assert [line["samples"] for line in lines(tmp_path)] == list(due)


def test_a_loop_that_reads_by_h5py_is_not_held_up(big, tmp_path):
    """h5py has one lock for the process: a save in the background never takes it."""
    from h5py import _objects

    callback = ModelCheckpoint(tmp_path / "{epoch}.keras")
    found = {}

    def look(epoch):
        with _objects.phil:
            callback.wait()
            found[epoch] = checkpoints(tmp_path)

    big(callback, at_epochs(look))
    assert len(found[3]) == 3


def test_a_small_model_is_saved_at_once(tmp_path):
    """A callback later in the list finds the file, as with Keras."""
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", loss="mean_squared_error")
    found = []
    later = at_epochs(lambda epoch: found.append(len(checkpoints(tmp_path))))
    callbacks = [ModelCheckpoint(tmp_path / "{epoch}.keras"), later]
    x = np.ones((8, 3))
    model.fit(x, x[:, :1], epochs=4, verbose=0, callbacks=callbacks)
    assert found == [1, 2, 3, 4]


class SavesItself(keras.Model):
    """A model with its own `save`, which is what its users want to run."""

    def save(self, *arguments, **named):
        return super().save(*arguments, **named)


def test_what_only_keras_can_save(tmp_path, capsys):
    """Training waits, the file is as safe as any, and `verbose` says so once."""
    inputs = keras.Input((3,))
    model = SavesItself(inputs, keras.layers.Dense(1)(inputs))
    model.compile("sgd", loss="mean_squared_error")
    x = np.ones((8, 3))
    callback = ModelCheckpoint(tmp_path / "{epoch}.keras", verbose=1)
    model.fit(x, x[:, :1], epochs=3, verbose=0, callbacks=[callback])
    assert len(checkpoints(tmp_path)) == 3
    said = capsys.readouterr().out
    assert said.count("training waits for each save, because it has its own") == 1


def test_without_memory_for_a_copy(big, tmp_path, capsys, monkeypatch):
    """If the copy does not fit, training waits, and one message says so."""
    from modelcheckpoint.formats import image

    monkeypatch.setattr(image, "available_memory", lambda: SMALL_BYTES)
    callback = ModelCheckpoint(tmp_path / "{epoch}.keras")
    big(callback)
    assert len(checkpoints(tmp_path)) == 3
    said = capsys.readouterr().out
    assert said.count("training waits for each save") == 1
    assert "memory" in said


def test_memory_is_given_back(big, tmp_path):
    """After `fit` the callback holds no copy of the model."""
    callback = ModelCheckpoint(tmp_path / "{epoch}.keras")
    held = []
    big(callback, at_epochs(lambda epoch: held.append(copies_in_memory())))
    assert held == [1, 1, 1]
    assert copies_in_memory() == 0


def copies_in_memory():
    gc.collect()
    blocks = [each for each in gc.get_objects() if isinstance(each, Block)]
    return sum(len(block.memory) > SMALL_BYTES for block in blocks)


def joined(snapshot):
    return b"".join(data for data, _ in snapshot.parts())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_the_child_of_a_fork_has_no_copy(big, tmp_path):
    """A forked data loader must not copy our memory, so the child has no snapshot.

    If the child saved, it would start from scratch.
    """
    snapshotter = format_of("w.weights.h5", "w.weights.h5", True).snapshotter()
    big.model.build((None, 1500))
    before = joined(snapshotter.take(big.model))
    child = os.fork()
    if child == 0:
        signal.alarm(60)  # so that a hang ends
        same = joined(snapshotter.take(big.model)) == before
        os._exit(0 if same else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5"])
def test_a_model_that_changes_while_it_is_trained(suffix, tmp_path):
    """Freezing a layer or changing the learning rate changes the file, too."""
    model = keras.Sequential([keras.Input((3,)), *map(keras.layers.Dense, (4, 2, 1))])
    model.compile("adam", loss="mean_squared_error")
    x = np.ones((8, 3), "float32")
    weights_only = suffix == ".weights.h5"
    path = tmp_path / f"{{epoch}}{suffix}"
    callback = ModelCheckpoint(path, save_weights_only=weights_only)
    own = {}

    def change(epoch):
        target = str(tmp_path / f"own-{epoch}{suffix}")
        own[epoch] = target
        change.model.save_weights(target) if weights_only else change.model.save(target)
        if epoch == 2:
            if keras.backend.backend() != "jax":  # Keras cannot do this in a fit on JAX
                change.model.layers[0].trainable = False
            change.model.optimizer.learning_rate = 0.5

    change_callback = at_epochs(change)
    change.model = model
    model.fit(x, x[:, :1], epochs=4, verbose=0, callbacks=[callback, change_callback])
    for epoch, target in own.items():
        ours = str(tmp_path / f"{epoch}{suffix}")
        assert contents(ours) == contents(target)
