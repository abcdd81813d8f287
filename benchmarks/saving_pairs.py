"""Comparisons in pairs, so that the machine's noise affects both of a pair."""

from __future__ import annotations

import gc
import os
import tempfile
import threading
import time
from typing import Any

import keras

import modelcheckpoint
from modelcheckpoint.formats.value_copies import Copies


def compare(train: Any, callback: Any, pairs: int) -> dict[str, Any]:
    """Compare each save of a fit with a plain write and with a plain copy.

    After each save but the first, once it is durable: the same bytes are written
    plainly to a file of their own and flushed, and the same arrays are copied by
    `np.copyto`, one by one, to the same places in memory.
    """
    with Flushes() as flushes:
        pair = Pair(callback, flushes)
        gc.collect()
        train(pairs + 1, 2, [callback, pair])
    return {
        "stall": callback.stalls[1:],
        "flushes": pair.flushes,
        "durable": pair.durable,
        "plain_write": pair.plain,
        "copy": pair.copy,
        "bytes": pair.bytes,
    }


class Flushes:
    """Counts the seconds that all threads spend in `os.fsync` while it is entered."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __enter__(self) -> Flushes:
        self._fsync, self._lock = os.fsync, threading.Lock()
        os.fsync = self._timed
        return self

    def __exit__(self, *error: object) -> None:
        os.fsync = self._fsync

    def _timed(self, file: Any) -> None:
        before = time.perf_counter()
        self._fsync(file)
        with self._lock:
            self.seconds += time.perf_counter() - before


class Pair(keras.callbacks.Callback):
    """Follows a callback of this project, and does the other half of each pair."""

    def __init__(self, callback: Any, flushing: Flushes) -> None:
        super().__init__()
        self.callback, self._flushing = callback, flushing
        self.flushes: list[float] = []
        self.durable: list[float] = []
        self.plain: list[float] = []
        self.copy: list[float] = []
        self.bytes = 0

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.callback.wait()
        now = time.perf_counter()
        image = image_of(self.callback)
        if epoch == 0 or image is None:  # no image: Keras saved it
            return
        self.durable.append(now - self.callback.ended)
        self.flushes.append(self._flushing.seconds)
        self.plain.append(plain_write(image.block.data, self.callback.filepath))
        self.copy.append(plain_copy(self.callback, image))
        self.bytes = sum(place.nbytes for place in image.places)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._flushing.seconds = 0.0  # no save is under way


def image_of(callback: Any) -> Any:
    maker = callback._training._saves._pipeline._snapshotter._maker
    return getattr(maker._image, "_image", None)


def plain_write(data: memoryview, beside: str) -> float:
    file = tempfile.mkstemp(dir=os.path.dirname(beside), prefix="plain-")[0]
    before = time.perf_counter()
    at = 0
    while at < len(data):
        at += os.write(file, data[at:])
    os.fsync(file)
    os.close(file)
    return time.perf_counter() - before


def plain_copy(callback: Any, image: Any) -> float:
    """Copy the arrays that the next snapshot would copy, to where it would."""
    from numpy import copyto

    arrays: list[Any] = []

    def take(values: Any, as_float32: bool = False) -> Copies:
        arrays.extend(value.array for value in values)
        return Copies()  # of nothing

    image.fill = take
    try:
        callback._training._saves._pipeline._snapshotter.take(callback.model)
    finally:
        del image.fill
    before = time.perf_counter()
    for place, array in zip(image.places, arrays):
        copyto(place, array)
    return time.perf_counter() - before


class Batches(keras.callbacks.Callback):
    """Precedes a callback that saves after some batches, and times each batch.

    Attributes:
        seconds: What each batch took, without the hooks of later callbacks.
    """

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._began = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.seconds.append(time.perf_counter() - self._began)


def after_saves(
    train: Any, callback: Any, saves: int, every: int
) -> dict[str, list[float]]:
    """Time the batches after a save, and all others.

    Args:
        train: Trains for some epochs of some batches.
        callback: Of this project; it saves after `every` batches.
        saves: How many; the first is awaited and not counted.
        every: Batches from one save to the next, enough for the file to be written.
    """
    batches = Batches()
    gc.collect()
    train(1, (saves + 2) * every, [batches, callback])
    seconds = batches.seconds[2 * every :]  # what comes after the second save
    after = seconds[::every]
    return {
        "after_save": after,
        "other_batches": [s for at, s in enumerate(seconds) if at % every],
    }


def epoch_mode(pairs: int, seconds: float, folder: str) -> dict[str, Any]:
    """Compare fits whose callback has no save due with fits without a callback."""
    import numpy as np

    model = keras.Sequential([keras.Input((64,)), *dense(64, 64, 1)])
    model.compile("adam", "mean_squared_error")
    never = modelcheckpoint.ModelCheckpoint(
        os.path.join(folder, "never.keras"), period=1000
    )

    def fit(steps: int, callbacks: list[Any]) -> float:
        rows = np.zeros((steps * 32, 64), "float32")
        gc.collect()
        before = time.perf_counter()
        model.fit(rows, rows[:, :1], epochs=3, verbose=0, callbacks=callbacks)
        return time.perf_counter() - before

    for callbacks in ([], [never]):  # warm
        fit(20, callbacks)
    steps = max(20, round(20 * seconds / fit(20, [])))
    found: dict[str, list[float]] = {"with": [], "without": []}
    for pair in range(pairs):
        for name in sorted(found, reverse=bool(pair % 2)):
            found[name].append(fit(steps, [never] if name == "with" else []))
    return {**found, **dispatch([never])}


def dense(*units: int) -> list[Any]:
    return [keras.layers.Dense(count) for count in units]


def dispatch(callbacks: list[Any]) -> dict[str, Any]:
    """Return what CallbackList makes of the callbacks, and of none."""
    some, none = keras.callbacks.CallbackList(callbacks), keras.callbacks.CallbackList()
    hooks = ("on_batch_begin", "on_batch_end", "on_train_batch_begin")
    return {
        "async": some._async_train,
        "async_without": none._async_train,
        "hook": not all(
            getattr(getattr(callback, hook), "_is_default", False)
            for callback in callbacks
            for hook in (*hooks, "on_train_batch_end")
        ),
    }
