"""The table of the models that users bring; a small function makes each.

A row says for each format whether the model must be saved, or must raise an error
before the first batch. `K` is the Keras that makes the model: Keras 3, or tf_keras.
"""

from __future__ import annotations

import contextlib
import functools
from dataclasses import dataclass, field
from typing import Any, Callable

import numpy as np
import pytest

keras = pytest.importorskip("keras")

FILE = "file"
"""Keras' own file loads; ours holds the same."""
MENDED = "mended"
"""Keras' own file does not load (newer Keras may), or as another model; ours loads."""
ERROR = "error"
"""Keras' own file does not load, nor would ours: an error before the first batch."""

AS_KERAS = "as keras"
"""FILE if the installed Keras loads its own file, ERROR if it does not."""

SUFFIXES = (".keras", ".weights.h5", ".h5", ".hdf5")
"""`.h5` stands for the full model in HDF5, `.hdf5` for the weights in HDF5."""


@dataclass(frozen=True)
class Case:
    """One row of the table.

    Attributes:
        make: Makes the compiled model, each time with different weights.
        data: Makes x and y: eight samples, two batches.
        cells: FILE, MENDED, ERROR or AS_KERAS for each suffix.
        custom: The user's classes and functions, which are not registered.
        checkpoint: Further arguments of ModelCheckpoint.
        precision: The global policy, when the model is made and when it is loaded.
        inexact: Why no file brings back what the model predicts; empty if one does.
        fragile: Whether older Keras 3 cannot load its own files of it.
        safe_mode: What `load_model` is called with.
        evaluated: Whether the results of `evaluate` are compared, too.
        compiled: Whether a full model comes back compiled, so with its optimizer.
        keras2: Whether tf_keras and Keras 2 make this model, too.
        cells2: The cells that differ there.
    """

    make: Callable[[Any], Any]
    data: Callable[[Any], tuple[Any, Any]]
    cells: dict[str, str]
    custom: tuple[Any, ...] = ()
    checkpoint: dict[str, Any] = field(default_factory=dict)
    precision: str = "float32"
    inexact: str = ""
    fragile: bool = False
    safe_mode: bool = True
    evaluated: bool = False
    compiled: bool = True
    keras2: bool = False
    cells2: dict[str, str] = field(default_factory=dict)

    def cell(self, K, suffix):
        old = {} if hasattr(K, "ops") else self.cells2
        return old.get(suffix, self.cells[suffix])

    def custom_objects(self, K):
        """Return the user's classes and functions, for `load_model`."""
        made = {} if K is keras else {"Plain": plain_model(K)}
        return {**{item.__name__: item for item in self.custom}, **made}

    @contextlib.contextmanager
    def policy(self, K):
        """Set the global policy temporarily."""
        K.mixed_precision.set_global_policy(self.precision)
        # In Keras 2, setting a policy hides `floatx` from whatever runs later.
        before = "float32" if hasattr(K, "ops") else None
        try:
            yield
        finally:
            K.mixed_precision.set_global_policy(before)


CASES: dict[str, Case] = {}

IN_HDF5_ERROR = {".h5": ERROR, ".hdf5": ERROR}


def numbers(K):
    random = np.random.default_rng(0)
    x = random.normal(size=(8, 3)).astype("float32")
    return x, x.sum(axis=1, keepdims=True)


def images(K):
    x = np.random.default_rng(0).normal(size=(8, 6, 6, 2)).astype("float32")
    return x, x.sum(axis=(1, 2, 3))[:, None]


def sequences(K):
    x = np.random.default_rng(0).normal(size=(8, 4, 3)).astype("float32")
    return x, x.sum(axis=(1, 2))[:, None]


def tokens(K):
    x = np.arange(32).reshape(8, 4) % 7
    return x, (x.sum(axis=1, keepdims=True) % 3).astype("float32")


def words(K):
    tf = needs("tensorflow", "strings are tensors of TensorFlow")
    x = tf.constant([["a"], ["b"], ["c"], ["a"], ["b"], ["c"], ["a"], ["a"]])
    return x, np.arange(8, dtype="float32")[:, None]


def named(K):
    x, y = numbers(K)
    return {"a": x, "b": x[:, :2]}, {"one": y, "two": (y > 0).astype("float32")}


def case(h5=FILE, hdf5=FILE, data=numbers, **row):
    """Put a function that makes a model into the table."""
    cells = dict.fromkeys(SUFFIXES, FILE) | {".h5": h5, ".hdf5": hdf5}

    def put(make):
        CASES[make.__name__] = Case(make, data, cells, **row)
        return make

    return put


def needs(module, why):
    """Return a module, or skip the model, saying why it needs it."""
    if module in ("jax", "tensorflow", "torch") and backend() != module:
        pytest.skip(f"{why}, and the backend is {backend()}")
    return pytest.importorskip(module, reason=why)


def feature(holder, *names):
    """Return the first of these attributes that an object has, or skip."""
    for name in names:
        if hasattr(holder, name):
            return getattr(holder, name)
    pytest.skip(f"Keras {keras.__version__} has no {names[0]}")


def backend():
    return getattr(keras.backend, "backend", lambda: "tensorflow")()


def trained(model, optimizer="adam", loss="mean_squared_error", **compiled):
    """Compile a model; unless told otherwise, it runs its four steps eagerly.

    Tracing them takes longer than everything else together, and the saved variables are
    the same. What a trace may change has rows under "Training" and "Ways to build".
    """
    if backend() == "tensorflow":
        compiled.setdefault("jit_compile", False)
        compiled.setdefault("run_eagerly", True)
    model.compile(optimizer=optimizer, loss=loss, **compiled)
    return model


def stack(K, *layers, shape=(3,), dtype=None, **compiled):
    inputs = K.Input(shape, dtype=dtype)
    return trained(K.Sequential([inputs, *layers]), **compiled)


@functools.lru_cache
def plain_model(K):
    class Plain(K.Model):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.parts = [K.layers.Dense(2), K.layers.Dense(2)]
            self.last = K.layers.Dense(1)

        def call(self, inputs):
            for part in self.parts:
                inputs = part(inputs)
            return self.last(inputs)

    return Plain
