"""What it costs to save while training goes on, compared with the alternatives.

Trains three models on each backend, with each installed callback and with none. Prints
one table for each and, at the end, the bars that this project sets itself.
`benchmarks/README.md` explains the columns.

Run it with `make bench`, or with interpreters of your own. Each backend has a process
of its own. With the big model, each callback has one, too, and all share one more, in
which whole fits are measured in turn.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from result_file import ROOT, add_results, print_head, result_file
from saving_bars import bars_of
from saving_cases import CASES, QUICK
from saving_machine import clear, machine, renew
from saving_tables import print_bars, print_epoch_mode, print_table

PACKAGE = ROOT / "python"
BACKENDS = {
    "tensorflow": ".venv/bin/python",
    "jax": ".venvs/backends/bin/python",
    "torch": ".venvs/backends/bin/python",
}
LARGE = {"big", "interval", "turns", "memory"}
"""What is measured with full memory, because it writes large files."""


@dataclass(frozen=True)
class Child:
    """How a process that measures is started.

    Attributes:
        backend: Keras' backend in it.
        python: Its interpreter.
        folder: Where it saves.
        quick: Whether it measures small states, and few of them.
        script: The script that it runs, next to this one.
        environment: Variables in addition to the environment of this process.
    """

    backend: str
    python: str
    folder: str
    quick: bool
    script: str = "saving_run.py"
    environment: dict[str, str] = field(default_factory=dict)

    def run(self, what: str, *more: str) -> dict[str, Any]:
        """Measure one thing in a process of its own.

        Raises:
            RuntimeError: If it fails; with its exit status and the last lines it wrote.
        """
        if what in LARGE and not self.quick:
            renew(self.folder, fill=True)
        else:
            clear(self.folder)
        out = os.path.join(self.folder, "found.json")
        script = str(Path(__file__).with_name(self.script))
        command = [self.python, script, what, "--out", out, "--folder", self.folder]
        done = subprocess.run(
            [*command, *more, *(["--quick"] if self.quick else [])],
            env=self._environment(),
            stderr=subprocess.PIPE,
            text=True,
        )
        if done.returncode:
            ended = f"{what} on {self.backend}: exit status {done.returncode}"
            raise RuntimeError("\n".join([ended, *done.stderr.splitlines()[-5:]]))
        with open(out) as file:
            return json.load(file)

    def _environment(self) -> dict[str, str]:
        paths = [str(PACKAGE), os.environ.get("PYTHONPATH", "")]
        return {
            **os.environ,
            **self.environment,
            "KERAS_BACKEND": self.backend,
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }


def main() -> None:
    options = parsed()
    with result_file(options.results):
        measure(options)


def measure(options: argparse.Namespace) -> None:
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="bench-") as folder:
        print_head(machine(folder))
        found = {}
        for backend in options.backend or BACKENDS:
            child = Child(backend, getattr(options, backend), folder, options.quick)
            measured = on_backend(child, options.case or list(CASES))
            if measured is not None:
                found[backend] = measured
    print_bars(bars_of(found))
    print(f"\n{time.perf_counter() - began:.0f} s in all.")
    if options.json:
        Path(options.json).write_text(json.dumps(found, indent=1))


def parsed() -> argparse.Namespace:
    parser = options_parser(__doc__)
    parser.add_argument("--backend", action="append", choices=list(BACKENDS))
    parser.add_argument("--case", action="append", choices=list(CASES))
    return parser.parse_args()


def options_parser(document: str) -> argparse.ArgumentParser:
    """Return a parser of the options that all benchmarks of saves have."""
    parser = argparse.ArgumentParser(description=document.splitlines()[0])
    parser.add_argument(
        "--quick", action="store_true", help="small models and few saves, for a trial"
    )
    parser.add_argument("--folder", help="where checkpoints go (else temporary)")
    parser.add_argument("--json", help="file for all measured numbers")
    add_results(parser)
    for backend, python in BACKENDS.items():
        variable = f"BENCH_{backend.upper()}"
        parser.add_argument(
            f"--{backend}",
            default=os.environ.get(variable, str(ROOT / python)),
            metavar="PYTHON",
            help=f"its interpreter (else ${variable}, else {python})",
        )
    return parser


def presented(child: Child) -> dict[str, Any] | None:
    """Print what will be measured, or what is not installed; return the versions."""
    try:
        versions = child.run("versions")
    except (OSError, RuntimeError) as error:
        reason = str(error).strip().splitlines() or ["no reason given"]
        print(f"\n{child.backend}: not installed, so not measured ({reason[-1]})")
        return None
    print_versions(child.backend, versions)
    return versions


def print_versions(backend: str, versions: dict[str, Any]) -> None:
    """Print what will be measured, and exit if it is another copy of the package."""
    if PACKAGE.resolve() not in Path(versions["package"]).resolve().parents:
        sys.exit(f"this would measure {versions['package']}, not {PACKAGE}")
    said = ", ".join(f"{name} {v}" for name, v in versions["versions"].items())
    print_head(f"\n{backend}: Python {versions['python']}, {said}")


def on_backend(child: Child, cases: list[str]) -> dict[str, Any] | None:
    versions = presented(child)
    if versions is None:
        return None
    makers = {maker for maker, _ in versions["callbacks"]}
    if child.backend == "jax" and "orbax" not in makers:
        print("orbax is not installed, so OrbaxCheckpoint is not measured.")
    found: dict[str, Any] = {}
    for name in cases:
        found[name] = of_case(child, name, len(versions["callbacks"]))
        print_table(child.backend, name, found[name])
    found["epoch mode"] = child.run("epoch-mode")
    print_epoch_mode(child.backend, found["epoch mode"])
    return found


def of_case(child: Child, name: str, callbacks: int) -> dict[str, Any]:
    case = (QUICK if child.quick else CASES)[name]
    if case.shared:
        return {**child.run(name), "epochs": case.epochs}
    found: dict[str, Any] = {"epochs": case.epochs, "rows": [], "steps": 0}
    for number in range(callbacks):
        one = child.run(name, "--only", str(number), "--steps", str(found["steps"]))
        found.update(one, rows=[*found["rows"], *one["rows"]])
    times = child.run(name, "--turns", "--steps", str(found["steps"]))
    for row, more in zip(found["rows"], times["rows"]):
        row.update(more)
    return found


if __name__ == "__main__":
    main()
