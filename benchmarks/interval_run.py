"""One process of `interval.py`: how much longer each save makes a fit.

The results are written to a file, as JSON.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import io
import json
import time
from dataclasses import dataclass
from typing import Any

import keras
from interval_limit import LIMIT, added_by_saves, shortest_interval
from saving_callbacks import callback_of
from saving_cases import (
    CASES,
    NOTHING,
    OURS,
    QUICK,
    callbacks_here,
    model_of,
    trainer_of,
)
from saving_machine import kept_folder, renew
from saving_run import numpy_of, steps_of, variables_of, versions, warm_up

Kind = tuple[str, str]


@dataclass(frozen=True)
class Effort:
    """How much is measured.

    Attributes:
        seconds: How long an epoch takes. A save must end within it.
        saves: How many saves of a fit are measured.
        runs: How many fits with each callback.
    """

    seconds: float
    saves: int
    runs: int


FULL = Effort(seconds=1.5, saves=5, runs=3)
TRY = Effort(seconds=0.5, saves=2, runs=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["versions", "interval"])
    parser.add_argument("--out", required=True, help="file for the results")
    parser.add_argument("--folder", required=True, help="where checkpoints go")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    with contextlib.redirect_stdout(io.StringIO()):  # the callbacks' own output
        backend = keras.backend.backend()
        if options.what == "versions":
            found = versions(backend)
        else:
            case = (QUICK if options.quick else CASES)["big"]
            effort = TRY if options.quick else FULL
            found = Trials(case, effort, options.folder).intervals()
    with open(options.out, "w") as file:
        json.dump(found, file)


class Trials:
    """Fits of one model that save after every second epoch, or never."""

    def __init__(self, case: Any, effort: Effort, folder: str) -> None:
        self._effort, self._folder = effort, folder
        self._kinds = callbacks_here(keras.backend.backend())
        model = model_of(case)
        self._train = trainer_of(model, case)
        warm_up(self._kinds, folder)
        self._train(1, 2, [])
        self._steps = steps_of(self._train, effort.seconds)
        self._state = sum(numpy_of(v).nbytes for v in variables_of(model))

    def intervals(self) -> dict[str, Any]:
        """Return what a save costs with each callback, measured in turn."""
        kinds: list[Kind] = [(NOTHING, ""), *self._kinds]
        rows: dict[Kind, dict[str, Any]] = {
            kind: {"maker": kind[0], "suffix": kind[1], "added": [], "busy": []}
            for kind in kinds
        }
        for run in range(self._effort.runs):
            renew(self._folder)
            for kind in kinds[:: -1 if run % 2 else 1]:
                added, busy = self._fit(kind)
                rows[kind]["added"].append(added)
                rows[kind]["busy"].append(busy)
        for row in rows.values():
            row["interval"] = shortest_interval(row["added"], row["busy"])
        return {"state": self._state, "limit": LIMIT, "rows": list(rows.values())}

    def _fit(self, kind: Kind) -> tuple[float, float]:
        """Train, and save after every second epoch.

        Returns:
            By how many seconds a save lengthened training, not counting the first save
            of the fit; and how long the last save was busy while nothing else was.
        """
        clock, own = Clock(), kept_folder(self._folder)
        saver = None if kind[0] == NOTHING else every_second(kind, own)
        gc.collect()
        watched = [clock] if saver is None else [clock, saver]
        self._train(2 * self._effort.saves + 4, self._steps, watched)
        busy = 0.0 if saver is None else saver.stalls[-1] + saver.end
        return added_by_saves(clock.laps), busy


def every_second(kind: Kind, folder: str) -> Any:
    """Return a callback that saves after the second epoch, the fourth, ..."""
    if kind[0] == OURS:
        return callback_of(kind, folder, period=2)
    callback = callback_of(kind, folder)
    save = callback.on_epoch_end

    def on_epoch_end(epoch: int, logs: Any = None) -> None:
        if epoch % 2:
            save(epoch, logs)

    callback.on_epoch_end = on_epoch_end
    return callback


class Clock(keras.callbacks.Callback):
    """Precedes a callback that saves, and times each batch.

    The first lap of an epoch includes the save after the previous one, but not what
    Keras does between the beginning of an epoch and its first batch: on TensorFlow this
    takes a second at random, with or without a save.

    Attributes:
        laps: The seconds between the ends of batches, epoch by epoch.
    """

    def __init__(self) -> None:
        super().__init__()
        self.laps: list[list[float]] = []
        self._ended: float | None = None

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._save = 0.0 if self._ended is None else time.perf_counter() - self._ended
        self.laps.append([])

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if batch == 0:
            self._began = time.perf_counter() - self._save

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        now = time.perf_counter()
        self.laps[-1].append(now - self._began)
        self._began = now

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._ended = time.perf_counter()


if __name__ == "__main__":
    main()
