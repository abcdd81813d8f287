"""One of the two processes of `parts.py`: trains with each callback in turn.

Process 0 starts the other one and writes the results of both to a file, as JSON: its
own figures and, as `either`, the longest stall of either process in a fit.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import os
import socket
import subprocess
import sys
import time
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
from saving_callbacks import timed
from saving_cases import (
    CASES,
    ORBAX,
    OURS,
    QUICK,
    Case,
    callback_class,
    model_of,
    trainer_of,
)
from saving_machine import KEPT, renew
from saving_run import note_times, seconds_of, variables_of, versions

KINDS = [(OURS, ".orbax"), (ORBAX, "")]

_FITS = itertools.count()

Kind = tuple[str, str]
Row = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["versions", "turns"])
    parser.add_argument("--out", required=True, help="file for the results")
    parser.add_argument("--folder", required=True, help="where checkpoints go")
    parser.add_argument("--port", type=int, help="where process 0 waits")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # Gloo reports each connection there
    found = all_versions() if options.what == "versions" else of_both(options)
    with open(options.out, "w") as file:
        json.dump(found, file)


def all_versions() -> dict[str, Any]:
    found = versions("jax")
    orbax = {"orbax-checkpoint": version("orbax-checkpoint")}
    return {**found, "versions": {**found["versions"], **orbax}}


def of_both(options: argparse.Namespace) -> dict[str, Any]:
    """Measure in both processes; process 0 starts the other one."""
    if options.port is not None:
        return measured(options, 1, options.port)
    port, out = free_port(), f"{options.out}.1"
    more = ["--port", str(port), "--out", out]
    other = subprocess.Popen([sys.executable, *sys.argv, *more])
    try:
        found = measured(options, 0, port)
        if other.wait():
            raise RuntimeError(f"process 1: exit status {other.returncode}")
    finally:
        other.kill()
        other.wait()
    for row, its in zip(found["rows"], json.loads(Path(out).read_text())["rows"]):
        row["either"] = [max(row["later"] + its["later"])]
    return found


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def measured(options: argparse.Namespace, rank: int, port: int) -> dict[str, Any]:
    keras.distribution.initialize(f"127.0.0.1:{port}", 2, rank)
    lay_out()
    found = turns(case_of(options.quick), options.folder)
    together("measured")
    import jax

    jax.distributed.shutdown()
    return found


def lay_out() -> None:
    """Split each kernel and each bias over the devices of both processes."""
    devices = keras.distribution.list_devices()
    mesh = keras.distribution.DeviceMesh((1, len(devices)), ["batch", "model"], devices)
    layout = keras.distribution.LayoutMap(mesh)
    layout[".*kernel"] = (None, "model")
    layout[".*bias"] = ("model",)
    keras.distribution.set_distribution(
        keras.distribution.ModelParallel(
            layout_map=layout, batch_dim_name="batch", auto_shard_dataset=False
        )
    )


def case_of(quick: bool) -> Case:
    """Return the big model, with epochs long enough for a save to end in one."""
    if quick:
        return replace(QUICK["big"], seconds=0.5, turns=2, pairs=1)
    return replace(CASES["big"], seconds=1.5, epochs=20, turns=2, pairs=4)


def turns(case: Case, folder: str) -> dict[str, Any]:
    """Measure a fit with each callback and with none, reversing the order each turn."""
    import jax

    tiny = QUICK["tiny"]
    train_tiny = trainer_of(model_of(tiny), tiny)
    for kind in KINDS:  # so that everything is imported
        one_fit(train_tiny, 1, 2, kind, folder)
    model = model_of(case)
    train = trainer_of(model, case)
    train(1, 2, [])
    steps = steps_of(train, case.seconds)
    rows = {kind: new_row(*kind) for kind in KINDS}
    for turn in range(case.turns):
        if jax.process_index() == 0:
            renew(folder)
        together("renewed")
        order = [None, *KINDS][:: -1 if turn % 2 else 1]
        fits = {
            kind: one_fit(train, case.epochs, steps, kind, folder) for kind in order
        }
        for kind, row in rows.items():
            note(row, fits[None], fits[kind])
            waited = one_fit(train, case.pairs + 1, 2, kind, folder, waits=True)
            row["durable"] += waited["durable"][1:]
    return {
        "epochs": case.epochs,
        "steps": steps,
        "state": sum(variable.value.nbytes for variable in variables_of(model)),
        "variables": len(variables_of(model)),
        "rows": list(rows.values()),
    }


def new_row(maker: str, suffix: str) -> Row:
    lists: Row = {name: [] for name in ("first", "later", "end", "durable", "bytes")}
    return {"maker": maker, "suffix": suffix, **lists}


def note(row: Row, plain: Row, saved: Row) -> None:
    row["first"].append(saved["stalls"][0])
    row["later"] += saved["stalls"][1:]
    row["end"].append(saved["end"])
    row["bytes"].append(saved["bytes"])
    note_times(row, plain, saved)


def steps_of(train: Any, seconds: float) -> int:
    """Return how many batches take this long in process 0."""
    from jax.experimental.multihost_utils import broadcast_one_to_all

    found = round(8 * seconds / min(seconds_of(train, 8) for _ in range(3)))
    return max(2, int(broadcast_one_to_all(found)))


def together(moment: str) -> None:
    """Wait for the other process."""
    from jax.experimental.multihost_utils import sync_global_devices

    sync_global_devices(moment)


def one_fit(
    train: Any,
    epochs: int,
    steps: int,
    kind: Kind | None,
    folder: str,
    waits: bool = False,
) -> Row:
    """Measure one fit, with a callback or with none, in an empty folder."""
    own = os.path.join(folder, f"{KEPT}{next(_FITS)}")  # the same in both processes
    os.makedirs(own, exist_ok=True)
    watched = [] if kind is None else [callback_of(kind, own)]
    waiter = [Waiter(watched[0])] if waits else []
    gc.collect()
    together("begin")
    wall, cpu = time.perf_counter(), time.process_time()
    train(epochs, steps, [*watched, *waiter])
    found: Row = {
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "bytes": size_of(own) / epochs,
    }
    for callback in watched:
        found.update(stalls=callback.stalls, end=callback.end)
    for callback in waiter:
        found["durable"] = callback.durable
    together("end")
    return found


def callback_of(kind: Kind, folder: str) -> Any:
    if kind[0] == OURS:
        path = os.path.join(folder, "model-{epoch}.orbax")
        return timed(callback_class(OURS))(path)
    path = os.path.join(folder, "model.orbax")
    return timed(callback_class(ORBAX))(path, max_to_keep=None)


def size_of(folder: str) -> int:
    files = (path for path in Path(folder).rglob("*") if path.is_file())
    return sum(path.stat().st_size for path in files)


class Waiter(keras.callbacks.Callback):
    """Follows a callback that saves, and waits for the end of each save.

    Args:
        callback: The callback that saves.

    Attributes:
        durable: Seconds from the start of each save to its end.
    """

    def __init__(self, callback: Any) -> None:
        super().__init__()
        self.callback = callback
        self.durable: list[float] = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        for name in ("wait", "wait_until_finished"):
            if hasattr(self.callback, name):
                getattr(self.callback, name)()
        now = time.perf_counter()
        self.durable.append(now - self.callback.ended + self.callback.stalls[-1])


if __name__ == "__main__":
    main()
