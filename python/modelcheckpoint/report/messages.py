"""The sentences that users read, as pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from modelcheckpoint.decide.naming import COUNTERS
from modelcheckpoint.decide.other_checkpoints import Others
from modelcheckpoint.decide.plan import Order, Skip
from modelcheckpoint.display.text import reason_of
from modelcheckpoint.records import Record

__all__ = [
    "could_resume",
    "counters_in_logs",
    "deleted",
    "failed",
    "kept_aside",
    "kept_unknown",
    "nearest",
    "no_field",
    "no_monitor",
    "not_better",
    "not_deleted",
    "only_others",
    "resumed",
    "same_name",
    "saved",
    "small_save_freq",
    "stuck",
    "summary",
    "wrong_epoch",
]

_SHOWN = 5
"""How many problems the summary of a training lists."""


def saved(monitor: str, order: Order, path: str, save_best_only: bool) -> str:
    """Say that a checkpoint is durable, and what made it worth saving."""
    if not save_best_only:
        return f"saved {path}"
    before = "" if order.best is None else f"from {order.best:.5f} "
    return f"{monitor} improved {before}to {_value(order.value)}, saved {path}"


def not_better(monitor: str, skip: Skip) -> str:
    """Say that the monitored value did not improve."""
    return f"{monitor} did not improve from {_value(skip.best)} ({_value(skip.value)})"


def no_monitor(monitor: str, logs: Mapping[str, Any]) -> str:
    """Say that `logs` has no `monitor`, and what it has."""
    return (
        f"`logs` has no number {monitor!r} for `monitor`; it has {_listed(logs)}."
        f"{_hint(monitor, logs)}"
    )


def no_field(filepath: str, order: Order) -> str:
    """Say that the name has a field without a value.

    The beginning is Keras' own, which people search for.
    """
    logs, where = order.moment.logs, f"in `filepath` {filepath!r}"
    uncounted = [name for name in order.missing if name in COUNTERS]
    others = [name for name in order.missing if name not in COUNTERS]
    unwritten = [name for name in others if name in logs]
    absent = [name for name in others if name not in logs]
    reasons = []
    if uncounted:
        reasons.append(f"this training cannot count {_quoted(uncounted)} {where}")
    if unwritten:
        names = _quoted(unwritten)
        reasons.append(
            f"the format of the field {names} {where} cannot write its number"
        )
    if absent:
        names = _quoted(absent)
        reasons.append(
            f"`logs` has no number for {names} {where}; it has {_listed(logs)}"
        )
    hints = "".join(_hint(name, {*logs, *COUNTERS}) for name in absent)
    return f"Failed to format this callback filepath: {'; '.join(reasons)}.{hints}"


def counters_in_logs(filepath: str, names: Sequence[str]) -> str:
    """Say which number a field holds if its name could mean two."""
    return (
        f"`logs` has {_quoted(names)}, too, but in `filepath` {filepath!r} that field "
        "is the callback's own count. Rename the key to use its value in the name."
    )


def small_save_freq(save_freq: int, size: int) -> str:
    """Say that each batch holds as many samples as `save_freq`."""
    return (
        f"`save_freq={save_freq}` counts samples, but a batch holds {size}, so every "
        "batch is saved. `save_freq_unit='batches'` counts batches."
    )


def waiting(path: str, seconds: float, limit: float) -> str:
    """Say how long training has waited for the store."""
    return (
        f"ModelCheckpoint: the store has not confirmed {path} yet, "
        f"{seconds:.0f} s of at most {limit:.0f}"
    )


def stuck(path: str, before: str) -> str:
    """Say that a save was skipped, because the store holds up the previous one."""
    return (
        f"Not saved: {path}, because the store has not accepted {before} yet; training "
        "does not wait for it"
    )


def failed(path: str, error: BaseException) -> str:
    """Say that a save failed, where and why."""
    return f"Saving {path} failed: {type(error).__name__}: {reason_of(error)}"


def kept_aside(path: str, old: Record, new: Record, kept: str) -> str:
    """Say that an earlier run's better checkpoint was not overwritten."""
    return (
        f"An earlier run left a better {path} ({old.monitor} {_value(old.value)}, now "
        f"{_value(new.value)}): it is kept as {kept}"
    )


def kept_unknown(path: str, kept: str) -> str:
    """Say that a file that this run did not write was not overwritten."""
    return f"{path} was not written by this run: it is kept as {kept}"


def same_name(path: str, old: Record, new: Record, kept: str | None) -> str:
    """Say that a checkpoint takes the name of another one of the same run."""
    what = "is replaced" if kept is None else f"is kept as {kept}"
    first, second = _when(old), _when(new)
    when = f"both {first}" if first == second else f"{first} and {second}"
    text = (
        f"Two checkpoints of this run have the name {path} (saved {when}): the earlier "
        f"one {what}. One that is still to be kept always gets another name."
    )
    if first == second:
        return text
    return f"{text} Fields such as {{epoch}} in `filepath` keep names apart."


