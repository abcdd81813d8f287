"""HDF5 files equal Keras' own, except where Keras could not read its own."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import checkpoints, fit, make_model, names, same_weights
from contents import contents

from modelcheckpoint import FormatError, ModelCheckpoint

keras = pytest.importorskip("keras", minversion="3.0")

pytestmark = pytest.mark.slow


def test_equals_keras_own_file(tmp_path, data):
    """If Keras' own file loads, ours is the same: names, types, values."""
    model = make_model(keras, metrics=["mae"])
    fit(model, data, ModelCheckpoint(tmp_path / "ours.h5"))
    model.save(tmp_path / "keras.h5")
    assert contents(tmp_path / "ours.h5") == contents(tmp_path / "keras.h5")


@pytest.mark.parametrize("loss", ["mse", "mae", "MAPE", {"out": "mse"}, ["mae"]])
def test_a_loss_by_alias_loads(loss, tmp_path, data):
    """The loss is written with its full name, so the file loads."""
    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.layers.Dense(1, name="out")(inputs))
    model.compile("adam", loss=loss, metrics=["mse"])
    fit(model, data, ModelCheckpoint(tmp_path / "w.h5"))
    loaded = keras.models.load_model(tmp_path / "w.h5")
    results = [m.evaluate(*data, verbose=0) for m in (model, loaded)]
    model.save(tmp_path / "keras.h5")
    try:  # it loads from Keras 3.16 on
        own = keras.models.load_model(tmp_path / "keras.h5")
        results.append(own.evaluate(*data, verbose=0))
    except (ValueError, TypeError):
        pass
    assert np.allclose(results[0], results[1:])


@pytest.mark.parametrize("weights_only", [False, True])
def test_bfloat16_loads(weights_only, tmp_path, data):
    """Arrays of bfloat16 are written as float32, and every bit is restored."""

    def make():
        layers = [keras.Input((3,)), keras.layers.Dense(2, dtype="bfloat16")]
        model = keras.Sequential(layers)
        model.compile("adam", loss="mean_squared_error")
        return model

    model, path = make(), tmp_path / "w.h5"
    fit(model, data, ModelCheckpoint(path, save_weights_only=weights_only))
    if weights_only:
        loaded = make()
        loaded.load_weights(path)
    else:
        loaded = keras.models.load_model(path)
    assert same_weights(model, loaded)
    assert str(loaded.weights[0].dtype) == "bfloat16"


class Plain(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = keras.layers.Dense(1)

    def call(self, inputs):
        return self.dense(inputs)


def subclassed(model=Plain):
    model = model()
    model(np.zeros((1, 3)))
    model.compile("sgd", loss="mean_squared_error")
    return model


def with_lambda(**compiled):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", **{"loss": "mean_squared_error", **compiled})
    return model


def with_vocabulary(**arguments):
    pytest.importorskip("tensorflow")
    layer = keras.layers.TextVectorization(**arguments)
    if not arguments:
        layer.adapt(["a b", "c"])
    embedding = keras.layers.Embedding(10, 2)
    pool = keras.layers.GlobalAveragePooling1D()
    stack = [keras.Input((1,), dtype="string"), layer, embedding, pool]
    model = keras.Sequential([*stack, keras.layers.Dense(1)])
    model.compile("sgd", loss="mean_squared_error")
    return model


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (
            lambda: with_lambda(loss=lambda a, b: keras.ops.mean(a - b)),
            "lambda as loss",
        ),
        (lambda: with_lambda(metrics=[lambda a, b: a - b]), "lambda as metric"),
        (with_vocabulary, "vocabulary"),
        (subclassed, "subclassed model 'Plain'"),
    ],
)
def test_what_hdf5_cannot_hold(make, word, tmp_path):
    """One sentence before the first batch says so, and suggests .keras."""
    callback = ModelCheckpoint(tmp_path / "w.h5")
    callback.set_model(make())
    with pytest.raises(FormatError, match=rf"{word}.*\.keras"):
        callback.on_train_begin()
    assert names(tmp_path) == []


def test_what_hdf5_can_hold(tmp_path):
    """A vocabulary given to the constructor is in the config, and raises no error."""
    callback = ModelCheckpoint(tmp_path / "w.h5")
    callback.set_model(with_vocabulary(vocabulary=["a", "b"]))
    callback.on_train_begin()
    callback.on_epoch_end(0, {})
    layer = keras.models.load_model(tmp_path / "w.h5").layers[0]
    assert layer.get_vocabulary() == ["", "[UNK]", "a", "b"]


def test_weights_of_a_subclassed_model(tmp_path, data):
    """With weights only, a subclassed model not yet built when fit begins is fine."""
    model = Plain()
    model.compile("sgd", loss="mean_squared_error")
    path = tmp_path / "w.hdf5"
    fit(model, data, ModelCheckpoint(path, save_weights_only=True))
    loaded = subclassed()
    loaded.load_weights(path)
    assert same_weights(model, loaded)
    assert checkpoints(tmp_path) == ["w.hdf5"]
