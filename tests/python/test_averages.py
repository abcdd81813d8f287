"""Resuming with SwapEMAWeights, which puts averages in the file."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from conftest import fit, lines, make_model, same_weights

from modelcheckpoint import ModelCheckpoint

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not hasattr(keras.callbacks, "SwapEMAWeights"), reason="this Keras has none"
    ),
]


class Stop(keras.callbacks.Callback):
    """Ends training in its second epoch, as a kill would."""

    def on_train_batch_end(self, batch, logs=None):
        if self.model.optimizer.iterations > 9:
            raise ZeroDivisionError


def trained(data, *callbacks, epochs=4):
    keras.utils.set_random_seed(1)
    model = make_model(keras)
    optimizer = keras.optimizers.Adam(0.01, use_ema=True, ema_momentum=0.9)
    model.compile(optimizer, "mean_squared_error")
    optimizer.build(model.trainable_variables)  # so that its step is traced once
    swap = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
    fit(model, data, swap, *callbacks, epochs=epochs, shuffle=False)
    return model


def resumed(data, path, **options):
    """Return the model and the callback of a run that was stopped and resumed."""
    options = {"resume": True, **options}
    with pytest.raises(ZeroDivisionError):
        trained(data, Stop(), ModelCheckpoint(path, **options))
    callback = ModelCheckpoint(path, **options)
    return trained(data, callback), callback


@pytest.fixture(scope="module")
def whole(data):
    """The model of an uninterrupted run."""
    return trained(data)


@pytest.mark.parametrize(
    ("name", "options", "averaged"),
    [
        ("w.{epoch}.keras", {}, True),
        ("w.{epoch}.weights.h5", {"save_weights_only": True}, True),
        ("w.{epoch}.h5", {}, True),
        # The last batch of an epoch ends before the epoch does.
        ("w.{samples}.keras", {"save_freq": 25}, False),
    ],
)
def test_the_run_is_that_of_one_never_stopped(
    name, options, averaged, tmp_path, data, whole, capsys
):
    """If a checkpoint was saved with the averages, they are swapped out again."""
    again, callback = resumed(data, tmp_path / name, **options)
    assert callback.restored.epochs_done == 1
    # TensorFlow's swap adds and subtracts: unswapped weights are not rounded.
    close = zip(again.get_weights(), whole.get_weights())
    rounded = not averaged and all(np.allclose(a, b, atol=1e-6) for a, b in close)
    assert same_weights(again, whole) or rounded
    assert {line["averaged"] for line in lines(tmp_path)} == {averaged}
    assert "averages" not in capsys.readouterr().out


def test_averages_alone(tmp_path, data, capsys):
    """Without the optimizer, the trained weights are missing: a message says so."""
    path = tmp_path / "w.{epoch}.hdf5"
    _, callback = resumed(data, path, save_weights_only=True)
    assert callback.restored.epochs_done == 1
    assert "training continues from the averages" in capsys.readouterr().out


def test_another_optimizer_keeps_no_averages(tmp_path, data, capsys):
    """A run without averages swaps nothing out, and does not mention them."""
    path = tmp_path / "w.{epoch}.keras"
    fit(make_model(keras), data, ModelCheckpoint(path), epochs=1)
    callback = ModelCheckpoint(path, resume=True)
    fit(make_model(keras), data, callback, epochs=2)
    assert np.isfinite(callback.restored.epochs_done)
    assert "averages" not in capsys.readouterr().out
