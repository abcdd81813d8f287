"""The states of seed generators and recurrent layers are saved with the checkpoint."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest
from conftest import lines, same_weights

from modelcheckpoint import ModelCheckpoint, restore_checkpoint
from modelcheckpoint.observe.layer_states import LARGEST, states_of
from modelcheckpoint.observe.seeds import global_seed_of, put_global_seed

pytestmark = pytest.mark.slow

GLOBAL = "global_seed_generator"


def numbers(*shape):
    x = np.random.default_rng(0).normal(size=shape).astype("float32")
    return x, x.reshape(len(x), -1).sum(axis=1, keepdims=True)


def recurrent(K):
    """Two layers with states: cells in a cell, and a wrapper in a nested model.

    One time step and few gates, because each is traced separately.
    """
    K.utils.set_random_seed(1)
    cells = K.layers.StackedRNNCells([K.layers.LSTMCell(3), K.layers.SimpleRNNCell(2)])
    deeper = K.Input(batch_shape=(8, 1, 2))
    layer = K.layers.SimpleRNN(2, stateful=True, unroll=True)
    inner = K.Model(deeper, K.layers.Bidirectional(layer)(deeper))
    inputs = K.Input(batch_shape=(8, 1, 2))
    parts = [K.layers.RNN(cells, stateful=True, unroll=True)(inputs), inner(inputs)]
    model = K.Model(inputs, K.layers.Dense(1)(K.layers.Concatenate()(parts)))
    model.compile("sgd", "mean_squared_error")
    model.optimizer.build(model.trainable_variables)  # or its step is traced twice
    return model


@keras.saving.register_keras_serializable("modelcheckpoint_test")
class Noise(keras.layers.Layer):
    def call(self, x):
        noisy = x + 0.1 * keras.random.normal(keras.ops.shape(x))
        return keras.random.dropout(noisy, 0.3)


@keras.saving.register_keras_serializable("modelcheckpoint_test")
class NoisyModel(keras.Model):
    """Draws its first random number in its first batch."""

    def __init__(self):
        super().__init__()
        self.noise, self.dense = Noise(), keras.layers.Dense(1)

    def build(self, shape):
        self.dense.build(shape)

    def call(self, x):
        return self.dense(self.noise(x))


def noisy(subclassed):
    keras.utils.set_random_seed(1)
    layers = [keras.Input((4,)), Noise(), keras.layers.Dense(1)]
    model = NoisyModel() if subclassed else keras.Sequential(layers)
    model.compile("adam", "mean_squared_error")
    return model


def trained(make, data, epochs, *callbacks):
    model = make()
    options = {"batch_size": 8, "shuffle": False, "verbose": 0}
    model.fit(*data, epochs=epochs, callbacks=list(callbacks), **options)
    return model


def resumed(make, data, folder):
    """Return a model whose training was stopped after one of three epochs."""
    path = folder / "w.{epoch}.weights.h5"
    options = {"save_weights_only": True, "resume": True}
    trained(make, data, 1, ModelCheckpoint(path, **options))
    callback = ModelCheckpoint(path, **options)
    return trained(make, data, 3, callback), callback


@pytest.mark.skipif(
    keras.backend.backend() == "torch", reason="Keras cannot train them on Torch"
)
@pytest.mark.keras2
def test_states_of_recurrent_layers(K, tmp_path, capsys):
    """A resumed run has them; if the journal does not, a message says so."""
    data = numbers(40, 1, 2)
    again, callback = resumed(lambda: recurrent(K), data, tmp_path)
    assert callback.restored.states
    assert "stateful" not in capsys.readouterr().out
    whole = trained(lambda: recurrent(K), data, 3)
    assert same_weights(again, whole)
    assert states_of(again) == states_of(whole)
    other = recurrent(K)
    last = tmp_path / "w.3.weights.h5"
    assert restore_checkpoint(other, last).states
    assert states_of(other) == states_of(whole)

    journal, model = tmp_path / "modelcheckpoint.jsonl", recurrent(K)
    before = states_of(model)
    for states in (None, "", "!", "eJwDAAAAAAE=", 5):
        changed = [{**line, "states": states} for line in lines(tmp_path)]
        journal.write_text("".join(json.dumps(line) + "\n" for line in changed))
        assert not restore_checkpoint(model, last).states
        assert states_of(model) == before
    callback = ModelCheckpoint(
        tmp_path / "w.{epoch}.weights.h5", save_weights_only=True, resume=True
    )
    trained(lambda: recurrent(K), data, 3, callback)
    assert "stateful layers keep their current states" in capsys.readouterr().out


@pytest.mark.keras2
def test_states_that_are_too_large(K):
    """They would make the journal's lines too long, so they are left out."""
    layer = K.layers.GRU(1, stateful=True)
    size = LARGEST // 4
    model = K.Sequential([K.Input(batch_shape=(size, 1, 1)), layer])
    assert states_of(model) is not None
    layer = K.layers.GRU(1, stateful=True)
    model = K.Sequential([K.Input(batch_shape=(size + 1, 1, 1)), layer])
    assert states_of(model) is None


@pytest.mark.skipif(
    keras.backend.backend() == "jax", reason="Keras refuses such layers on JAX"
)
@pytest.mark.parametrize("subclassed", [False, True])
def test_layers_that_draw_without_a_seed(subclassed, tmp_path):
    """They draw the same numbers as in an uninterrupted run."""
    data = numbers(40, 4)
    make = lambda: noisy(subclassed)  # noqa: E731
    again, callback = resumed(make, data, tmp_path)
    assert callback.restored.seeds
    whole = trained(make, data, 3)
    assert same_weights(again, whole)
    assert all(len(line["global_seed"]) == 2 for line in lines(tmp_path))


def test_the_global_generator_is_not_made_by_looking():
    """Making it would change the next numbers of Python's own generator."""
    from keras.src.backend.common import global_state

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    keras.utils.set_random_seed(1)
    assert global_seed_of(model) is None
    assert global_state.get_global_attribute(GLOBAL) is None
    assert not put_global_seed(model, (1, 2, 3))
    assert global_state.get_global_attribute(GLOBAL) is None
    assert put_global_seed(model, (7, 8))
    assert global_seed_of(model) == (7, 8)
    drawn = keras.ops.convert_to_numpy(keras.random.normal((3,)))
    assert put_global_seed(model, (7, 8))
    again = keras.ops.convert_to_numpy(keras.random.normal((3,)))
    assert np.array_equal(drawn, again)


@pytest.mark.keras2
def test_tf_keras_has_no_such_generator(K):
    """A model of Keras 2 ignores the generator of Keras 3."""
    model = K.Sequential([K.Input((2,)), K.layers.Dense(1)])
    keras.random.normal((1,))
    known = global_seed_of(model)
    assert (known is None) == (K.__name__ == "tf_keras")
