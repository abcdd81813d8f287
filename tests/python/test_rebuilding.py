"""Custom classes that their config does not rebuild: reported before any batch."""

from __future__ import annotations

import random
import warnings

import numpy as np
import pytest
from conftest import fit, names, same_weights

from modelcheckpoint import FormatError, ModelCheckpoint

pytest.importorskip("keras")


def classes(K):
    """Return the classes by name."""
    every = (*graphs(K), *layers(K), *subclassed(K))
    return {cls.__name__: cls for cls in every}


def graphs(K):
    """Return classes whose models are graphs of layers."""
    L = K.layers

    class Graph(K.Model):
        def __init__(self, inputs, outputs, tag="t", **options):
            super().__init__(inputs=inputs, outputs=outputs, **options)
            self.tag = tag

    class OwnGraph(K.Model):
        def __init__(self, units=3):
            inputs = K.Input((3,))
            super().__init__(inputs=inputs, outputs=L.Dense(units)(inputs))

    class OwnSequential(K.Sequential):
        def __init__(self, units=3):
            super().__init__([K.Input((3,)), L.Dense(units)])

    class Step(K.Model):
        def train_step(self, data):
            return super().train_step(data)

    return Graph, OwnGraph, OwnSequential, Step


def layers(K):
    """Return layers whose config lacks an argument, and one whose config has it."""

    class Forgetful(K.layers.Layer):
        """Its config lacks an argument that has a default: no error when it loads."""

        def __init__(self, factor=1.0, **options):
            super().__init__(**options)
            self.factor = factor

        def call(self, inputs):
            return inputs * self.factor

        def get_config(self):
            return super().get_config()

    class Demanding(Forgetful):
        def __init__(self, factor, **options):
            super().__init__(factor, **options)

    class Scaling(Forgetful):
        def get_config(self):
            return {**super().get_config(), "factor": self.factor}

    return Forgetful, Demanding, Scaling


def subclassed(K):
    """Return models with their own `call`."""
    L = K.layers

    class Bare(K.Model):
        def __init__(self, units=3):
            super().__init__()
            self.dense = L.Dense(units)

        def call(self, inputs):
            return self.dense(inputs)

    class Told(K.Model):
        def __init__(self, units=2, **options):
            super().__init__(**options)
            self.units = units
            self.dense, self.drop = L.Dense(units), L.Dropout(0.5)

        def call(self, inputs):
            return self.drop(self.dense(inputs))

        def get_config(self):
            return {"units": self.units}

    return Bare, Told


def stack(K, *layers):
    inputs = K.Input((3,))
    outputs = inputs
    for layer in layers:
        outputs = layer(outputs)
    return K.Model(inputs, outputs)


def functional(K, cls, **options):
    inputs = K.Input((3,))
    return cls(inputs, K.layers.Dense(1)(inputs), **options)


BAD = {
    "an argument more": lambda K, c: functional(K, c["Graph"], tag="u"),
    "a graph of its own": lambda K, c: c["OwnGraph"](),
    "a stack of its own": lambda K, c: c["OwnSequential"](),
    "no options": lambda K, c: c["Bare"](),
    "a lost argument": lambda K, c: stack(K, c["Forgetful"](2.0), K.layers.Dense(1)),
    "a missing argument": lambda K, c: stack(K, c["Demanding"](2.0)),
    "nested": lambda K, c: stack(K, stack(K, c["Demanding"](2.0)), c["OwnGraph"]()),
}
GOOD = {
    "told": lambda K, c: c["Told"](5),
    "a layer": lambda K, c: stack(K, c["Scaling"](2.0), K.layers.Dense(1)),
    "the default": lambda K, c: stack(K, c["Forgetful"](), K.layers.Dense(1)),
    "a step of its own": lambda K, c: functional(K, c["Step"]),
    "Keras' own": lambda K, c: stack(K, K.layers.Dense(1)),
}


