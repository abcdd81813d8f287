"""Files are written while training goes on, and each promise of the hooks is kept."""

from __future__ import annotations

import errno
import gc
import os
import signal
import threading
import warnings

import numpy as np
import pytest
from conftest import checkpoints, lines, names, told
from contents import contents

from modelcheckpoint import (
    CheckpointWarning,
    ModelCheckpoint,
    SaveError,
    verify_checkpoints,
)
from modelcheckpoint.formats import format_of
from modelcheckpoint.formats.image import Block
from modelcheckpoint.journal import log
from modelcheckpoint.records import Record, Removal
from modelcheckpoint.save.pipeline import SMALL_BYTES
from modelcheckpoint.storage.local import LocalStorage

keras = pytest.importorskip("keras", minversion="3.4")

pytestmark = pytest.mark.slow
ROWS = 8


@pytest.fixture(autouse=True)
def _no_thread_is_left():
    yield
    assert "modelcheckpoint" not in [thread.name for thread in threading.enumerate()]


@pytest.fixture
def big():
    """A model too large to be saved at once, its data, and `fit` in one call."""
    model = keras.Sequential([keras.Input((1500,)), keras.layers.Dense(1500)])
    model.compile("sgd", loss="mean_squared_error", run_eagerly=False)
    assert sum(v.nbytes for v in map(np.asarray, model.get_weights())) > SMALL_BYTES
    x = np.random.default_rng(0).normal(size=(ROWS, 1500)).astype("float32")

    def fit(*callbacks, **arguments):
        arguments = {"batch_size": 4, "epochs": 3, "verbose": 0, **arguments}
        return model.fit(x, x, callbacks=list(callbacks), **arguments)

    fit.model = model
    return fit


class Gate:
    """`os`, whose fsync waits at a gate from the second file on, or fails there."""

    def __init__(self, error=None):
        self.way = threading.Event()
        self.error = error
        self.files = 0

    def __getattr__(self, name):
        return getattr(os, name)

    def fsync(self, file):
        if os.fstat(file).st_size > SMALL_BYTES:
            self.files += 1
        if self.files == 2 and os.fstat(file).st_size > SMALL_BYTES:
            assert self.way.wait(60)
            if self.error is not None:
                raise self.error
        os.fsync(file)


class Gated(ModelCheckpoint):
    """A callback whose disk is behind a gate."""

    def __init__(self, *arguments, gate, **named):
        super().__init__(*arguments, **named)
        plain = self._training._storage

        def storage(chief):
            found = plain(chief)
            return LocalStorage(found.folder, found.depth, system=gate)

        self._training._storage = storage


def at_epochs(function):
    """Return a callback that calls `function` with the number of the epoch, from 1."""
    return keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: function(epoch + 1)
    )


FORMATS = ["{epoch}.keras", "{epoch}.weights.h5", "{epoch}.h5", "{epoch}.hdf5"]


@pytest.mark.parametrize("template", FORMATS)
def test_each_file_is_of_its_moment(template, big, tmp_path, capsys):
    """What is saved is the state when the hook was called, whatever training does."""
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
    """`wait()` in mid-training returns when the file is there."""
    callback = ModelCheckpoint(tmp_path / "{epoch}.keras")
    found = {}

    def look(epoch):
        callback.wait()
        found[epoch] = checkpoints(tmp_path)

    big(callback, at_epochs(look))
    assert found[2] == ["1.keras", "2.keras"]
    assert found[3] == ["1.keras", "2.keras", "3.keras"]


def test_on_saved(big, tmp_path):
    """It is told of each file, once that is there, on the thread that trains."""
    calls = []

    def on_saved(record):
        there = (tmp_path / record.path).stat().st_size == record.bytes
        calls.append((record.epoch, there, threading.get_ident()))

    callback = ModelCheckpoint(tmp_path / "{epoch}.keras", on_saved=on_saved)
    big(callback)
    assert calls == [(epoch, True, threading.get_ident()) for epoch in (1, 2, 3)]


