"""What it costs to save a model that is split over two JAX processes.

Trains the big model of `saving.py` in two processes on this machine, each of which has
one half. Saves it with this project's callback to `.orbax`, with Keras' own
`OrbaxCheckpoint`, and not at all. `benchmarks/README.md` explains the columns. Run it
with `make bench`, or with an interpreter of your own.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from result_file import print_head, result_file
from saving import Child, options_parser, print_versions
from saving_bars import Bar, added
from saving_cases import ORBAX, OURS
from saving_machine import machine
from saving_tables import Columns, print_bars, print_table

COLUMNS: Columns = (
    ("first", "first", 1e3),
    ("stall", "later", 1e3),
    ("max", "max", 1e3),
    ("of both", "either", 1e3),
    ("end", "end", 1e3),
    ("fit s", "wall", 1),
    ("added s", "added wall", 1),
    ("CPU s", "cpu", 1),
    ("added", "added cpu", 1),
    ("durable", "durable", 1e3),
    ("MB", "bytes", 1e-6),
)

ENVIRONMENT = {
    "JAX_PLATFORMS": "cpu",
    "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
    # The processes connect on this machine, which no proxy can reach.
    **{name: "" for name in os.environ if name.lower().endswith("_proxy")},
}


def main() -> None:
    options = options_parser(__doc__).parse_args()
    with result_file(options.results):
        measure(options)


def measure(options: argparse.Namespace) -> None:
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="bench-") as folder:
        more = ("parts_run.py", ENVIRONMENT)
        child = Child("jax", options.jax, folder, options.quick, *more)
        try:
            versions = child.run("versions")
        except (OSError, RuntimeError) as error:
            reason = str(error).strip().splitlines()[-1]
            print(
                f"\nA model in parts needs JAX and Orbax, so none is measured: {reason}"
            )
            return
        print_head(machine(folder))
        print_versions("jax", versions)
        found = child.run("turns")
    print_table("jax", "in parts on two processes", found, COLUMNS)
    print_bars(list(bars(found["rows"])))
    print(f"\n{time.perf_counter() - began:.0f} s in all.")
    if options.json:
        Path(options.json).write_text(json.dumps(found, indent=1))


def bars(rows: list[dict[str, Any]]) -> Iterator[Bar]:
    by_maker = {row["maker"]: row for row in rows}
    ours, orbax = by_maker[OURS], by_maker[ORBAX]
    ratio = median(ours["later"]) / median(orbax["later"])
    yield Bar("jax", "in parts .orbax: stall / OrbaxCheckpoint's", ratio, 1.0)
    ratio = median(added(ours, "wall")) / median(added(orbax, "wall"))
    yield Bar("jax", "in parts .orbax: wall time added / OrbaxCheckpoint's", ratio, 0.5)


if __name__ == "__main__":
    main()
