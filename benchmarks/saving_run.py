"""One process of `saving.py`: trains one case with some callbacks, and measures.

The results are written to a file, as JSON: each list has one number for each save, or
for each fit, in the order in which they were made.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import io
import json
import os
import sys
import time
from importlib.metadata import version
from typing import Any

import keras
from saving_callbacks import Maker, callback_of
from saving_cases import (
    CASES,
    OURS,
    QUICK,
    Case,
    callbacks_here,
    model_of,
    trainer_of,
)
from saving_machine import kept_folder, renew
from saving_pairs import after_saves, compare, epoch_mode
from saving_peak import Peak, peak_now

import modelcheckpoint


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["versions", "epoch-mode", *CASES])
    parser.add_argument("--out", required=True, help="file for the results")
    parser.add_argument("--folder", required=True, help="where checkpoints go")
    parser.add_argument("--only", type=int, help="number of the callback")
    parser.add_argument("--turns", action="store_true", help="only what a fit takes")
    parser.add_argument("--steps", type=int, default=0, help="batches per epoch")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    with contextlib.redirect_stdout(io.StringIO()):  # the callbacks' own output
        found = measured(options)
    with open(options.out, "w") as file:
        json.dump(found, file)


def measured(options: argparse.Namespace) -> dict[str, Any]:
    backend = keras.backend.backend()
    if options.what == "versions":
        return versions(backend)
    if options.what == "epoch-mode":
        pairs, seconds = (5, 0.3) if options.quick else (21, 2.0)
        return epoch_mode(pairs, seconds, options.folder)
    kinds = callbacks_here(backend)
    if options.only is not None:
        kinds = [kinds[options.only]]
    case = (QUICK if options.quick else CASES)[options.what]
    if options.turns:
        return turns(case, kinds, options.steps, options.folder)
    return fits(case, kinds, options.steps, options.folder)


def versions(backend: str) -> dict[str, Any]:
    names = ("keras", "tensorflow" if backend == "tensorflow" else backend, "numpy")
    return {
        "package": os.path.dirname(modelcheckpoint.__file__),
        "versions": {name: version(name) for name in (*names, "h5py")},
        "python": ".".join(map(str, sys.version_info[:3])),
        "callbacks": callbacks_here(backend),
    }


def fits(
    case: Case, kinds: list[tuple[str, str]], steps: int, folder: str
) -> dict[str, Any]:
    model = model_of(case)
    train = trainer_of(model, case)
    warm_up(kinds, folder)
    train(1, 2, [])
    steps = steps or steps_of(train, case.seconds)
    rows = {kind: row(*kind) for kind in kinds}
    for _ in range(case.rounds):
        for kind, found in rows.items():
            plain = one_fit(train, case, steps, None, folder)
            saved = one_fit(train, case, steps, kind, folder)
            note(found, plain, saved)
    for (maker, suffix), found in rows.items():
        if maker == OURS:
            callback = callback_of((maker, suffix), kept_folder(folder))
            found.update(compare(train, callback, case.pairs))
            if case.every and keras.backend.backend() == "tensorflow":
                own = kept_folder(folder)
                found.update(batches(train, case, (maker, suffix), own))
    state = sum(v.nbytes for v in map(numpy_of, variables_of(model)))
    return {
        "steps": steps,
        "state": state,
        "variables": len(variables_of(model)),
        "rows": list(rows.values()),
    }


def batches(
    train: Any, case: Case, kind: tuple[str, str], folder: str
) -> dict[str, Any]:
    """Measure the batches that follow a save, and the others."""
    freq = case.every * case.batch
    callback = callback_of(kind, folder, "model-{batch}", save_freq=freq)
    return after_saves(train, callback, case.pairs, case.every)


def turns(
    case: Case, kinds: list[tuple[str, str]], steps: int, folder: str
) -> dict[str, Any]:
    """Measure what a fit takes, with each callback and with none, one by one."""
    train = trainer_of(model_of(case), case)
    warm_up(kinds, folder)
    train(1, 2, [])
    rows: list[dict[str, Any]] = [{} for _ in kinds]
    for turn in range(case.turns):
        renew(folder)
        order = [None, *kinds][:: -1 if turn % 2 else 1]
        found = {kind: one_fit(train, case, steps, kind, folder) for kind in order}
        for kind, row in zip(kinds, rows):
            note_times(row, found[None], found[kind])
    return {"rows": rows}


def warm_up(
    kinds: list[tuple[str, str]], folder: str, make: Maker = callback_of
) -> None:
    """Save a different, tiny model with each callback, to import everything."""
    case = QUICK["tiny"]
    train = trainer_of(model_of(case), case)
    for kind in kinds:
        one_fit(train, case, 1, kind, folder, make)


def steps_of(train: Any, seconds: float) -> int:
    """Return how many batches take this long."""
    steps = 4
    while True:
        took = min(seconds_of(train, steps) for _ in range(2))
        if took > seconds / 4 or steps >= 1000:
            return max(2, round(steps * seconds / took))
        steps *= 2


def seconds_of(train: Any, steps: int) -> float:
    before = time.perf_counter()
    train(1, steps, [])
    return time.perf_counter() - before


def one_fit(
    train: Any,
    case: Case,
    steps: int,
    kind: tuple[str, str] | None,
    folder: str,
    make: Maker = callback_of,
) -> dict[str, Any]:
    """Measure one fit, with a callback or with none."""
    watched = [] if kind is None else [make(kind, kept_folder(folder))]
    peak = Peak()
    gc.collect()
    peak.reset()
    wall, cpu = time.perf_counter(), time.process_time()
    train(case.epochs, steps, [*watched, peak])
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    found = {"wall": wall, "cpu": cpu, "peaks": [peak.first, peak_now()]}
    if watched:
        found.update(stalls=watched[0].stalls, end=watched[0].end)
        found["fallback"] = fallback_of(watched[0])
    return found


def row(maker: str, suffix: str) -> dict[str, Any]:
    lists = ("first", "later", "end", "peak_first", "peak_later")
    return {
        "maker": maker,
        "suffix": suffix,
        **{name: [] for name in lists},
        "fallback": None,
    }


def note(row: dict[str, Any], plain: dict[str, Any], saved: dict[str, Any]) -> None:
    row["first"].append(saved["stalls"][0])
    row["later"].extend(saved["stalls"][1:])
    row["end"].append(saved["end"])
    note_times(row, plain, saved)
    for name, with_it, without in zip(
        ("peak_first", "peak_later"), saved["peaks"], plain["peaks"]
    ):
        if with_it is not None and without is not None:
            row[name].append(with_it - without)
    row["fallback"] = row["fallback"] or saved["fallback"]


def note_times(
    row: dict[str, Any], plain: dict[str, Any], saved: dict[str, Any]
) -> None:
    for name in ("wall", "cpu"):
        row.setdefault(f"plain_{name}", []).append(plain[name])
        row.setdefault(name, []).append(saved[name])


def fallback_of(callback: Any) -> str | None:
    """Return why this project saved through Keras' public API, if it did."""
    problems = getattr(callback, "problems", None)
    return "; ".join(problems) if problems else None


def variables_of(model: Any) -> list[Any]:
    return [*model.variables, *model.optimizer.variables]


def numpy_of(variable: Any) -> Any:
    return keras.ops.convert_to_numpy(variable)


if __name__ == "__main__":
    main()
