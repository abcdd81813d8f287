"""Loading into a model with other frozen layers."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
from restoring import FORMATS, X, Y, load, optimizer_values, save

from modelcheckpoint import restore_checkpoint
from modelcheckpoint.errors import CheckpointWarning, RestoreError
from modelcheckpoint.formats.optimizer_state import build

keras = pytest.importorskip("keras")

pytestmark = pytest.mark.slow

optimizers = keras.optimizers
rng = np.random.default_rng(0)


def nested(K, frozen):
    """Return nested models whose inner layers all have the same shape."""
    L = K.layers
    deep = K.Sequential([K.Input((4,)), L.Dense(4), L.Dense(4)])
    inner = K.Sequential([K.Input((4,)), L.BatchNormalization(), L.Dense(4)])
    for layer in (deep, L.Dense(4), L.BatchNormalization()):
        inner.add(layer)
    inputs = K.Input((4,))
    model = K.Model(inputs, L.Dense(1)(inner(inputs)))
    for place in frozen:
        (inner.layers if place < 9 else deep.layers)[place % 9].trainable = False
    model.compile(K.optimizers.SGD(0.001), "mean_squared_error")
    for number, variable in enumerate(model.weights):
        variable.assign(rng.normal(size=variable.shape) ** 2 + number / 10)
    return model


@pytest.mark.keras2
def test_whatever_was_and_is_frozen(K, tmp_path):
    """Each variable gets its own array, whatever is frozen in either model."""
    suffixes = {".h5": False, ".hdf5": True, ".keras": False, ".weights.h5": True}
    models = {flags: nested(K, flags) for flags in [(), (0, 4), (3, 10), (1, 9)]}
    weights = {flags: model.get_weights() for flags, model in models.items()}
    for number, model in enumerate(models.values()):
        for suffix, only in suffixes.items():
            save(model, tmp_path / f"{number}{suffix}", save_weights_only=only)
    for before, now in itertools.permutations(models, 2):
        for suffix in suffixes:
            load(
                models[now], str(tmp_path / f"{[*models].index(before)}{suffix}"), None
            )
            for a, b in zip(weights[before], models[now].get_weights()):
                np.testing.assert_array_equal(a, b)
            models[now].set_weights(weights[now])


def test_files_of_kerass_own(tmp_path):
    """Files written by Keras itself are put in order, too."""
    model, other = nested(keras, ()), nested(keras, (0, 1))
    model.save(tmp_path / "m.h5")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        restore_checkpoint(other, tmp_path / "m.h5")
    wanted, found = (m.predict(X, verbose=0) for m in (model, other))
    np.testing.assert_array_equal(wanted, found)


def model_of_two(frozen, optimizer=None):
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(4), keras.layers.Dense(4)]
    )
    model.layers[frozen].trainable = False
    model.compile(optimizer or optimizers.Adam(0.001), "mean_squared_error")
    build(model)
    return model


@pytest.mark.parametrize(("suffix", "only"), FORMATS)
def test_the_state_of_other_variables(tmp_path, suffix, only):
    """The same number of arrays and shapes, but from another layer: not filled in."""
    models = [model_of_two(place) for place in (0, 1)]
    models[0].train_on_batch(X, Y)
    save(models[0], tmp_path / f"m{suffix}", save_weights_only=only)
    fresh = optimizer_values(models[1])
    with pytest.warns(CheckpointWarning, match="other variables were trained"):
        restored = restore_checkpoint(models[1], tmp_path / f"m{suffix}")
    assert not restored.optimizer
    for a, b in zip(fresh, optimizer_values(models[1])):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(models[0].get_weights(), models[1].get_weights()):
        np.testing.assert_array_equal(a, b)


def test_renamed_layers_and_other_flags(tmp_path):
    """Nothing shows which array is which: an error, and the model is unchanged."""

    def nested_of(names, frozen):
        inner = keras.Sequential(
            [keras.Input((4,)), *(keras.layers.Dense(4, name=name) for name in names)]
        )
        inner.layers[0].trainable = not frozen
        model = keras.Sequential([keras.Input((4,)), inner])
        model.compile("sgd", "mean_squared_error")
        return model

    saved = nested_of("ab", False)
    save(saved, tmp_path / "w.hdf5", save_weights_only=True)
    other = nested_of("cd", True)
    before = other.get_weights()
    with pytest.raises(RestoreError, match="were other layers trainable"):
        restore_checkpoint(other, tmp_path / "w.hdf5")
    for a, b in zip(before, other.get_weights()):
        np.testing.assert_array_equal(a, b)
    alike = nested_of("cd", False)
    restore_checkpoint(alike, tmp_path / "w.hdf5")
    for a, b in zip(saved.get_weights(), alike.get_weights()):
        np.testing.assert_array_equal(a, b)


def test_plain_sgd_with_other_flags(tmp_path):
    """Its learning rate and its count belong to no variable, and are restored."""
    model = model_of_two(0, optimizers.SGD(0.5))
    save(model, tmp_path / "w.weights.h5", save_weights_only=True)
    other = model_of_two(1, optimizers.SGD(0.1))
    assert restore_checkpoint(other, tmp_path / "w.weights.h5").optimizer
    assert float(other.optimizer.learning_rate) == 0.5
