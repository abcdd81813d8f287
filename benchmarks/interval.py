"""How often a model can be saved if training may take at most 3.5 percent longer.

Trains the big model of `saving.py` on each backend: with this project's callback in
each format, with Keras' callback in each of its formats and, on JAX, with
`OrbaxCheckpoint`. Prints the shortest interval between two saves for each.
`benchmarks/README.md` explains how it is found. Run it with `make bench`, or with
interpreters of your own.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from interval_limit import LIMIT
from interval_picture import draw
from result_file import print_head, result_file
from saving import BACKENDS, Child, options_parser, presented
from saving_bars import Bar
from saving_cases import KERAS, ORBAX, OURS
from saving_machine import machine
from saving_tables import label, print_bars


def main() -> None:
    options = parsed()
    with result_file(options.results):
        measure(options)


def measure(options: argparse.Namespace) -> None:
    began = time.perf_counter()
    found = {}
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="bench-") as folder:
        print_head(machine(folder))
        for backend in options.backend or BACKENDS:
            python = getattr(options, backend)
            one = on_backend(
                Child(backend, python, folder, options.quick, "interval_run.py")
            )
            if one is not None:
                found[backend] = one
    print_bars([bar for backend in found for bar in bars(backend, found[backend])])
    print(f"\n{time.perf_counter() - began:.0f} s in all.")
    if options.json:
        Path(options.json).write_text(json.dumps(found, indent=1))
    if options.picture and found:
        draw(found, options.picture)


def parsed() -> argparse.Namespace:
    parser = options_parser(__doc__)
    parser.add_argument("--backend", action="append", choices=list(BACKENDS))
    picture = "file for a picture of the intervals (.svg; else with the results)"
    parser.add_argument("--picture", help=picture)
    options = parser.parse_args()
    if options.results and not options.picture:
        options.picture = os.path.join(options.results, "interval.svg")
    if options.picture and importlib.util.find_spec("matplotlib") is None:
        parser.error("the picture needs matplotlib: pip install matplotlib")
    return options


def on_backend(child: Child) -> dict[str, Any] | None:
    if presented(child) is None:
        return None
    found = child.run("interval")
    print_intervals(found)
    return found


def print_intervals(found: dict[str, Any]) -> None:
    print(
        f"{found['state'] / 1e6:.1f} MB of state; the shortest interval at which saves "
        f"add at most {found['limit']:.1%} to the wall time"
    )
    heads = ("added s", "busy s", "interval s", "of single fits")
    print(" " * 30 + "".join(f"{head:>16}" for head in heads))
    for row in found["rows"]:
        ends = min(row["added"]), max(row["added"])
        low, high = (max(end, 0) / found["limit"] for end in ends)
        cells = [
            f"{median(row['added']):.3f}",
            f"{median(row['busy']):.3f}",
            f"{row['interval']:.2f}",
            f"{low:.2f} to {high:.2f}",
        ]
        print(f"{label(row):30}" + "".join(f"{cell:>16}" for cell in cells))


def bars(backend: str, found: dict[str, Any]) -> Iterator[Bar]:
    by_kind = {(row["maker"], row["suffix"]): row for row in found["rows"]}
    peers = [((KERAS, ".keras"), "Keras' .keras", 1 / 8)]
    peers += [((ORBAX, ""), "OrbaxCheckpoint's", 1 / 3)]
    for kind, name, limit in peers:
        for (maker, suffix), row in by_kind.items():
            if maker == OURS and kind in by_kind:
                what = f"big {suffix}: shortest interval at {LIMIT:.1%} / {name}"
                ratio = row["interval"] / by_kind[kind]["interval"]
                yield Bar(backend, what, ratio, limit)


if __name__ == "__main__":
    main()
