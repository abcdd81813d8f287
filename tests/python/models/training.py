"""Training."""

from __future__ import annotations

from dataclasses import replace

import pytest

from .base import CASES, ERROR, backend, case, keras, needs, stack, trained


def tf_step(self, data):
    import tensorflow as tf

    x, y = data
    with tf.GradientTape() as tape:
        loss = self.compute_loss(x=x, y=y, y_pred=self(x, training=True))
    gradients = tape.gradient(loss, self.trainable_variables)
    self.optimizer.apply_gradients(zip(gradients, self.trainable_variables))
    return {"loss": loss}


def torch_step(self, data):
    import torch

    x, y = data
    self.zero_grad()
    loss = self.compute_loss(x=x, y=y, y_pred=self(x, training=True))
    loss.backward()
    gradients = [v.value.grad for v in self.trainable_weights]
    with torch.no_grad():
        self.optimizer.apply(gradients, self.trainable_weights)
    return {"loss": loss}


def jax_step(self, state, data):
    import jax

    trainable, others, optimizer, metrics = state
    x, y = data

    def loss_of(trainable, others):
        predicted, others = self.stateless_call(trainable, others, x, training=True)
        return keras.ops.mean((y - predicted) ** 2), others

    gradients = jax.value_and_grad(loss_of, has_aux=True)
    (loss, others), gradients = gradients(trainable, others)
    trainable, optimizer = self.optimizer.stateless_apply(
        optimizer, gradients, trainable
    )
    return {"loss": loss}, (trainable, others, optimizer, metrics)


class OwnStep(keras.Model):
    train_step = {"torch": torch_step, "jax": jax_step}.get(backend(), tf_step)


@case(custom=(OwnStep,))
def own_train_step(K):
    inputs = K.Input((3,))
    return trained(OwnStep(inputs, K.layers.Dense(1)(inputs)), run_eagerly=False)


CASES["own_train_step_and_batches"] = replace(
    CASES["own_train_step"],
    checkpoint={"save_freq": 2, "save_freq_unit": "batches"},
)
CASES["sequential_and_samples"] = replace(
    CASES["sequential"], checkpoint={"save_freq": 8}
)


class Gan(keras.Model):
    """Two models, two optimizers, and a step that trains both."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.generator = keras.layers.Dense(3)
        self.discriminator = keras.layers.Dense(1)

    def build(self, shape):
        self.generator.build(shape)
        self.discriminator.build(shape)
        self.built = True

    def compile(self, g_optimizer, d_optimizer, loss):
        super().compile(optimizer=d_optimizer, loss=loss)
        self.g_optimizer, self.d_optimizer = g_optimizer, d_optimizer

    def call(self, inputs):
        return self.discriminator(self.generator(inputs))

    def train_step(self, data):
        import tensorflow as tf

        x, y = data
        pairs = [(self.generator, self.g_optimizer)]
        for part, optimizer in [*pairs, (self.discriminator, self.d_optimizer)]:
            with tf.GradientTape() as tape:
                loss = self.compute_loss(x=x, y=y, y_pred=self(x))
            gradients = tape.gradient(loss, part.trainable_variables)
            optimizer.apply_gradients(zip(gradients, part.trainable_variables))
        return {"loss": loss}


@case(h5=ERROR, custom=(Gan,), compiled=False)
def gan(K):
    needs("tensorflow", "its train_step is TensorFlow's")
    model = Gan()
    model.build((None, 3))
    adam, sgd = K.optimizers.Adam(), K.optimizers.SGD(momentum=0.5)
    model.compile(g_optimizer=adam, d_optimizer=sgd, loss="mean_squared_error")
    model.g_optimizer.build(model.generator.trainable_variables)
    model.d_optimizer.build(model.discriminator.trainable_variables)
    return model


@case(keras2=True)
def run_eagerly(K):
    return stack(K, K.layers.Dense(1), run_eagerly=True)


@case(keras2=True)
def jit_compile(K):
    return stack(K, K.layers.Dense(1), jit_compile=True, run_eagerly=False)


@case()
def steps_per_execution(K):
    if backend() == "torch":
        pytest.skip("Keras on Torch has no steps_per_execution")
    return stack(K, K.layers.Dense(1), steps_per_execution=2, run_eagerly=False)