def test_a_file_that_gets_no_name_is_noted(big, tmp_path):
    """Its line is there already; another one says that the file never came."""
    (tmp_path / "2.keras" / "mine").mkdir(parents=True)
    callback = ModelCheckpoint(tmp_path / "{epoch}.keras")
    with pytest.warns(CheckpointWarning, match=r"Saving .*2\.keras failed"):
        big(callback)
    found = list(log.entries(str(tmp_path)))
    assert [entry.path for entry in found if isinstance(entry, Record)] == [
        "1.keras",
        "2.keras",
        "3.keras",
    ]
    assert found[2] == Removal.of(found[1])
    assert not list(tmp_path.glob(".modelcheckpoint-*"))


def test_a_failure_is_told_by_the_next_hook(big, tmp_path):
    """The file that was there stays, training goes on, and the next save succeeds."""
    gate = Gate(OSError(errno.ENOSPC, "No space left on device"))
    gate.way.set()
    path = tmp_path / "w.keras"
    callback = Gated(path, gate=gate)
    with pytest.warns(CheckpointWarning) as warned:
        big(callback, epochs=4)
    assert len(told(warned)) == 1
    assert "w.keras failed: OSError" in told(warned)[0]
    assert callback.problems == told(warned)
    assert [line["epoch"] for line in lines(tmp_path)] == [1, 3, 4]
    assert names(tmp_path) == ["modelcheckpoint.jsonl", "w.keras"]
    keras.models.load_model(str(path))


def test_a_failure_can_end_training(big, tmp_path):
    """With `on_error="raise"` the next hook raises it."""
    gate = Gate(OSError(errno.EIO, "Input/output error"))
    gate.way.set()
    callback = Gated(tmp_path / "w.keras", gate=gate, on_error="raise")
    with pytest.raises(SaveError, match="Input/output error"):
        big(callback)
    assert names(tmp_path) == ["modelcheckpoint.jsonl", "w.keras"]


