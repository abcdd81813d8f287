"""The sentences, as pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from modelcheckpoint.decide.naming import COUNTERS, nearest
from modelcheckpoint.decide.plan import Order, Skip
from modelcheckpoint.records import Record

__all__ = ["failed", "kept_aside", "no_field", "no_monitor", "not_better", "saved"]


def saved(monitor: str, order: Order, path: str, save_best_only: bool) -> str:
    """Say that a checkpoint is durable, and what made it worth saving."""
    if not save_best_only:
        return f"saved {path}"
    before = "" if order.best is None else f"from {order.best:.5f} "
    return f"{monitor} improved {before}to {_value(order.value)}, saved {path}"


def not_better(monitor: str, skip: Skip) -> str:
    """Say that the monitored value did not allow a save."""
    return f"{monitor} did not improve from {_value(skip.best)} ({_value(skip.value)})"


def no_monitor(monitor: str, logs: Mapping[str, Any]) -> str:
    """Say that what decides is not there, and what is."""
    return (
        f"`logs` has no number {monitor!r} for `monitor`; it has {_listed(logs)}."
        f"{_hint(monitor, logs)}"
    )


def no_field(filepath: str, order: Order) -> str:
    """Say that the name has a field without a value.

    The beginning is Keras' own, which people search for.
    """
    logs = order.moment.logs
    names = ", ".join(repr(name) for name in order.missing)
    if all(name in logs for name in order.missing):
        return (
            "Failed to format this callback filepath: the format of the field "
            f"{names} in `filepath` {filepath!r} cannot write its number."
        )
    hints = "".join(_hint(name, {*logs, *COUNTERS}) for name in order.missing)
    return (
        f"Failed to format this callback filepath: `logs` has no number for {names} in "
        f"`filepath` {filepath!r}; it has {_listed(logs)}.{hints}"
    )


def failed(path: str, error: BaseException) -> str:
    """Say that a save failed, where and why."""
    reason = str(error) or repr(error)
    return f"Saving {path} failed: {type(error).__name__}: {reason}"


def kept_aside(path: str, old: Record, new: Record, kept: str) -> str:
    """Say that an earlier run's better checkpoint was not overwritten."""
    return (
        f"An earlier run left a better {path} ({old.monitor} {_value(old.value)}, now "
        f"{_value(new.value)}): it is kept as {kept}"
    )


def _listed(logs: Mapping[str, Any]) -> str:
    return ", ".join(logs) if logs else "nothing"


def _hint(name: str, known: Iterable[str]) -> str:
    meant = None if name in known else nearest(name, known)
    return f" Did you mean {meant!r}?" if meant else ""


def _value(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.5f}"