def only_others(filepath: str, others: Others, path: str) -> str:
    """Say that there is nothing to resume from, though there are checkpoints."""
    several = f"{others.count} other checkpoints, the newest"
    text = (
        "Nothing to resume from: the journal modelcheckpoint.jsonl describes no "
        f"checkpoint saved as {filepath!r}. The folder has "
        f"{'another one' if others.count == 1 else several}: {path} ({others.reason})."
    )
    if others.loads:
        text += f" To start from it, call `restore_checkpoint(model, {path!r})` first."
    if others.endangered:
        text += " Files that this run would overwrite are kept under another name."
    return text


def resumed(
    path: str,
    record: Record,
    optimizer: bool,
    seeds: bool,
    states: bool,
    averaged: bool,
    note: str | None = None,
) -> str:
    """Say where training continues, and what could not be restored."""
    where = f"resumed from {path}, saved {_when(record)}; epoch {_next(record)} "
    begun = record.batch is not None and record.epochs_done < record.epoch
    text = where + ("is repeated from its first batch" if begun else "is next")
    if not optimizer:
        because = f", because {note}" if note else ""
        text += f"; the optimizer starts from scratch{because}"
    if not seeds:
        text += "; seed generators (Dropout) start from scratch"
    if not states:
        text += (
            "; stateful layers keep their current states, because the journal has none "
            "that fit (it stores up to 64 KiB)"
        )
    if averaged:
        text += (
            "; training continues from the averages of SwapEMAWeights, because the "
            "trained weights were not saved"
        )
    return text


def could_resume(path: str, record: Record) -> str:
    """Say that an earlier run left a checkpoint to continue from."""
    return (
        f"An earlier run left {path}, saved {_when(record)}: to continue from there, "
        "pass `resume=True` (in R `resume = TRUE`)"
    )


def wrong_epoch(path: str, done: int, epoch: int) -> str:
    """Say what to pass to `fit` if it does not begin with the next epoch.

    Args:
        path: The checkpoint from which training was resumed.
        done: The epochs that were complete then.
        epoch: The epoch that has begun, from 1.
    """
    return (
        f"Resumed from {path} after {done} epochs, but `fit` begins with epoch "
        f"{epoch}: pass `initial_epoch={done}` to `fit` (in R's keras3, which counts "
        f"from 1, `initial_epoch = {done + 1}`)."
    )


def _when(record: Record) -> str:
    if record.batch is None or record.epochs_done == record.epoch:
        return f"after epoch {record.epoch}"
    return f"in epoch {record.epoch}, after batch {record.batch}"


def _next(record: Record) -> int:
    return record.epochs_done + 1


def deleted(paths: Sequence[str]) -> str:
    """Say, as the end of a sentence, what was deleted, if anything."""
    if not paths:
        return ""
    return f", deleted {', '.join(paths[:3])}{_and_more(len(paths) - 3)}"


def not_deleted(path: str, others: int, error: OSError) -> str:
    """Say that a checkpoint should have been deleted, and why it was not."""
    reason = error.strerror or reason_of(error)
    return (
        f"{path}{_and_more(others)} could not be deleted ({reason}). Deletion is "
        "retried after each save."
    )


def summary(filepath: str, problems: Sequence[str], nothing: str | None) -> str:
    """Say what went wrong in a training; empty if nothing did.

    Args:
        filepath: Where checkpoints go.
        problems: The problems of this training.
        nothing: Why no checkpoint was saved at all; None if one was.
    """
    lines = []
    if nothing is not None:
        lines.append(f"NO CHECKPOINT WAS SAVED to {filepath}: {nothing}")
    others = [text for text in problems if nothing is None or nothing not in text]
    if others:
        count = f"{len(others)} problem" + ("s" if len(others) > 1 else "")
        lines.append(f"ModelCheckpoint reported {count} during this training:")
        lines += [f"- {text}" for text in others[:_SHOWN]]
    if len(others) > _SHOWN:
        lines.append(f"- and {len(others) - _SHOWN} more, in `problems`")
    return "\n".join(lines)


def _and_more(count: int) -> str:
    return f" and {count} more" if count > 0 else ""


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in names)


def _listed(logs: Mapping[str, Any]) -> str:
    return ", ".join(logs) if logs else "nothing"


def _hint(name: str, known: Iterable[str]) -> str:
    meant = None if name in known else nearest(name, known)
    return f" Did you mean {meant!r}?" if meant else ""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that the user may have meant, or None.

    The shortest name that begins with what was typed comes first.
    """
    known = list(known)
    longer = [other for other in known if len(name) > 1 and other.startswith(name)]
    if longer:
        return min(longer, key=len)
    return next(iter(get_close_matches(name, known, n=1, cutoff=0.6)), None)


def _value(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.5f}"