@pytest.mark.parametrize("saver", [True, False])
def test_no_thread_can_be_had(saver, big, tmp_path, monkeypatch):
    """It is told as any failure, but where memory is only taken ahead of time."""
    start = threading.Thread.start

    def refuse(thread):
        if thread.name.startswith("modelcheckpoint"):
            raise RuntimeError("can't start new thread")
        start(thread)

    def change(epoch):
        refuses = saver and epoch == 1
        monkeypatch.setattr(threading.Thread, "start", refuse if refuses else start)

    if not saver:
        monkeypatch.setattr(threading.Thread, "start", refuse)
    callback = ModelCheckpoint(tmp_path / "{epoch}.keras", "loss")
    before = keras.callbacks.LambdaCallback(
        on_train_begin=lambda logs: change(0), on_epoch_begin=lambda e, logs: change(e)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        big(callback, before)
    failed = ["2.keras"] if saver else []
    assert checkpoints(tmp_path) == [
        name for name in ("1.keras", "2.keras", "3.keras") if name not in failed
    ]
    assert ["can't start new thread" in text for text in callback.problems] == [
        True for _ in failed
    ]


class Interrupted(keras.layers.Dense):
    """A layer whose state is asked for when somebody presses Ctrl-C in R."""

    saves = 0

    def save_own_variables(self, store):
        self.saves += 1
        if self.saves == 2:
            raise RuntimeError("(Unknown exception occurred)")
        super().save_own_variables(store)


@pytest.mark.parametrize("own_save", [True, False])
def test_an_interrupt_in_r_ends_training(own_save, tmp_path):
    """It comes as an error of whatever runs, and is no reason to save otherwise."""
    model = keras.Sequential([keras.Input((3,)), Interrupted(1)])
    model.compile("sgd", "mean_squared_error")
    if own_save:
        method = model.save_weights
        model.save_weights = lambda *given, **named: method(*given, **named)
    x, y = np.zeros((4, 3)), np.zeros((4, 1))
    path = tmp_path / "{epoch}.weights.h5"
    callback = ModelCheckpoint(path, "loss", save_weights_only=True)
    with pytest.raises(RuntimeError, match="Unknown exception"):
        model.fit(x, y, epochs=4, verbose=0, callbacks=[callback])
    assert checkpoints(tmp_path) == ["1.weights.h5"]
    model.fit(x, y, initial_epoch=1, epochs=3, verbose=0, callbacks=[callback])
    assert callback.problems == []
    assert len(checkpoints(tmp_path)) == 3


def test_best_after_a_failure(big, tmp_path):
    """What was not saved is not the best: the next one that is better is saved."""
    gate = Gate(OSError(errno.ENOSPC, "No space left on device"))
    gate.way.set()
    callback = Gated(tmp_path / "w.keras", "loss", gate=gate, save_best_only=True)
    with pytest.warns(CheckpointWarning):
        history = big(callback).history["loss"]
    assert history[2] < history[0]
    assert callback.best == pytest.approx(history[2])
    assert [line["epoch"] for line in lines(tmp_path)] == [1, 3]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_a_fit_that_ends_by_an_exception(error, big, tmp_path):
    """What was begun is finished, `wait()` waits for it, and the next fit goes on."""
    gate = Gate()
    callback = Gated(tmp_path / "{epoch}.keras", gate=gate)

    def stop(epoch):
        if epoch == 2:
            raise error

    with pytest.raises(error):
        big(callback, at_epochs(stop))
    assert (tmp_path / "1.keras").exists()
    assert not (tmp_path / "2.keras").exists()
    gate.way.set()
    callback.wait()
    assert checkpoints(tmp_path) == ["1.keras", "2.keras"]
    big(callback, initial_epoch=2, epochs=3)
    assert checkpoints(tmp_path) == ["1.keras", "2.keras", "3.keras"]


def test_saved_is_said_when_it_is_so(big, tmp_path, capsys):
    """Each line comes once the file is there, and in order."""
    callback = ModelCheckpoint(tmp_path / "{epoch}.keras", verbose=1)
    big(callback)
    said = [line for line in capsys.readouterr().out.splitlines() if "saved" in line]
    wanted = [f"Epoch {n}: saved {tmp_path}/{n}.keras" for n in (1, 2, 3)]
    assert said == wanted


@pytest.mark.parametrize("save_freq", [4, 8])
def test_within_epochs(save_freq, big, tmp_path):
    """With an integer `save_freq` each save that falls due is made, none dropped."""
    path = tmp_path / "{samples}.weights.h5"
    callback = ModelCheckpoint(path, save_weights_only=True, save_freq=save_freq)
    big(callback)
    due = range(save_freq, 3 * ROWS + 1, save_freq)
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
    """A callback that comes later in the list finds the file, as with Keras."""
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", loss="mean_squared_error")
    found = []
    later = at_epochs(lambda epoch: found.append(len(checkpoints(tmp_path))))
    callbacks = [ModelCheckpoint(tmp_path / "{epoch}.keras"), later]
    x = np.ones((8, 3))
    model.fit(x, x[:, :1], epochs=4, verbose=0, callbacks=callbacks)
    assert found == [1, 2, 3, 4]


class SavesItself(keras.Model):
    """A model whose own `save` is what users mean."""

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
    """Where the copy does not fit, training waits, and that is said once."""
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
    """A loader of data that forks does not make us copy our memory; it has none of it.

    Were it to save, it would begin anew.
    """
    snapshotter = format_of("w.weights.h5", "w.weights.h5", True).snapshotter()
    big.model.build((None, 1500))
    before = joined(snapshotter.take(big.model))
    child = os.fork()
    if child == 0:
        signal.alarm(60)  # what hangs is ended
        same = joined(snapshotter.take(big.model)) == before
        os._exit(0 if same else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5"])
def test_a_model_that_changes_while_it_is_trained(suffix, tmp_path):
    """A layer that is frozen, or another learning rate, changes the file, too."""
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
            if keras.backend.backend() != "jax":  # Keras cannot, in a fit on JAX
                change.model.layers[0].trainable = False
            change.model.optimizer.learning_rate = 0.5

    change_callback = at_epochs(change)
    change.model = model
    model.fit(x, x[:, :1], epochs=4, verbose=0, callbacks=[callback, change_callback])
    for epoch, target in own.items():
        ours = str(tmp_path / f"{epoch}{suffix}")
        assert contents(ours) == contents(target)
