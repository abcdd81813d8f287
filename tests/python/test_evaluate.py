"""`evaluate` and `predict`, alone and inside a fit: nothing is saved or miscounted."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import (
    SAMPLES,
    checkpoints,
    fit,
    same_weights,
)
from one_layer import Inside, make_model, seen, weights_only

from modelcheckpoint import CheckpointError, ModelCheckpoint

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("save_freq", ["epoch", 10])
def test_evaluate_and_predict_save_nothing(K, save_freq, tmp_path, data, capsys):
    """During `evaluate` and `predict`, the callback prints and writes nothing."""
    model = make_model(K)
    callback = ModelCheckpoint(tmp_path / "w.keras", save_freq=save_freq)

    def ask():
        arguments = {"verbose": 0, "callbacks": [callback]}
        model.evaluate(*data, **arguments)
        model.predict(data[0], **arguments)

    ask()
    assert checkpoints(tmp_path) == []
    fit(model, data, callback)
    ask()
    fit(model, data, callback)
    each = [25] if save_freq == "epoch" else [12, 24]
    assert seen(tmp_path) == each * 2
    assert callback.problems == []
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("hook", "place", "samples"),
    [
        ("on_train_batch_begin", "before", 25),
        ("on_train_batch_begin", "after", 25),
        ("on_train_batch_end", "before", 25),
        ("on_train_batch_end", "after", 25),
        ("on_train_batch_end", "before", 5),
        ("on_train_batch_end", "after", 5),
    ],
)
@pytest.mark.keras2
def test_evaluate_in_mid_epoch(K, hook, place, samples, tmp_path, data):
    """If another callback evaluates mid-epoch, its samples are not counted as training.

    It resets the numbers that we count by. The count can be lost only if the evaluation
    falls between our hook at a batch's beginning and the batch; then a warning says so.
    """
    x, y = (array[:samples] for array in data)

    class Evaluate(K.callbacks.Callback):
        def look(self, batch, logs=None):
            if batch == 2:
                self.model.evaluate(x, y, batch_size=7, verbose=0)

    setattr(Evaluate, hook, Evaluate.look)
    path = tmp_path / "{samples}.weights.h5"
    callback = ModelCheckpoint(**weights_only(path), save_freq=1)
    callbacks = [callback, Evaluate()]
    fit(make_model(K), data, *callbacks[:: 1 if place == "after" else -1], epochs=2)
    exact = np.cumsum([4, 4, 4, 4, 4, 4, 1] * 2).tolist()
    if (hook, place) == ("on_train_batch_begin", "after") and callback.problems:
        assert "in the middle of an epoch" in callback.problems[0]
    else:
        assert seen(tmp_path) == exact
        assert callback.problems == []


@pytest.mark.parametrize("samples", [5, 25])
def test_evaluate_in_mid_epoch_of_whole_epochs(K, samples, tmp_path, data):
    """If no batch is watched, samples are exact or None, and never wrong."""
    x, y = (array[:samples] for array in data)

    class Evaluate(K.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 2:
                self.model.evaluate(x, y, verbose=0)

    callback = ModelCheckpoint(tmp_path / "{epoch}.keras")
    fit(make_model(K), data, callback, Evaluate(), epochs=2)
    counts = seen(tmp_path)
    assert counts in ([SAMPLES, 2 * SAMPLES], [None, None])


def test_evaluate_in_mid_epoch_with_the_callback_itself(K, tmp_path, data):
    """The same if the evaluation gets our callback, too."""

    class Evaluate(K.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 2:
                arguments = {"verbose": 0, "callbacks": [callback]}
                self.model.evaluate(*data, **arguments)
                self.model.predict(data[0], **arguments)

    path = tmp_path / "{samples}.weights.h5"
    callback = ModelCheckpoint(**weights_only(path), save_freq=1)
    fit(make_model(K), data, callback, Evaluate())
    exact = np.cumsum([4, 4, 4, 4, 4, 4, 1]).tolist()
    assert seen(tmp_path) == exact
    assert callback.problems == []


@pytest.mark.parametrize("validated", [False, True])
@pytest.mark.parametrize("first", [False, True])
def test_evaluate_at_an_epochs_end(K, first, validated, tmp_path, data):
    """If another callback evaluates between epochs, the count is not affected."""

    class Evaluate(K.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.evaluate(data[0][:5], data[1][:5], verbose=0)

    arguments = {"validation_data": data} if validated else {}
    callbacks = [
        ModelCheckpoint(tmp_path / "{epoch}.keras"),
        ModelCheckpoint(tmp_path / "a{samples}.keras", save_freq=SAMPLES),
    ]
    callbacks.insert(0 if first else 2, Evaluate())
    fit(make_model(K), data, *callbacks, epochs=3, **arguments)
    samples = [SAMPLES, 2 * SAMPLES, 3 * SAMPLES]
    assert sorted(seen(tmp_path)) == sorted(2 * samples)


@pytest.mark.parametrize("save_freq", ["epoch", SAMPLES])
def test_another_model_evaluated_with_the_callback(K, save_freq, tmp_path, data):
    """Evaluating another model inside the fit cannot take the callback over."""
    model, other = make_model(K), make_model(K)
    callback = ModelCheckpoint(tmp_path / "{epoch}.keras", save_freq=save_freq)

    def run():
        with pytest.raises(CheckpointError, match="a callback of its own"):
            other.evaluate(*data, verbose=0, callbacks=[callback])

    fit(model, data, callback, Inside(K, run), epochs=2)
    loaded = K.models.load_model(str(tmp_path / "2.keras"))
    assert same_weights(model, loaded)
    assert seen(tmp_path) == [SAMPLES, 2 * SAMPLES]
