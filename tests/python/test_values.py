"""A value read from a variable never changes, or is marked as one that can."""

from __future__ import annotations

import functools
import subprocess
import sys

import numpy as np
import pytest

from modelcheckpoint.formats.values import reader_of

keras = pytest.importorskip("keras", minversion="3.4")

BACKEND = keras.backend.backend()
on_tensorflow = pytest.mark.skipif(BACKEND != "tensorflow", reason="TensorFlow's own")


def read(*variables):
    return list(reader_of(keras.Sequential())(variables))


def table(dtype="float32"):
    numbers = np.arange(4000).reshape(1000, 4)
    return keras.Variable(numbers, dtype=dtype, trainable=False)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16", "int8", "bool"])
def test_what_is_read(dtype):
    """Each number is exact, and on TensorFlow the value does not change."""
    variable = table(dtype)
    (value,) = read(variable)
    np.testing.assert_array_equal(value.array, keras.ops.convert_to_numpy(variable))
    assert value.array.dtype.name == dtype
    assert value.still == (BACKEND == "tensorflow")


def dense(variable):
    variable.assign(variable * 2 + 1)


def added(variable):
    variable.assign_add(variable * 0 + 1)


def added_below(variable):
    variable.value.assign_add(keras.ops.ones_like(variable))


def rows():
    import tensorflow as tf

    return tf.IndexedSlices(tf.ones((2, 4)), tf.constant([3, 5]))


def scatter_added(variable):
    variable.value.scatter_add(rows())


def scatter_updated(variable):
    variable.value.scatter_update(rows())


def scattered(variable):
    variable.value.scatter_nd_update([[1], [7]], keras.ops.ones((2, 4)))


def row_assigned(variable):
    variable.value[2].assign(variable[3] + 1)


class InPlace:
    """Steps of an optimizer, which change one tensor in place."""

    def __init__(self):
        import tensorflow as tf

        self.raw = tf.raw_ops
        self.slot = tf.Variable(tf.ones((1000, 4)))

    def momentum(self, variable):
        """Changes all rows."""
        self.raw.ResourceApplyMomentum(
            var=variable.value.handle,
            accum=self.slot.handle,
            lr=0.1,
            grad=keras.ops.ones((1000, 4)),
            momentum=0.9,
        )

    def sparse_adagrad(self, variable):
        """Changes some rows."""
        self.raw.ResourceSparseApplyAdagrad(
            var=variable.value.handle,
            accum=self.slot.handle,
            lr=0.1,
            grad=keras.ops.ones((2, 4)),
            indices=[0, 999],
        )


BY_XLA = [dense, added, added_below, scatter_added, scattered, row_assigned]
CHANGES = [*BY_XLA, scatter_updated, InPlace.momentum, InPlace.sparse_adagrad]


@on_tensorflow
@pytest.mark.parametrize(
    ("how", "change"),
    [
        *(("eager", change) for change in CHANGES),
        *(("graph", change) for change in CHANGES),
        *(("xla", change) for change in BY_XLA),
    ],
)
def test_a_change_does_not_reach_what_was_read(how, change):
    """Neither the first change nor later ones, even if a variable copies when read."""
    import tensorflow as tf

    variable = table()
    if "." in change.__qualname__:
        change = functools.partial(change, InPlace())
    step = functools.partial(change, variable)
    if how != "eager":
        step = tf.function(step, jit_compile=how == "xla")
    values, copies = [], []
    for _ in range(3):
        (value,) = read(variable)
        assert value.still
        values.append(value.array)
        copies.append(value.array.copy())
        step()
    for array, copy in zip(values, copies):
        np.testing.assert_array_equal(array, copy)
    assert not np.array_equal(copies[0], read(variable)[0].array)


ELSEWHERE = """
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(cpu, two)
import keras, numpy as np
from modelcheckpoint.formats.values import reader_of
with tf.device("CPU:1"):
    there = keras.Variable(np.arange(3.0))
here = keras.Variable(np.arange(4.0))
for value in reader_of(keras.Sequential())([here, there]):
    print(value.still, value.array.tolist())
"""


@on_tensorflow
def test_what_lies_on_another_device_is_not_held():
    """It would take that device's memory, and nobody knows how much is left."""
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines() == [
        "True [0.0, 1.0, 2.0, 3.0]",
        "False [0.0, 1.0, 2.0]",
    ]
