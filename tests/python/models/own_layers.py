"""The user's own layers."""

from __future__ import annotations

import os

import numpy as np

from .base import ERROR, backend, case, keras, stack, trained


class OwnVariables(keras.layers.Layer):
    """Keeps its variables under names of its own, and its parts where it likes."""

    def __init__(self, part=None, **kwargs):
        super().__init__(**kwargs)
        self.part = part or keras.layers.Dense(2)
        self.steps = self.add_weight(
            shape=(), dtype="int32", initializer="zeros", trainable=False, name="n"
        )

    def build(self, shape):
        if not self.part.built:
            self.part.build(shape)
        self.scale = self.add_weight(shape=(2,), initializer="uniform", name="scale")

    def call(self, inputs):
        return self.part(inputs) * self.scale

    def compute_output_shape(self, shape):
        return (*shape[:-1], 2)

    def save_own_variables(self, store):
        store["my_scale"] = keras.ops.convert_to_numpy(self.scale)
        store["my_steps"] = keras.ops.convert_to_numpy(self.steps)

    def load_own_variables(self, store):
        self.scale.assign(store["my_scale"])
        self.steps.assign(store["my_steps"])

    def get_config(self):
        part = keras.saving.serialize_keras_object(self.part)
        return {**super().get_config(), "part": part}

    @classmethod
    def from_config(cls, config):
        config["part"] = keras.saving.deserialize_keras_object(config["part"])
        return cls(**config)


@case(custom=(OwnVariables,))
def own_variables(K):
    layer = OwnVariables()
    model = stack(K, layer, K.layers.Dense(1))
    layer.steps.assign(3)
    return model


class OwnState(keras.layers.Layer):
    """Keeps a value that is not a variable, so HDF5 does not see it."""

    value = 1.0

    def call(self, inputs):
        return inputs * self.value

    def save_own_variables(self, store):
        store["value"] = np.array(self.value, "float32")

    def load_own_variables(self, store):
        self.value = float(np.array(store["value"]))


# Weights in HDF5 lose the state, too: what is loaded predicts something else.
@case(h5=ERROR, hdf5=ERROR, custom=(OwnState,))
def own_state(K):
    layer = OwnState()
    layer.value = float(np.random.default_rng().uniform(2, 3))
    return stack(K, layer, K.layers.Dense(1))


class OwnAssets(keras.layers.Layer):
    """Keeps a file in addition to its weights."""

    value = 2.0

    def call(self, inputs):
        return inputs * self.value

    def save_assets(self, folder):
        with open(os.path.join(folder, "value.txt"), "w") as file:
            file.write(str(self.value))

    def load_assets(self, folder):
        with open(os.path.join(folder, "value.txt")) as file:
            self.value = float(file.read())


@case(h5=ERROR, custom=(OwnAssets,))
def own_assets(K):
    layer = OwnAssets()
    model = stack(K, layer, K.layers.Dense(1))
    layer.value = 5.0
    return model


class Block(keras.layers.Layer):
    """Keeps layers in a list and in a dictionary."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.parts = [keras.layers.Dense(2), keras.layers.LayerNormalization()]
        self.more = {"b": keras.layers.Dense(3), "a": keras.layers.Dropout(0.5)}

    def build(self, shape):
        for part in (*self.parts, self.more["a"], self.more["b"]):
            part.build(shape)
            shape = part.compute_output_shape(shape)
        self.built = True

    def call(self, inputs, training=False):
        for part in self.parts:
            inputs = part(inputs)
        return self.more["b"](self.more["a"](inputs, training=training))


@case(custom=(Block,))
def layers_in_layers(K):
    return stack(K, Block(name="one"), Block(name="two"), K.layers.Dense(1))


class Noisy(keras.Model):
    """Draws from its own seed, keeps a metric, adds a loss, as an autoencoder does."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = keras.layers.Dense(1)
        self.seed = keras.random.SeedGenerator(1)
        self.seen = keras.metrics.Mean(name="seen")

    def call(self, inputs, training=False):
        outputs = self.dense(inputs)
        if training:
            noise = keras.random.normal(keras.ops.shape(outputs), seed=self.seed)
            self.add_loss(0.1 * keras.ops.mean(outputs**2))
            if backend() != "jax":  # whose jit allows no metric in `call`
                self.seen.update_state(keras.ops.mean(outputs))
            outputs = outputs + noise
        return outputs


@case(h5=ERROR, custom=(Noisy,))
def seed_metric_and_loss_of_its_own(K):
    return trained(Noisy())
