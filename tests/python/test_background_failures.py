"""Failed saves in the background: the next hook reports them, and nothing is lost."""

from __future__ import annotations

import errno
import threading
import warnings

import numpy as np
import pytest
from conftest import checkpoints, lines, names, warning_texts
from gated import Gate, Gated, at_epochs

from modelcheckpoint import (
    CheckpointWarning,
    ModelCheckpoint,
    SaveError,
)
from modelcheckpoint.journal import log
from modelcheckpoint.records import Record, Removal
from modelcheckpoint.storage import storage_for

keras = pytest.importorskip("keras", minversion="3.4")

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_thread_is_left")]


def test_a_file_that_gets_no_name_is_noted(big, tmp_path):
    """Its line is already there; another one says that the file never came."""
    (tmp_path / "2.keras" / "mine").mkdir(parents=True)
    callback = ModelCheckpoint(tmp_path / "{epoch}.keras")
    with pytest.warns(CheckpointWarning, match=r"Saving .*2\.keras failed"):
        big(callback)
    found = list(log.entries(storage_for(str(tmp_path))))
    assert [entry.path for entry in found if isinstance(entry, Record)] == [
        "1.keras",
        "2.keras",
        "3.keras",
    ]
    assert found[2] == Removal.of(found[1])
    assert not list(tmp_path.glob(".modelcheckpoint-*"))


def test_a_failure_is_told_by_the_next_hook(big, tmp_path):
    """The old file stays, training goes on, and the next save succeeds."""
    gate = Gate(OSError(errno.ENOSPC, "No space left on device"))
    gate.way.set()
    path = tmp_path / "w.keras"
    callback = Gated(path, gate=gate)
    with pytest.warns(CheckpointWarning) as warned:
        big(callback, epochs=4)
    assert len(warning_texts(warned)) == 1
    assert "w.keras failed: OSError" in warning_texts(warned)[0]
    assert callback.problems == warning_texts(warned)
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
    """Without a thread, a save fails, but not the start, which takes memory ahead."""
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
    """A layer that raises while it is saved, as when Ctrl-C is pressed in R."""

    saves = 0

    def save_own_variables(self, store):
        self.saves += 1
        if self.saves == 2:
            raise RuntimeError("(Unknown exception occurred)")
        super().save_own_variables(store)


@pytest.mark.parametrize("own_save", [True, False])
def test_an_interrupt_in_r_ends_training(own_save, tmp_path):
    """It arrives as an error of the running code, and no other way to save is tried."""
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
    """A failed save is never the best: the next better value is saved."""
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
    """The save under way is finished, `wait()` waits for it, and the next fit works."""
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


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="others are copied by the hook"
)
def test_a_copy_that_fails_on_the_thread(big, tmp_path):
    """It counts as a failed save: nothing is staged, and the next one succeeds."""
    path = tmp_path / "{epoch}.weights.h5"
    callback = ModelCheckpoint(path, save_weights_only=True)

    def change(epoch):
        callback.wait()
        places = callback._training._saves._pipeline._snapshotter._maker._image._image
        places.places[0].flags.writeable = epoch != 1

    with pytest.warns(CheckpointWarning, match=r"2\.weights\.h5 failed: .*read-only"):
        big(callback, at_epochs(change))
    assert checkpoints(tmp_path) == ["1.weights.h5", "3.weights.h5"]
    assert [line["epoch"] for line in lines(tmp_path)] == [1, 3]
