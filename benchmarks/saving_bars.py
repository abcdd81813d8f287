"""What this project must reach, and what it reached, as ratios in one run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any

Row = dict[str, Any]

OF_KERAS = {
    "big": {".keras": 1 / 10, ".weights.h5": 1 / 4, ".h5": 1 / 5},
    "layers": {".keras": 1 / 10, ".weights.h5": 1 / 25},
}
"""The stall against that of Keras' own callback, by case and format."""
OF_KERAS_HELD = {
    "big": {".keras": 1 / 60, ".weights.h5": 1 / 40, ".h5": 1 / 5},
    "layers": {".keras": 1 / 20, ".weights.h5": 1 / 60},
}
"""The same on TensorFlow, where training does not wait for the copy."""
OF_A_COPY = {".keras": 0.4, ".weights.h5": 0.3, ".h5": 0.4, ".hdf5": 0.3}
"""The stall against `np.copyto` on TensorFlow; elsewhere it is 1.1 for all formats."""


@dataclass(frozen=True)
class Bar:
    """A limit, and what was measured.

    Attributes:
        where: The backend.
        what: What is limited.
        value: What was measured.
        limit: What it may be at most.
        unit: `""` for a ratio.
    """

    where: str
    what: str
    value: float
    limit: float
    unit: str = ""

    @property
    def reached(self) -> bool:
        return self.value <= self.limit

    @property
    def limit_text(self) -> str:
        return f"<= {self.limit:.4g}{self.unit}"


def figure(bar: Bar) -> str:
    return f"{bar.value:.3g}{bar.unit}"


def bars_of(found: dict[str, Any]) -> list[Bar]:
    """Return every bar for which there are figures, backend by backend."""
    return [
        Bar(backend, *bar)
        for backend, cases in found.items()
        for bar in _of_backend(backend, cases)
    ]


def added(row: Row, what: str) -> list[float]:
    """Return how much more each fit took than the fit before it without a callback."""
    if f"plain_{what}" not in row:
        return []
    return [some - plain for some, plain in zip(row[what], row[f"plain_{what}"])]


def _of_backend(backend: str, cases: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    for case in ("big", "layers", "tiny"):
        rows = cases.get(case, {}).get("rows", [])
        by_maker = {(row["maker"], row["suffix"]): row for row in rows}
        for (maker, suffix), row in by_maker.items():
            if maker == "modelcheckpoint":
                keras = by_maker.get(("keras", suffix))
                holds = backend == "tensorflow"
                yield from _alone(case, suffix, row, holds)
                if keras is not None:
                    yield from _against_keras(case, suffix, row, keras, holds)
        if case == "big" and ("orbax", "") in by_maker:
            yield from _against_orbax(by_maker)
    if "epoch mode" in cases:
        yield from _epoch_mode(cases["epoch mode"])


def _alone(case: str, suffix: str, row: Row, holds: bool) -> Iterator[tuple[Any, ...]]:
    name = f"{case} {suffix}:"
    if case == "big" and row["copy"]:
        limit = OF_A_COPY[suffix] if holds else 1.1
        yield f"{name} stall / np.copyto", _paired(row["stall"], row["copy"]), limit
        ratio = median(row["durable"]) / median(row["plain_write"])
        yield f"{name} durable / write + fsync", ratio, 1.5
    if case == "big" and row["peak_later"]:
        peak = median(row["peak_later"]) / row["bytes"]
        yield f"{name} memory, from the second save on / state", peak, 1.15
    if row.get("after_save"):
        ratio = median(row["after_save"]) / median(row["other_batches"])
        yield f"{name} batch after a save / other batches", ratio, 1.1
    if case == "tiny" and row.get("flushes"):
        beyond = median(s - f for s, f in zip(row["stall"], row["flushes"]))
        yield f"{name} stall beyond its flushes", 1e3 * beyond, 3.0, "ms"
    if case == "layers" and row["durable"]:
        yield f"{name} stall's end to durable", 1e3 * median(row["durable"]), 50.0, "ms"


def _against_keras(
    case: str, suffix: str, row: Row, keras: Row, holds: bool
) -> Iterator[tuple[Any, ...]]:
    name = f"{case} {suffix}:"
    theirs = median([*keras["first"], *keras["later"]])
    yield f"{name} first save / Keras' stall", median(row["first"]) / theirs, 1.0
    limits = (OF_KERAS_HELD if holds else OF_KERAS).get(case, {})
    if suffix in limits:
        ratio = median(row["later"]) / median(keras["later"])
        yield f"{name} stall / Keras' stall", ratio, limits[suffix]
    if case != "tiny":  # whose fits vary by more than that
        ratio = median(added(row, "wall")) / median(added(keras, "wall"))
        limit = 0.25 if holds and case == "big" else 0.5
        yield f"{name} wall time added / Keras'", ratio, limit


def _against_orbax(rows: dict[tuple[str, str], Row]) -> Iterator[tuple[Any, ...]]:
    orbax = rows["orbax", ""]
    for suffix in OF_KERAS["big"]:
        row, name = rows["modelcheckpoint", suffix], f"big {suffix}:"
        ratio = median(row["later"]) / median(orbax["later"])
        yield f"{name} stall / OrbaxCheckpoint's", ratio, 1.2
        ratio = median(added(row, "wall")) / median(added(orbax, "wall"))
        yield f"{name} wall time added / OrbaxCheckpoint's", ratio, 0.5


def _epoch_mode(found: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    ratio = _paired(found["with"], found["without"])
    yield "epoch mode: fit / fit without a callback", ratio, 1.02
    yield "epoch mode: batch hooks seen", int(found["hook"]), 0
    lost = found["async"] != found["async_without"]
    yield "epoch mode: asynchronous dispatch lost", int(lost), 0


def _paired(ones: list[float], others: list[float]) -> float:
    return median(one / other for one, other in zip(ones, others))
