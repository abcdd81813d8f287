"""What was measured, as tables."""

from __future__ import annotations

from statistics import median
from typing import Any

from saving_bars import Bar, added, figure
from saving_cases import NOTHING

Columns = tuple[tuple[str, str, float], ...]
"""Each with its head, the key of its numbers, and what they are multiplied by."""

OF_A_FIT: Columns = (
    ("first", "first", 1e3),
    ("stall", "later", 1e3),
    ("max", "max", 1e3),
    ("end", "end", 1e3),
    ("fit s", "wall", 1),
    ("added s", "added wall", 1),
    ("CPU s", "cpu", 1),
    ("added", "added cpu", 1),
    ("MB first", "peak_first", 1e-6),
    ("MB later", "peak_later", 1e-6),
)

COLUMNS: Columns = (
    *OF_A_FIT,
    ("durable", "durable", 1e3),
    ("write", "plain_write", 1e3),
    ("stall'", "stall", 1e3),
    ("flushes", "flushes", 1e3),
    ("copy", "copy", 1e3),
    ("after", "after_save", 1e3),
    ("batch", "other_batches", 1e3),
)


def print_table(
    backend: str, case: str, found: dict[str, Any], columns: Columns = COLUMNS
) -> None:
    print(
        f"\n{backend}, {case}: {found['state'] / 1e6:.1f} MB of state in "
        f"{found['variables']} variables; {found['epochs']} epochs of "
        f"{found['steps']} batches, {epoch_seconds(found):.2f} s each without one"
    )
    print(" " * 30 + "".join(f"{name:>9}" for name, _, _ in columns))
    rows = found["rows"]
    without = {"wall": all_of(rows, "plain_wall"), "cpu": all_of(rows, "plain_cpu")}
    for name, row in [(NOTHING, without), *((label(r), r) for r in rows)]:
        print(f"{name:30}" + "".join(cell(row, *column) for column in columns))
        if row.get("fallback"):
            print(f"  {row['fallback']}")


def all_of(rows: list[dict[str, Any]], name: str) -> list[float]:
    return [number for row in rows for number in row[name]]


def epoch_seconds(found: dict[str, Any]) -> float:
    return median(all_of(found["rows"], "plain_wall")) / found["epochs"]


def label(row: dict[str, Any]) -> str:
    names = {
        "keras": "Keras' own",
        "keras, copied": "Keras' own + copy",
        "orbax": "OrbaxCheckpoint",
    }
    return f"{names.get(row['maker'], row['maker'])} {row['suffix']}".rstrip()


def cell(row: dict[str, Any], name: str, key: str, unit: float) -> str:
    if key == "max":
        numbers = [max(row["later"])] if row.get("later") else []
    elif key.startswith("added"):
        numbers = added(row, key.split()[1])
    else:
        numbers = row.get(key) or []
    if not numbers:
        return f"{'-':>9}"
    value = median(numbers) * unit
    return f"{value:>9.2f}" if abs(value) < 10 else f"{value:>9.0f}"


def print_epoch_mode(backend: str, found: dict[str, Any]) -> None:
    print(
        f"\n{backend}, epoch mode, no save due, {len(found['with'])} pairs of fits: "
        f"{median(found['with']):.3f} s, without a callback "
        f"{median(found['without']):.3f} s; CallbackList: batch hook "
        f"{'seen' if found['hook'] else 'not seen'}, asynchronous dispatch "
        f"{found['async']} (without a callback {found['async_without']})"
    )


def print_bars(bars: list[Bar]) -> None:
    print("\nBars")
    for bar in bars:
        verdict = "reached" if bar.reached else "missed"
        print(
            f"{bar.where:12}{bar.what:62}{figure(bar):>9} {bar.limit_text:>10}",
            f" {verdict}",
        )
    missed = sum(not bar.reached for bar in bars)
    print(f"{len(bars) - missed} of {len(bars)} reached.")
