"""Keras' layers."""

from __future__ import annotations

import pytest

from .base import ERROR, case, feature, images, needs, sequences, stack, tokens, trained


@case(keras2=True)
def batch_normalization(K):
    return stack(K, K.layers.BatchNormalization(), K.layers.Dense(1))


@case(keras2=True)
def dropout(K):
    noise = K.layers.GaussianNoise(0.1)
    return stack(K, K.layers.Dropout(0.5, seed=1), noise, K.layers.Dense(1))


@case(data=tokens, keras2=True)
def embedding(K):
    pool = K.layers.GlobalAveragePooling1D()
    embedded = K.layers.Embedding(7, 2, mask_zero=True)
    return stack(K, embedded, pool, K.layers.Dense(1), shape=(4,))


@case(data=sequences, keras2=True)
def lstm(K):
    return stack(K, K.layers.LSTM(2), K.layers.Dense(1), shape=(4, 3))


@case(data=sequences, fragile=True)
def bidirectional_gru(K):
    gru = K.layers.GRU(2, recurrent_dropout=0.1)
    both = K.layers.Bidirectional(gru)
    return stack(K, both, K.layers.Dense(1), shape=(4, 3))


@case(data=sequences)
def rnn_with_state(K):
    inputs = K.Input(batch_shape=(4, 4, 3))
    x = K.layers.SimpleRNN(2, stateful=True)(inputs)
    return trained(K.Model(inputs, K.layers.Dense(1)(x)))


@case(data=sequences)
def rnn_of_cells(K):
    cells = [K.layers.LSTMCell(2), K.layers.GRUCell(2)]
    return stack(K, K.layers.RNN(cells), K.layers.Dense(1), shape=(4, 3))


@case(data=images)
def convolution(K):
    layers = (
        K.layers.RandomFlip(seed=1),
        K.layers.Conv2D(2, 3, activation="relu"),
        K.layers.SeparableConv2D(2, 2),
        K.layers.MaxPooling2D(),
        K.layers.GroupNormalization(1),
        K.layers.Flatten(),
    )
    return stack(K, *layers, K.layers.Dense(1), shape=(6, 6, 2))


@case(data=sequences)
def attention(K):
    inputs = K.Input((4, 3))
    attended = K.layers.MultiHeadAttention(2, 2, dropout=0.1)(inputs, inputs)
    x = K.layers.LayerNormalization()(K.layers.Add()([inputs, attended]))
    x = K.layers.TimeDistributed(K.layers.Dense(2))(x)
    x = K.layers.EinsumDense("abc,cd->ad", output_shape=1)(x)
    return trained(K.Model(inputs, x))


@case()
def spectral_normalization(K):
    layer = K.layers.SpectralNormalization(K.layers.Dense(2))
    return stack(K, layer, K.layers.Dense(1))


@case()
def constraints_and_regularizers(K):
    layer = K.layers.Dense(
        2,
        kernel_constraint=K.constraints.MaxNorm(1.0),
        kernel_regularizer=K.regularizers.L1L2(0.01, 0.01),
        kernel_initializer=K.initializers.HeNormal(seed=None),
        activity_regularizer="l2",
    )
    return stack(K, layer, K.layers.PReLU(), K.layers.Dense(1))


@case(safe_mode=False, fragile=True)
def lambda_layer(K):
    layer = K.layers.Lambda(lambda x: x * 2.0, output_shape=(3,))
    return stack(K, layer, K.layers.Dense(1))


def double(x):
    return x * 2.0


@case(custom=(double,), fragile=True)
def lambda_layer_with_a_function(K):
    layer = K.layers.Lambda(double, output_shape=(3,))
    return stack(K, layer, K.layers.Dense(1, activation=double))


# Keras does not find it by its name.
@case(h5=ERROR, safe_mode=False)
def torch_module(K):
    torch = needs("torch", "it wraps a module of Torch")
    layer = feature(K.layers, "TorchModuleWrapper")(torch.nn.Linear(3, 2))
    return stack(K, layer, K.layers.Dense(1))


def jax_call(params, inputs):
    return inputs @ params


def jax_init(rng, inputs):
    import jax

    return jax.random.normal(rng, (3, 2))


@case(h5=ERROR, custom=(jax_call, jax_init))
def jax_layer(K):
    needs("jax", "it wraps functions of JAX")
    pytest.importorskip("tensorflow", reason="JaxLayer needs TensorFlow, too")
    layer = feature(K.layers, "JaxLayer")(jax_call, jax_init)
    return stack(K, layer, K.layers.Dense(1))
