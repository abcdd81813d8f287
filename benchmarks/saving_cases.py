"""The models that are saved, and the callbacks that save them."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

OURS = "modelcheckpoint"
KERAS = "keras"
ORBAX = "orbax"
NOTHING = "no checkpoint"

FORMATS = {
    OURS: (".keras", ".weights.h5", ".h5", ".hdf5"),
    KERAS: (".keras", ".weights.h5", ".h5"),
    ORBAX: ("",),
}
"""`.hdf5` is saved with `save_weights_only`, `.h5` as a full model."""


@dataclass(frozen=True)
class Case:
    """A model, and how it is trained and saved.

    Attributes:
        width: Units of each Dense layer, and of the input.
        depth: How many there are.
        batch: Samples in a batch.
        seconds: About how long an epoch takes; this sets its number of batches.
        epochs: Epochs, and saves, of a measured fit.
        rounds: How many fits are measured with each callback.
        turns: How many fits with each callback in the process that all callbacks share,
            for what a whole fit takes; 0 if all measurements share one process.
        pairs: Saves that are each compared with a plain copy and a plain write.
        every: Batches between saves when the batch after each save is timed; 0: none.
    """

    width: int
    depth: int
    batch: int
    seconds: float
    epochs: int
    rounds: int
    pairs: int
    turns: int = 0
    every: int = 0

    @property
    def shared(self) -> bool:
        """Whether all callbacks are measured in one process only."""
        return not self.turns


CASES = {
    "big": Case(2048, 6, 32, 1.0, epochs=5, rounds=2, pairs=8, turns=6, every=8),
    "layers": Case(25, 600, 8, 0.1, epochs=5, rounds=2, pairs=8),
    "tiny": Case(8, 2, 8, 0.1, epochs=5, rounds=5, pairs=8),
}
QUICK = {
    "big": Case(1024, 3, 32, 0.2, epochs=3, rounds=1, pairs=4, every=8),
    "layers": Case(25, 200, 8, 0.1, epochs=2, rounds=1, pairs=3),
    "tiny": Case(8, 2, 8, 0.1, epochs=3, rounds=2, pairs=4),
}


def callbacks_here(backend: str) -> list[tuple[str, str]]:
    """Return all callbacks that can be measured here, by maker and format."""
    makers = [OURS, KERAS]
    if backend == "jax" and importlib.util.find_spec("orbax") is not None:
        makers.append(ORBAX)
    return [(maker, suffix) for maker in makers for suffix in FORMATS[maker]]


def callback_class(maker: str) -> type:
    import keras

    from modelcheckpoint import ModelCheckpoint

    if maker == OURS:
        return ModelCheckpoint
    if maker == KERAS:
        return keras.callbacks.ModelCheckpoint
    return keras.callbacks.OrbaxCheckpoint


def arguments(
    maker: str, suffix: str, folder: str, name: str = "model-{epoch}"
) -> tuple[str, dict[str, Any]]:
    """Return where a callback saves, and its other arguments."""
    path = os.path.join(folder, f"{name}{suffix}")
    weights_only = suffix in (".weights.h5", ".hdf5")
    return path, {"save_weights_only": True} if weights_only else {}


def model_of(case: Case) -> Any:
    """Return a model with all its state; on TensorFlow only a few layers train.

    TensorFlow needs minutes to trace the training of 600 layers. There only the last
    ten train, after the optimizer has created its variables for all.
    """
    import keras

    dense = [keras.layers.Dense(case.width) for _ in range(case.depth)]
    model = keras.Sequential([keras.Input((case.width,)), *dense])
    model.compile("adam", "mean_squared_error")
    model.optimizer.build(model.trainable_variables)
    if keras.backend.backend() == "tensorflow":
        for layer in dense[:-10]:
            layer.trainable = False
    return model


def trainer_of(model: Any, case: Case) -> Callable[..., None]:
    """Return a function that trains the model for some epochs of some batches."""
    import numpy as np

    def train(epochs: int, steps: int, callbacks: list[Any]) -> None:
        rows = np.zeros((steps * case.batch, case.width), "float32")
        rows[:] = np.linspace(-1, 1, case.width)
        model.fit(
            rows,
            -rows,
            batch_size=case.batch,
            epochs=epochs,
            shuffle=False,
            verbose=0,
            callbacks=callbacks,
        )

    return train
