"""Ways to build a model."""

from __future__ import annotations

import os
import tempfile

from .base import (
    ERROR,
    IN_HDF5_ERROR,
    MENDED,
    backend,
    case,
    keras,
    named,
    numbers,
    plain_model,
    stack,
    tokens,
    trained,
)


@case(keras2=True)
def sequential(K):
    layers = [K.layers.Dense(2, activation="relu"), K.layers.Dense(1)]
    return stack(K, *layers, run_eagerly=False)


@case()
def sequential_built_by_fit(K):
    model = K.Sequential([K.layers.Dense(2), K.layers.Dense(1)])
    return trained(model, run_eagerly=False)


@case(keras2=True)
def functional(K):
    inputs = K.Input((3,))
    x = K.layers.Dense(2)(inputs)
    x = K.layers.Concatenate()([inputs, K.layers.Activation("relu")(x)])
    return trained(K.Model(inputs, K.layers.Dense(1)(x)))


# Their names stand for layers, or for nothing.
@case(h5=ERROR)
def operations(K):
    inputs = K.Input((3,))
    x = K.layers.Dense(2)(inputs)
    return trained(K.Model(inputs, K.layers.Dense(1)(K.ops.relu(x) + x)))


Plain = plain_model(keras)


@case(h5=ERROR, custom=(Plain,), keras2=True)
def subclassed(K):
    return trained((Plain if K is keras else plain_model(K))(), run_eagerly=False)


@case(h5=ERROR, custom=(Plain,))
def subclassed_built_before_fit(K):
    model = Plain()
    model.build((None, 3))
    return trained(model)


@keras.saving.register_keras_serializable("models")
class Registered(keras.Model):
    def __init__(self, units=2, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.first, self.last = keras.layers.Dense(units), keras.layers.Dense(1)
        self.scale = self.add_weight(shape=(), initializer="uniform", name="scale")

    def call(self, inputs):
        return self.last(self.first(inputs)) * self.scale

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@case(h5=ERROR)
def registered(K):
    return trained(Registered(units=3))


@keras.saving.register_keras_serializable("models")
class Eager(Registered):
    def __init__(self, units=2, **kwargs):
        super().__init__(units, **kwargs)
        self.build((None, 3))

    def build(self, shape):
        self.first.build(shape)
        self.last.build((None, self.units))
        self.built = True


# Keras writes the name of the class, which is not its registered name.
@case(h5=MENDED)
def registered_built_by_its_constructor(K):
    return trained(Eager(units=3))


class Unregistered(Eager):
    pass


@case(custom=(Unregistered,))
def unregistered_built_by_its_constructor(K):
    return trained(Unregistered(units=3))


@keras.saving.register_keras_serializable("models")
class RegisteredGraph(keras.Model):
    """A graph, as a user's own class."""


@case(h5=MENDED)
def registered_graph(K):
    inputs = K.Input((3,))
    return trained(RegisteredGraph(inputs, K.layers.Dense(1)(inputs)))


@case(data=named, keras2=True)
def several_inputs_and_outputs(K):
    a, b = K.Input((3,), name="a"), K.Input((2,), name="b")
    x = K.layers.Concatenate()([a, b])
    outputs = {
        "one": K.layers.Dense(1, name="one")(x),
        "two": K.layers.Dense(1, activation="sigmoid", name="two")(x),
    }
    losses = {"one": "mean_squared_error", "two": "binary_crossentropy"}
    model = K.Model({"a": a, "b": b}, outputs)
    return trained(model, loss=losses, loss_weights={"one": 1.0, "two": 0.5})


@case(keras2=True)
def nested(K):
    inner = K.Sequential([K.Input((3,)), K.layers.Dense(2), K.layers.Dense(2)])
    inputs = K.Input((3,))
    middle = K.Model(inputs, inner(inputs), name="middle")
    inputs = K.Input((3,))
    return trained(K.Model(inputs, K.layers.Dense(1)(middle(inputs))))


@case(h5=MENDED, hdf5=MENDED, fragile=True, keras2=True, cells2=IN_HDF5_ERROR)
def nested_with_equal_names(K):
    """Keras gives two datasets of one group the same name, and fails."""

    def part():
        inputs = K.Input((3,))
        return K.Model(inputs, K.layers.Dense(3, name="same")(inputs))

    inputs = K.Input((3,))
    outer = K.Model(inputs, part()(part()(inputs)))
    inputs = K.Input((3,))
    return trained(K.Model(inputs, K.layers.Dense(1)(outer(inputs))))


class Twins(keras.Model):
    """Names its layers as it likes; Keras fails to write them."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        names = ("same_1", "same", "same", "top_level_model_weights")
        self.parts = [keras.layers.Dense(3, name=name) for name in names]
        self.last = keras.layers.Dense(1)
        self.scale = self.add_weight(shape=(), initializer="uniform", name="scale")

    def call(self, inputs):
        for part in self.parts:
            inputs = part(inputs)
        return self.last(inputs) * self.scale


@case(h5=ERROR, hdf5=MENDED, custom=(Twins,))
def layers_with_equal_names(K):
    return trained(Twins())


@case(fragile=True, keras2=True)
def shared_layer(K):
    shared = K.layers.Dense(3)
    inputs = K.Input((3,))
    return trained(K.Model(inputs, K.layers.Dense(1)(shared(shared(inputs)))))


class Tied(keras.Model):
    """An embedding that also decodes."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.embedding = keras.layers.Embedding(7, 2)
        self.pool = keras.layers.GlobalAveragePooling1D()
        self.again = self.embedding

    def call(self, inputs):
        x = self.pool(self.again(inputs))
        scores = keras.ops.matmul(x, keras.ops.transpose(self.embedding.embeddings))
        return keras.ops.sum(scores, axis=-1, keepdims=True)


@case(h5=ERROR, data=tokens, custom=(Tied,))
def tied_weights(K):
    return trained(Tied())


@case(keras2=True)
def frozen_layers(K):
    frozen = K.layers.Dense(2)
    frozen.trainable = False
    normalization = K.layers.BatchNormalization(trainable=False)
    return stack(K, frozen, normalization, K.layers.Dense(1))


@case()
def frozen_base(K):
    base = [K.Input((3,)), K.layers.Dense(2), K.layers.BatchNormalization()]
    base = K.Sequential(base)
    base.trainable = False
    inputs = K.Input((3,))
    x = base(inputs, training=False)
    return trained(K.Model(inputs, K.layers.Dense(1)(x)))


@case()
def names_of_all_kinds(K):
    names = ["x-1", "top_level_model_weight"]
    # TensorFlow allows only ASCII in names, Torch no dots.
    names += ["a.b"] if backend() == "tensorflow" else ["größe", "層 2"]
    return stack(K, *(K.layers.Dense(1, name=name) for name in names))


@case()
def loaded_and_trained_on(K):
    model = sequential(K)
    x, y = numbers(K)
    model.fit(x, y, batch_size=4, verbose=0)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "m.keras")
        model.save(path)
        return K.models.load_model(path)
