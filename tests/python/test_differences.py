"""Deliberate differences from Keras' own callback, one test for each."""

from __future__ import annotations

import os
import threading

import pytest
from conftest import (
    checkpoints,
    drive,
    fit,
    lines,
    make_model,
    names,
    same_weights,
    warning_texts,
)

from modelcheckpoint import CheckpointWarning, ModelCheckpoint, SaveError


def fails_at(K, *calls):
    """Return a model whose `save` fails halfway at the given calls (from 1)."""

    class Fails(K.Model):
        saves = 0

        def save(self, filepath, *args, **kwargs):
            Fails.saves += 1
            if Fails.saves in calls:
                with open(filepath, "wb") as file:
                    file.write(b"half a file")
                raise OSError(28, "No space left on device")
            super().save(filepath, *args, **kwargs)

    inputs = K.Input((3,))
    model = Fails(inputs, K.layers.Dense(1)(inputs))
    model.compile("sgd", loss="mean_squared_error")
    return model


def test_a_failed_save_leaves_the_old_file(K, tmp_path, data):
    """A save that fails halfway leaves the old file complete, and no other file."""
    path = tmp_path / "w.keras"
    model = fails_at(K, 2)
    kept = []

    class Look(K.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            kept.append(path.read_bytes())

    callback = ModelCheckpoint(path)
    with pytest.warns(CheckpointWarning, match="No space left") as warned:
        fit(model, data, callback, Look(), epochs=3)
    assert kept[0] == kept[1] != kept[2]
    assert checkpoints(tmp_path) == ["w.keras"]
    assert str(path) in warning_texts(warned)[0]
    assert len(callback.problems) == 1


def test_on_error_raise(K, tmp_path, data):
    """With `on_error="raise"` a failed save ends training."""
    callback = ModelCheckpoint(tmp_path / "w.keras", on_error="raise")
    with pytest.raises(SaveError, match=r"w\.keras failed: OSError: .*No space left"):
        fit(fails_at(K, 2), data, callback, epochs=3)
    assert checkpoints(tmp_path) == ["w.keras"]


def test_the_first_save_always_raises(K, tmp_path, data):
    """Nobody trains for a week without a checkpoint."""
    with pytest.raises(SaveError, match="No space left"):
        fit(fails_at(K, 1), data, ModelCheckpoint(tmp_path / "w.keras"))
    assert checkpoints(tmp_path) == []


def test_a_best_that_failed_is_tried_again(K, tmp_path, data):
    """A failed save does not count as the best: the next better value is saved."""
    model = fails_at(K, 2)
    callback = ModelCheckpoint(tmp_path / "w.keras", save_best_only=True)
    with pytest.warns(CheckpointWarning, match="No space left"):
        drive(callback, model, *({"val_loss": v} for v in (3.0, 1.0, 2.0)))
    assert [line["value"] for line in lines(tmp_path)] == [3.0, 2.0]
    assert callback.best == 2.0


def test_problems_are_summed_up(K, tmp_path, data, capsys):
    """The end of `fit` repeats each problem, with path and reason."""
    callback = ModelCheckpoint(tmp_path / "w.keras")
    with pytest.warns(CheckpointWarning):
        fit(fails_at(K, 2, 3), data, callback, epochs=4)
    said = capsys.readouterr().out
    assert "2 problems" in said
    assert said.count("No space left") == 2


def test_no_batch_hook_in_epoch_mode(tmp_path):
    """With `save_freq="epoch"`, Keras keeps dispatching hooks asynchronously."""
    import keras

    for save_freq, asynchronous in (("epoch", True), (10, False)):
        callback = ModelCheckpoint(tmp_path / "w.keras", save_freq=save_freq)
        hooks = keras.callbacks.CallbackList([callback])
        if keras.backend.backend() == "jax":
            assert hooks._async_train is asynchronous
        assert getattr(callback.on_batch_end, "_is_default", False) is asynchronous
        own = keras.callbacks.Callback.on_train_batch_end
        assert callback.on_train_batch_end.__func__ is own
        first = getattr(callback.on_batch_begin, "_is_default", False)
        assert first is asynchronous


def test_no_batch_hook_in_epoch_mode_of_tf_keras(tmp_path):
    """tf_keras calls no batch hook, and converts no tensors for us."""
    tf_keras = pytest.importorskip("tf_keras")

    for save_freq, called in (("epoch", False), (10, True)):
        callback = ModelCheckpoint(tmp_path / "w.keras", save_freq=save_freq)
        hooks = tf_keras.callbacks.CallbackList([callback])
        assert hooks._should_call_train_batch_hooks is called
        assert not hooks._should_call_test_batch_hooks
        assert not hooks._should_call_predict_batch_hooks
        assert hooks._batch_hooks_support_tf_logs


def test_hooks_from_a_pool_of_threads(tmp_path):
    """A batch hook on another thread (bare callbacks on JAX) raises, with a way out."""
    import keras

    callback = ModelCheckpoint(tmp_path / "w.keras", save_freq=10)
    callback.set_model(make_model(keras))
    callback.on_train_begin()
    caught = []

    def hook():
        try:
            callback.on_batch_end(0, {"size": 4})
        except Exception as error:
            caught.append(error)

    thread = threading.Thread(target=hook)
    thread.start()
    thread.join()
    assert "pass the callbacks as a list" in str(caught[0])


@pytest.mark.parametrize("save_best_only", [True, False])
def test_a_worse_second_run_keeps_the_best_aside(K, tmp_path, save_best_only, capsys):
    """The better file of an earlier run gets another name; both values are reported."""
    path = tmp_path / "best.keras"
    first, second = make_model(K), make_model(K)
    arguments = {"save_best_only": save_best_only}
    drive(ModelCheckpoint(path, **arguments), first, {"val_loss": 0.25})
    assert capsys.readouterr().out == ""
    drive(ModelCheckpoint(path, **arguments), second, {"val_loss": 0.5})
    (aside,) = [name for name in checkpoints(tmp_path) if name != "best.keras"]
    assert aside == f"best.run-{lines(tmp_path)[0]['run']}.keras"
    assert same_weights(first, K.models.load_model(str(tmp_path / aside)))
    assert same_weights(second, K.models.load_model(str(path)))
    said = capsys.readouterr().out
    for part in ("0.25000", "0.50000", aside):
        assert part in said
    assert lines(tmp_path)[1]["path"] == aside


@pytest.mark.parametrize(
    ("value", "monitor"), [(0.125, "val_loss"), (0.25, "val_loss"), (0.5, "loss")]
)
def test_what_is_not_better_is_overwritten(tmp_path, value, monitor):
    """A better or equal second run, or one with another monitor, replaces the file."""
    import keras

    model, path = make_model(keras), tmp_path / "best.keras"
    drive(ModelCheckpoint(path), model, {"val_loss": 0.25})
    drive(ModelCheckpoint(path, monitor=monitor), model, {monitor: value})
    assert checkpoints(tmp_path) == ["best.keras"]


def test_only_the_best_of_a_run_is_kept_aside(tmp_path):
    """Repeating a run with worse values does not double every file."""
    import keras

    model, path = make_model(keras), tmp_path / "{epoch}.keras"
    runs = ((0.9, 0.5, 0.7), (0.95, 0.6, 0.8))
    for run in runs:
        drive(ModelCheckpoint(path), model, *({"val_loss": v} for v in run))
    first = lines(tmp_path)[0]["run"]
    wanted = ["1.keras", "2.keras", f"2.run-{first}.keras", "3.keras"]
    assert checkpoints(tmp_path) == wanted


def test_a_diverged_second_run_keeps_the_best_aside(tmp_path):
    """A run without a finite value counts as worse than any other."""
    import keras

    model, path = make_model(keras), tmp_path / "w.keras"
    drive(ModelCheckpoint(path), model, {"val_loss": 0.25})
    drive(ModelCheckpoint(path), model, {"val_loss": float("nan")})
    assert len(checkpoints(tmp_path)) == 2


@pytest.mark.keras2
def test_the_models_own_save_runs(K, tmp_path, data):
    """If a model overrides `save` or `save_weights`, its method is used."""
    calls = []

    class Own(K.Model):
        def save(self, *args, **kwargs):
            calls.append("save")
            return super().save(*args, **kwargs)

        def save_weights(self, filepath, *args, **kwargs):
            calls.append("save_weights")
            with open(filepath, "wb") as file:
                file.write(b"mine")

    inputs = K.Input((3,))
    model = Own(inputs, K.layers.Dense(1)(inputs))
    model.compile("sgd", loss="mean_squared_error")
    for name, weights_only in (
        ("a.keras", False),
        ("b.h5", False),
        ("c.weights.h5", True),
        ("d.hdf5", True),
    ):
        callback = ModelCheckpoint(tmp_path / name, save_weights_only=weights_only)
        fit(model, data, callback)
    assert calls == ["save", "save", "save_weights", "save_weights"]
    assert (tmp_path / "d.hdf5").read_bytes() == b"mine"


def test_a_save_that_writes_nothing_is_an_error(tmp_path, data):
    """If a model's own `save` writes elsewhere, no empty checkpoint is left."""
    import keras

    class Silent(keras.Model):
        def save(self, *args, **kwargs):
            pass

    inputs = keras.Input((3,))
    model = Silent(inputs, keras.layers.Dense(1)(inputs))
    model.compile("sgd", loss="mean_squared_error")
    with pytest.raises(SaveError, match="wrote nothing"):
        fit(model, data, ModelCheckpoint(tmp_path / "w.keras"))
    assert checkpoints(tmp_path) == []


def test_the_seventh_positional_argument(tmp_path):
    """It is `period`; a string there gets a hint."""
    given = (tmp_path / "w.keras", "val_loss", 0, False, False, "auto")
    assert ModelCheckpoint(*given, 3).period == 3
    with pytest.raises(
        ValueError, match=r"`period` must be .*Did you mean `save_freq`"
    ):
        ModelCheckpoint(*given, "epoch")


def test_an_interrupt_leaves_no_trace(tmp_path, data):
    """Ctrl-C in the middle of a save is passed on; the old file stays."""
    import keras

    class Interrupted(keras.Model):
        saves = 0

        def save(self, *args, **kwargs):
            Interrupted.saves += 1
            super().save(*args, **kwargs)
            if Interrupted.saves == 2:
                raise KeyboardInterrupt

    inputs = keras.Input((3,))
    model = Interrupted(inputs, keras.layers.Dense(1)(inputs))
    model.compile("sgd", loss="mean_squared_error")
    path = tmp_path / "w.keras"
    callback = ModelCheckpoint(path)
    with pytest.raises(KeyboardInterrupt):
        fit(model, data, callback, epochs=3)
    assert checkpoints(tmp_path) == ["w.keras"]
    assert lines(tmp_path)[-1]["bytes"] == os.path.getsize(path)
    fit(model, data, callback)
    assert len(lines(tmp_path)) == 2


def test_only_the_chief_writes(tmp_path, data, monkeypatch):
    """Another worker makes the same decisions and writes nothing."""
    import keras

    monkeypatch.setattr("modelcheckpoint.observe.fit.is_chief", lambda model: False)
    path = tmp_path / "w.keras"
    callback = ModelCheckpoint(path, monitor="loss", save_best_only=True)
    fit(make_model(keras), data, callback, epochs=2)
    assert names(tmp_path) == []
    assert callback.best is not None
