"""`.orbax` keeps what Keras promises for its `OrbaxCheckpoint`, and Keras reads it.

Each test of `keras/src/callbacks/orbax_checkpoint_test.py` (3.16) has a counterpart
here; tests with a distribution are in test_devices.py.
"""

from __future__ import annotations

import os

import numpy as np
import pytest
from conftest import drive, fit, make_model, same_weights
from model_state import arrays

from modelcheckpoint import ModelCheckpoint, list_checkpoints

keras = pytest.importorskip("keras", minversion="3.4")
pytest.importorskip("orbax.checkpoint")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not hasattr(keras.callbacks, "OrbaxCheckpoint"), reason="this Keras reads none"
    ),
]

MONITORED = {"monitor": "score", "mode": "max"}
SCORES = (0.1, 0.5, 0.3, 0.7)

WHICH_ARE_LEFT = {
    "each epoch": ({}, ["1", "2", "3", "4"]),
    "some batches": ({"save_freq": 14, "save_freq_unit": "batches"}, ["2", "4"]),
    "the best": ({"save_best_only": True}, ["1", "2", "4"]),
    "the least": (
        {"save_best_only": True, "mode": "min", "monitor": "cost"},
        ["1", "2", "4"],
    ),
    "better than a threshold": (
        {"save_best_only": True, "initial_value_threshold": 0.4},
        ["2", "4"],
    ),
    "the newest": ({"keep_latest": 2}, ["3", "4"]),
    "not in the background": ({"background": False, "keep_latest": 1}, ["4"]),
}
"""What is asked for, and of which epochs a checkpoint is left: four of 7 batches."""


@pytest.mark.parametrize("which", WHICH_ARE_LEFT)
def test_which_are_saved_and_left(which, tmp_path, data):
    """The newest checkpoint is the final model; Keras loads it compiled."""
    given, epochs = WHICH_ARE_LEFT[which]
    model = make_model(keras)
    scores = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: logs.update(
            score=SCORES[epoch], cost=-SCORES[epoch]
        )
    )
    callback = ModelCheckpoint(tmp_path / "{epoch}.orbax", **{**MONITORED, **given})
    fit(model, data, scores, callback, epochs=4)
    assert sorted(os.listdir(tmp_path)) == [
        *(f"{epoch}.orbax" for epoch in epochs),
        "modelcheckpoint.jsonl",
    ]
    assert callback.problems == []
    loaded = keras.models.load_model(tmp_path / "4.orbax")
    assert loaded.compiled
    assert same(model, loaded)


@pytest.mark.parametrize("steps", [1, 2])
def test_what_keras_loads_is_trained_further(steps, tmp_path, data):
    """The next training saves to the same folder, next to the earlier checkpoints."""
    if steps > 1 and keras.backend.backend() == "torch":
        pytest.skip("Torch takes one batch at a time")
    model = make_model(keras, steps_per_execution=steps)
    given = {"save_freq": 2, "save_freq_unit": "batches"}
    for name in ("first", "second"):
        callback = ModelCheckpoint(tmp_path / f"{name}{{batch}}.orbax", **given)
        fit(model, [part[:16] for part in data], callback)
        loaded = keras.models.load_model(tmp_path / f"{name}4.orbax")
        assert same(model, loaded)
        model = loaded
    found = [os.path.basename(one.path) for one in list_checkpoints(tmp_path)]
    assert found == ["first2.orbax", "first4.orbax", "second2.orbax", "second4.orbax"]


@pytest.mark.parametrize("background", [False, True])
def test_weights_alone_are_no_model(background, tmp_path, data):
    """Keras' `load_weights` reads them, and its `load_model` raises."""
    model = make_model(keras)
    given = {"save_weights_only": True, "background": background}
    fit(model, data, ModelCheckpoint(tmp_path / "{epoch}.orbax", **given))
    other = keras.models.clone_model(model)
    fit(other, [part[:4] for part in data])
    assert not same_weights(model, other)
    other.load_weights(tmp_path / "1.orbax")
    assert same_weights(model, other)
    with pytest.raises(ValueError, match="model config"):
        keras.models.load_model(tmp_path / "1.orbax")


def same(model, loaded):
    """Return whether another model has the same weights and optimizer state."""
    ours, its = (arrays(one.optimizer.variables) for one in (model, loaded))
    assert len(ours) == len(its) > 0
    return same_weights(model, loaded) and all(map(np.array_equal, ours, its))


@pytest.mark.parametrize("background", [False, True])
def test_a_layer_of_a_users_own(background, tmp_path):
    """With a weight that is not trained, and a metric that is compiled."""
    x = np.random.default_rng(0).normal(size=(100, 10)).astype("float32")
    inputs = keras.Input((10,))
    hidden = keras.layers.Dense(8)(inputs)
    model = keras.Model(inputs, Shifted(2)(hidden), name="with_a_layer_of_its_own")
    model.compile("adam", "mean_squared_error", metrics=["mae"])
    callback = ModelCheckpoint(tmp_path / "{epoch}.orbax", background=background)
    fit(model, (x, x[:, :2]), callback, epochs=2)
    loaded = keras.models.load_model(tmp_path / "2.orbax")
    assert (loaded.name, len(loaded.layers)) == (model.name, len(model.layers))
    assert loaded.compiled
    assert same(model, loaded)


@keras.saving.register_keras_serializable("test_orbax_as_keras")
class Shifted(keras.layers.Layer):
    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape):
        shape = (input_shape[-1], self.units)
        self.kernel = self.add_weight(shape=shape, name="kernel")
        self.shift = self.add_weight(shape=(self.units,), trainable=False, name="shift")

    def call(self, inputs):
        return inputs @ self.kernel + self.shift

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@pytest.mark.parametrize("background", [False, True])
def test_a_vocabulary_in_a_file(background, tmp_path):
    """It is not part of the config then, and is restored from the checkpoint."""
    pytest.importorskip("tensorflow")
    words = tmp_path / "words.txt"
    words.write_text("cat\ndog\nbird\nfish")
    lookup = keras.layers.StringLookup(vocabulary=str(words), name="lookup")
    inputs = keras.Input((1,), dtype="string")
    outputs = keras.layers.Embedding(10, 8)(lookup(inputs))
    model = keras.Model(inputs, outputs, name="with_words")
    model.compile("adam", "mean_squared_error")
    callback = ModelCheckpoint(tmp_path / "w" / "{epoch}.orbax", background=background)
    drive(callback, model, 1.0)
    words.unlink()
    loaded = keras.models.load_model(tmp_path / "w" / "1.orbax")
    assert loaded.name == model.name
    assert loaded.get_layer("lookup").get_vocabulary() == lookup.get_vocabulary()


def test_a_save_freq_that_is_none(tmp_path):
    """It raises at once."""
    with pytest.raises(ValueError, match="`save_freq` must be"):
        ModelCheckpoint(tmp_path / "{epoch}.orbax", save_freq="invalid")