def begun(model, path, **arguments):
    model.compile("sgd", loss="mean_squared_error")
    callback = ModelCheckpoint(path, **arguments)
    callback.set_model(model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        callback.on_train_begin()
    return callback


@pytest.mark.parametrize("make", BAD.values(), ids=BAD)
@pytest.mark.keras2
def test_a_class_that_its_config_does_not_rebuild(make, K, tmp_path):
    """HDF5 refuses it, and names what works; with `.keras`, one message reports it."""
    model = make(K, classes(K))
    if type(model).__name__ in ("OwnGraph", "Bare") and not hasattr(K, "ops"):
        pytest.skip("tf_keras rebuilds it")
    with pytest.raises(FormatError, match=r"loads again.*\.weights\.h5") as raised:
        begun(model, tmp_path / "w.h5")
    assert ".keras" not in str(raised.value)
    assert names(tmp_path) == []
    callback = begun(model, tmp_path / "w.keras")
    (problem,) = callback.problems
    assert "`load_model` does not rebuild" in problem
    assert "`load_weights`" in problem
    callback.on_train_begin()
    assert callback.problems == [problem]
    weights = begun(model, tmp_path / "w.weights.h5", save_weights_only=True)
    assert weights.problems == []


@pytest.mark.parametrize("make", GOOD.values(), ids=GOOD)
@pytest.mark.keras2
def test_a_class_that_comes_back(make, K, tmp_path):
    """Nothing is reported, built or not, and graphs can be saved in HDF5, too."""
    model = make(K, classes(K))
    assert begun(model, tmp_path / "w.keras").problems == []
    if not hasattr(model, "units"):
        assert begun(model, tmp_path / "w.h5").problems == []
    model(np.zeros((2, 3), "float32"))
    assert begun(model, tmp_path / "w.keras").problems == []


@pytest.mark.keras2
def test_a_positional_argument_that_keras_loses(K, tmp_path):
    """Keras' own config has the default instead, so another model is loaded."""

    class Sized(K.Model):
        def __init__(self, units=5, **options):
            super().__init__(**options)
            self.dense = K.layers.Dense(units)

        def call(self, inputs):
            return self.dense(inputs)

    for built in (False, True):
        model = Sized(7)
        if built:
            model(np.zeros((2, 3), "float32"))
        problems = begun(model, tmp_path / "w.keras").problems
        if hasattr(K, "ops"):  # tf_keras keeps it
            (problem,) = problems
            assert "comes back as 5 instead of 7" in problem
        else:
            assert problems == []


@pytest.mark.keras2
def test_a_loss_that_its_config_does_not_rebuild(K, tmp_path):
    """A message says that `compile=False` loads the file; HDF5 refuses it."""

    class Powered(K.losses.Loss):
        def __init__(self, power=1.0, **options):
            super().__init__(**options)
            self.power = power

        def call(self, y_true, y_pred):
            return (y_true - y_pred) ** self.power

    class Demanding(Powered):
        def __init__(self, power):
            super().__init__(power)

    model = stack(K, K.layers.Dense(1))
    for loss in (Powered(2.0), Demanding(2.0)):
        model.compile("sgd", loss=loss)
        callback = ModelCheckpoint(tmp_path / "w.keras")
        callback.set_model(model)
        with pytest.warns(UserWarning, match="compile=False"):
            callback.on_train_begin()
        callback = ModelCheckpoint(tmp_path / "w.h5")
        callback.set_model(model)
        with pytest.raises(FormatError, match=f"the loss '{type(loss).__name__}'"):
            callback.on_train_begin()
    model.compile("sgd", loss=Powered())
    callback = ModelCheckpoint(tmp_path / "w.h5")
    callback.set_model(model)
    callback.on_train_begin()


@pytest.mark.keras2
def test_training_is_the_same_as_without(K, tmp_path, data):
    """Trial models use no seed, name or random number of the training."""
    made = []

    def trained(*callbacks):
        K.utils.set_random_seed(1)
        K.backend.clear_session()
        drawing = classes(K)["Told"]

        class Drawing(drawing):
            def __init__(self, **options):
                super().__init__(**options)
                made.append(random.random() + np.random.normal())

        model = Drawing()
        model.compile("sgd", loss="mean_squared_error", run_eagerly=True)
        fit(model, data, *callbacks)
        after = [random.random(), np.random.normal()]
        layer = K.layers.Dense(2)
        layer.build((None, 2))
        return model, [*after, layer.name], layer

    plain, after, layer = trained()
    checked, again, other = trained(ModelCheckpoint(tmp_path / "w.keras"))
    assert len(made) > 2  # trial models were made
    assert after == again
    assert same_weights(plain, checked)
    if hasattr(K, "ops"):
        assert same_weights(layer, other)


def test_variables_that_need_values_when_they_are_made(tmp_path):
    """A layer that needs memory to be made gets it, and is restored."""
    keras = pytest.importorskip("keras", minversion="3.0")

    class Table(keras.layers.Layer):
        def __init__(self, size=2, **options):
            super().__init__(**options)
            self.size = size
            self.table = keras.Variable(np.ones(size, "float32"))

        def call(self, inputs):
            return inputs * keras.ops.sum(self.table)

    model = stack(keras, Table(), keras.layers.Dense(1))
    for suffix in (".keras", ".h5"):
        assert begun(model, tmp_path / f"w{suffix}").problems == []
