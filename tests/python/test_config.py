"""A model without a config is reported before the first batch."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from conftest import checkpoints, fit, names

from modelcheckpoint import FormatError, ModelCheckpoint

pytest.importorskip("keras")


class Sizes:
    units = 3


def block(K):
    class Block(K.layers.Layer):
        def __init__(self, sizes, **options):
            super().__init__(**options)
            self.inner = K.layers.Dense(sizes.units)

        def call(self, inputs):
            return self.inner(inputs)

    return Block(Sizes(), name="mine")


def raising(K):
    class Raising(K.layers.Dense):
        def get_config(self):
            raise AttributeError("there is no such thing")

    return Raising(2)


def rate(K):
    class Rate(K.optimizers.schedules.LearningRateSchedule):
        def __call__(self, step):
            return 0.01

    return K.optimizers.SGD(Rate())


def metric(K):
    class Own(K.metrics.Mean):
        def get_config(self):
            raise NotImplementedError

    return Own(name="own")


def difference(y_true, y_pred, power):
    return (y_true - y_pred) ** power


def stack(K, *layers, optimizer="sgd", loss="mean_squared_error", **compiled):
    model = K.Sequential([K.Input((3,)), *layers, K.layers.Dense(1)])
    model.compile(optimizer, loss=loss, **compiled)
    return model


BAD = {
    "the layer 'mine' of the class 'Block'": lambda K: stack(K, block(K)),
    "'Block'": lambda K: stack(K, K.Sequential([K.Input((3,)), block(K)])),
    "'Raising': .*no such thing": lambda K: stack(K, raising(K)),
    "the learning rate .*'Rate'": lambda K: stack(K, optimizer=rate(K)),
    "a metric .*'Own'": lambda K: stack(K, metrics=[metric(K)]),
    "a loss .*'partial'": lambda K: stack(
        K, loss=functools.partial(difference, power=2)
    ),
}


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize(("what", "make"), BAD.items(), ids=BAD)
@pytest.mark.keras2
def test_it_is_an_error_before_the_first_batch(what, make, suffix, K, tmp_path, capsys):
    """The message names the part and the way out; nothing is written to disk."""
    callback = ModelCheckpoint(tmp_path / f"w{suffix}")
    callback.set_model(make(K))
    with pytest.raises(FormatError, match=rf"{what}.*`get_config`.*weights\.h5"):
        callback.on_train_begin()
    assert names(tmp_path) == []
    assert "training waits" not in capsys.readouterr().out


@pytest.mark.keras2
def test_weights_alone_are_saved(K, tmp_path, data):
    """They need no config."""
    callbacks = [
        ModelCheckpoint(tmp_path / name, save_weights_only=True)
        for name in ("a.weights.h5", "b.h5")
    ]
    fit(stack(K, block(K), optimizer=rate(K)), data, *callbacks)
    assert checkpoints(tmp_path) == ["a.weights.h5", "b.h5"]


@pytest.mark.keras2
def test_a_model_with_its_own_save_is_not_judged(K, tmp_path, data):
    """What it writes is its own business."""

    class Own(K.Sequential):
        def save(self, path, **options):
            with open(path, "w") as file:
                file.write("mine")

    model = Own([K.Input((3,)), block(K), K.layers.Dense(1)])
    model.compile("sgd", loss="mean_squared_error")
    fit(model, data, ModelCheckpoint(tmp_path / "w.keras"))
    assert (tmp_path / "w.keras").read_text() == "mine"


def late(K):
    class Late(K.layers.Layer):
        def build(self, shape):
            self.size = int(shape[-1])
            self.built = True

        def call(self, inputs):
            return inputs

        def get_config(self):
            return {**super().get_config(), "size": self.size}

        @classmethod
        def from_config(cls, config):
            config.pop("size")
            return cls(**config)

    return Late()


@pytest.mark.keras2
def test_a_config_that_the_first_batch_makes(K, tmp_path, data):
    """A layer that has a config only once it is built is not refused."""
    model = K.Sequential([late(K), K.layers.Dense(1)])
    model.compile("sgd", loss="mean_squared_error")
    callback = ModelCheckpoint(tmp_path / "w.keras")
    fit(model, data, callback)
    assert checkpoints(tmp_path) == ["w.keras"]
    assert callback.problems == []


@pytest.mark.keras2
def test_a_model_that_is_not_built_is_refused_for_its_schedule(K, tmp_path):
    """A fault that building cannot repair is reported before the model is built."""
    model = K.Sequential([K.layers.Dense(1)])
    model.compile(rate(K), loss="mean_squared_error")
    callback = ModelCheckpoint(tmp_path / "w.keras")
    with pytest.raises(FormatError, match="'Rate'"):
        model.fit(np.ones((4, 3)), np.ones((4, 1)), verbose=0, callbacks=[callback])
