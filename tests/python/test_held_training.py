"""Training continues while values are held: each file has the state at its save.

`test_models.py` holds each model of the table; these tests vary the optimizer.
"""

from __future__ import annotations

import threading

import numpy as np
import pytest
from contents import contents_of
from held_snapshots import HeldSnapshots
from snapshots import format_for, keras_own, written

keras = pytest.importorskip("keras", minversion="3.4")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        keras.backend.backend() != "tensorflow", reason="no other holds values"
    ),
]

MODES = {
    "graph": {"jit_compile": False},
    "xla": {"jit_compile": True},
    "eager": {"run_eagerly": True},
    "three steps": {"jit_compile": False, "steps_per_execution": 3},
}
COMPILES_LONG = ("xla", "three steps")
ROWS = 24


def optimizers():
    """Return an optimizer of each class in Keras, and some with other options."""
    classes = {
        found
        for found in vars(keras.optimizers).values()
        if isinstance(found, type) and issubclass(found, keras.optimizers.Optimizer)
    }
    by_name = {c.__name__: c for c in classes - {keras.optimizers.Optimizer}}
    assert len(by_name) >= 12
    return [*(made_of(*item) for item in sorted(by_name.items())), *some_optimizers()]


def some_optimizers():
    """Return optimizers with options that change how a step changes variables."""
    return [
        keras.optimizers.SGD(0.1, momentum=0.9, use_ema=True),
        keras.optimizers.Adam(0.1, amsgrad=True),
        keras.optimizers.Adam(0.1, gradient_accumulation_steps=2),
    ]


def made_of(name, optimizer):
    if name == "LossScaleOptimizer":
        return optimizer(keras.optimizers.Adam(0.1))
    if name == "MultiOptimizer":
        inner = keras.optimizers.Adam(0.1)
        return optimizer(lambda variable: inner)
    return optimizer(learning_rate=0.1)


class Tower(keras.layers.Layer):
    """An embedding, of which a batch uses some rows, and a dense layer."""

    def __init__(self):
        super().__init__()
        self.table = keras.layers.Embedding(ROWS, 4)
        self.dense = keras.layers.Dense(3)

    def build(self, shape):
        self.table.build(shape)
        self.dense.build((None, 4))

    def call(self, inputs):
        return self.dense(self.table(inputs))


class Towers(keras.Model):
    """Trains each tower with its own optimizer."""

    def __init__(self, optimizers):
        super().__init__()
        self.each = optimizers
        self.towers = [Tower() for _ in self.each]

    def build(self, shape):
        for tower, optimizer in zip(self.towers, self.each):
            tower.build(shape)
            optimizer.build(tower.trainable_variables)
        self.built = True

    def call(self, inputs):
        return sum(tower(inputs) for tower in self.towers)

    def train_step(self, data):
        import tensorflow as tf

        x, y = data
        for tower, optimizer in zip(self.towers, self.each):
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean((tower(x) - y) ** 2)
            variables = tower.trainable_variables
            gradients = tape.gradient(loss, variables)
            optimizer.apply_gradients(zip(gradients, variables))
        return {"loss": loss}


def fit(model, epochs=1, batches=3, **arguments):
    random = np.random.default_rng(0)
    x = random.integers(0, ROWS // 2, size=4 * batches)
    y = random.normal(size=(len(x), 3)).astype("float32")
    model.fit(x, y, batch_size=4, epochs=epochs, verbose=0, **arguments)


@pytest.mark.parametrize("mode", MODES)
def test_every_optimizer(mode, tmp_path):
    """No later change by the optimizer is in a snapshot that is written afterwards."""
    made = some_optimizers() if mode in COMPILES_LONG else optimizers()
    model, suffix = Towers(made), ".weights.h5"
    held = HeldSnapshots([suffix])
    model.build((None,))
    model.compile("sgd", "mean_squared_error", **MODES[mode])
    fit(model)
    for _ in range(2):
        fit(model)
        own = contents_of(keras_own(model, suffix, tmp_path), suffix)
        held.take(model)
        fit(model, epochs=2)
        assert held.contents() == {suffix: own}
        assert contents_of(keras_own(model, suffix, tmp_path), suffix) != own


@pytest.mark.parametrize(
    ("suffix", "mode"),
    [(".keras", "xla"), (".weights.h5", "graph"), (".h5", "graph"), (".hdf5", "xla")],
)
def test_a_thread_copies_while_batches_go_by(suffix, mode, tmp_path):
    """Whatever was copied before a batch, and whatever after it."""
    dense = [keras.layers.Dense(500) for _ in range(8)]
    model = keras.Sequential([keras.Input((500,)), *dense])
    model.compile("adam", "mean_squared_error", **MODES[mode])
    snapshotter = format_for(suffix).snapshotter()
    wanted, threads, found = [], [], []

    def save(batch, logs):
        for thread in threads:
            thread.join()
        wanted.append(contents_of(keras_own(model, suffix, tmp_path), suffix))
        snapshot = snapshotter.take(model)

        def write():
            found.append(contents_of(written(snapshot), suffix))

        threads[:] = [threading.Thread(target=write)]
        threads[0].start()

    x = np.random.default_rng(0).normal(size=(80, 500)).astype("float32")
    callback = keras.callbacks.LambdaCallback(on_train_batch_end=save)
    model.fit(x, x, batch_size=8, verbose=0, callbacks=[callback])
    threads[0].join()
    assert len(wanted) == 10
    assert found == wanted
