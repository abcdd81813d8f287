"""Find out whether a compiled metric is better when higher or when lower."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

__all__ = ["stated_direction"]


def stated_direction(model: Any, monitor: str) -> str | None:
    """Return `"min"` or `"max"` if the monitored metric's object states it, or None.

    Keras 3 gives its own metrics a `_direction` ("up" or "down"), which Keras' own
    callbacks read too; a user's metric may have one. Names in `logs` can begin with the
    name of an output (`out_accuracy`): the longest match wins.
    """
    name = monitor[4:] if monitor.startswith("val_") else monitor
    stated = {
        metric.name: metric._direction
        for metric in _metrics(model)
        if getattr(metric, "_direction", None) in ("up", "down")
        and (name == metric.name or name.endswith(f"_{metric.name}"))
    }
    if not stated:
        return None
    return "max" if stated[max(stated, key=len)] == "up" else "min"


def _metrics(model: Any) -> Iterator[Any]:
    for metric in getattr(model, "metrics", None) or ():
        yield metric
        # CompileMetrics holds the metrics given to `compile`. Before the first batch it
        # is not built, and has none.
        yield from getattr(metric, "metrics", None) or ()
