"""Values on another device are copied there, and fetched while training continues.

Without a GPU, the host plays the other device; `make test-gpu` needs a real one.
"""

from __future__ import annotations

import numpy as np
import pytest
from contents import contents_of
from held_snapshots import HeldSnapshots
from snapshots import keras_own

from modelcheckpoint.formats import device_copies
from modelcheckpoint.formats.values import reader_of

keras = pytest.importorskip("keras", minversion="3.4")

BACKEND = keras.backend.backend()
pytestmark = pytest.mark.skipif(
    BACKEND not in ("jax", "torch"), reason="TensorFlow's values are copied at once"
)


def on_gpu():
    """Return whether Keras trains on a GPU."""
    if BACKEND == "torch":
        import torch

        return torch.cuda.is_available()
    import jax

    return jax.default_backend() != "cpu"


not_on_gpu = pytest.mark.skipif(on_gpu(), reason="the host is the other device here")
SUFFIXES = [".keras", ".weights.h5", ".h5", ".hdf5"]


class OtherDevice:
    """Memory of a device, which counts the values that are fetched."""

    def __init__(self, free):
        self.free, self.fetches = free, 0

    def left(self):
        return self.free

    def event(self):
        return "ready"

    def fetched(self, tensor, ready):
        assert ready == "ready"
        self.fetches += 1
        return tensor.cpu()


@pytest.fixture
def device(monkeypatch):
    """Return the host as another device; with a GPU, the GPU is one already."""
    device = OtherDevice(2**60)
    if on_gpu():
        return device
    kind = device_copies._Jax if BACKEND == "jax" else device_copies._Cuda
    monkeypatch.setattr(kind, "of", lambda given: device)
    monkeypatch.setattr(device_copies, "_fitted", set())
    return device


def model():
    dense = [keras.layers.Dense(20, activation="relu") for _ in range(3)]
    made = keras.Sequential([keras.Input((20,)), *dense, keras.layers.Dropout(0.1)])
    made.compile("adam", "mean_squared_error")
    return made


def fit(model, epochs=2):
    x = np.random.default_rng(0).normal(size=(32, 20)).astype("float32")
    model.fit(x, x, epochs=epochs, verbose=0)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_file_is_of_the_moment(suffix, device, tmp_path):
    """Training can change the values before the copies are fetched."""
    made = model()
    held = HeldSnapshots([suffix])
    fit(made)
    for _ in range(3):
        own = contents_of(keras_own(made, suffix, tmp_path), suffix)
        held.take(made)
        fit(made)
        assert held.contents() == {suffix: own}
        assert contents_of(keras_own(made, suffix, tmp_path), suffix) != own
    assert BACKEND == "jax" or on_gpu() or device.fetches > 0


def test_every_type(device):
    """Each number arrives unchanged, even of types that NumPy does not have."""
    for dtype in ("float32", "bfloat16", "float16", "int8", "bool"):
        variable = keras.Variable(
            np.arange(12).reshape(3, 4), dtype=dtype, trainable=False
        )
        (value,) = reader_of(keras.Sequential())([variable])
        wanted = keras.ops.convert_to_numpy(variable)
        variable.assign(variable * 0)
        assert value.still
        assert value.array.dtype.name == dtype
        assert value.array.shape == (3, 4)
        assert value.array.nbytes == wanted.nbytes
        np.testing.assert_array_equal(np.asarray(value.array), wanted)


@not_on_gpu
def test_where_the_device_is_full(device):
    """Values are copied to the host at once; what fitted once fits again."""
    variables = [
        keras.Variable(np.ones(size, "float32"), trainable=False) for size in (10, 20)
    ]
    read = reader_of(keras.Sequential())
    device.free = 29 * 4
    assert [value.still for value in read(variables)] == [False, False]
    device.free = 30 * 4
    assert [value.still for value in read(variables)] == [True, True]
    device.free = 0  # the copies now use this memory
    assert [value.still for value in read(variables)] == [True, True]
    assert [value.still for value in read(variables[:1])] == [False]


@not_on_gpu
def test_the_host_is_no_other_device():
    """Its values are handed out without a copy."""
    variable = keras.Variable(np.ones(3), trainable=False)
    (value,) = reader_of(keras.Sequential())([variable])
    assert not value.still
    assert isinstance(value.array, np.ndarray)
