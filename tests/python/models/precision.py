"""Precision."""

from __future__ import annotations

import pytest

from .base import AS_KERAS, MENDED, case, feature, keras, stack, tokens, trained


def in_precision(name, **row):
    def make(K):
        return stack(K, K.layers.Dense(2), K.layers.Dense(1))

    make.__name__ = name
    case(precision=name, **row)(make)


in_precision("mixed_float16", keras2=True)
in_precision("mixed_bfloat16", keras2=True)
in_precision("bfloat16", h5=MENDED, hdf5=MENDED)
in_precision("float16")
in_precision("float64")


@case(h5=MENDED, hdf5=MENDED)
def precision_of_one_layer(K):
    layer = K.layers.Dense(2, dtype="bfloat16")
    return stack(K, layer, K.layers.Dense(1, dtype="mixed_float16"))


def quantized(mode, **compiled):
    def make(K):
        model = stack(K, K.layers.Dense(4), K.layers.Dense(2), K.layers.Dense(1))
        feature(model, "quantize")
        try:
            model.quantize(mode)
        except (ValueError, NotImplementedError) as error:
            pytest.skip(f"Keras {keras.__version__} has no {mode}: {error}")
        return trained(model, **compiled)

    make.__name__ = mode
    return make


case()(quantized("int8"))
case()(quantized("int4"))
# In older Keras its variables come back in another order.
# Its gradients need a graph.
case(h5=AS_KERAS, fragile=True)(quantized("float8", run_eagerly=False))


@case(data=tokens)
def int8_embedding(K):
    pool = K.layers.GlobalAveragePooling1D()
    embedded = K.layers.Embedding(7, 4)
    model = stack(K, embedded, pool, K.layers.Dense(1), shape=(4,))
    feature(embedded, "quantize")("int8")
    return trained(model)


def with_lora(K):
    layer = K.layers.Dense(3)
    model = stack(K, layer, K.layers.Dense(1))
    feature(layer, "enable_lora")(2)
    return model, layer


@case()
def lora(K):
    return trained(with_lora(K)[0])


_MERGED = "Keras merges LoRA into int8, which rounds"


@case(inexact=_MERGED)
def int8_lora(K):
    model = stack(K, K.layers.Dense(4), K.layers.Dense(1))
    feature(model.layers[0], "quantize")("int8")
    try:
        model.layers[0].enable_lora(2)
    except ValueError as error:
        pytest.skip(f"Keras {keras.__version__} has no LoRA on int8: {error}")
    return trained(model)


@case(inexact=_MERGED)
def lora_int8(K):
    model, layer = with_lora(K)
    layer.quantize("int8")
    return trained(model)


@case(data=tokens)
def lora_embedding(K):
    embedded = K.layers.Embedding(7, 4)
    pool = K.layers.GlobalAveragePooling1D()
    model = stack(K, embedded, pool, K.layers.Dense(1), shape=(4,))
    feature(embedded, "enable_lora")(2)
    return trained(model)
