"""Decide which direction is better, whether a value improves, and which is best."""

from __future__ import annotations

import heapq
import math
import re
from collections.abc import Sequence
from typing import Union

from modelcheckpoint.records import Record

__all__ = [
    "best_places",
    "best_record",
    "direction_of",
    "improves",
    "is_to_outlast",
    "last_best",
    "value_of",
]

Number = Union[int, float]

# The last known word decides: `dice_loss` is a loss, and the accuracy of an output
# called `distance` is an accuracy.
_UP = """
    accuracy auc auroc auprc prauc rocauc precision recall sensitivity specificity
    f1 f2 fbeta fscore fmeasure f1score f2score iou miou meaniou jaccard dice r2
    r2score rsquare rsquared kappa mcc matthews ndcg map mrr bleu rouge meteor psnr
    ssim pearson spearman correlation similarity explainedvariance hits truepositives
    truenegatives truepositive truenegative tpr tnr
    """
_DOWN = """
    loss losses error errors err mse mae rmse nrmse rmsle mape msle crossentropy bce cce
    entropy
    divergence kld kl hinge poisson logcosh huber perplexity ppl wer cer nll distance
    deviation residual residuals cost brier fid falsepositives falsenegatives
    """


def direction_of(name: str) -> str | None:
    """Return `"min"` or `"max"`, derived from the name of a metric, or None.

    Understands Keras' own names (`val_`, `binary_io_u`, `auc_1`, `r2_score`), those
    in common use (`f1`, `miou`, `dice_coef`), and, as tf.keras does, every name that
    contains `acc`.
    """
    # Keras names IoU `io_u`, and a second AUC `auc_1`.
    words = re.findall(r"[^\W_]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower())
    up, down = set(_UP.split()), set(_DOWN.split())
    for before, word in zip(reversed(["", *words[:-1]]), reversed(words)):
        forms = {word, word.rstrip("0123456789"), before + word}
        if forms & down:
            return "min"
        if forms & up or "acc" in word:
            return "max"
    return None


def improves(value: float | None, best: float | None, mode: str) -> bool:
    """Return whether `value` is better than `best`.

    NaN and the infinities are never better than anything, and the first finite value
    always is better: one diverged epoch must not remain the best for ever.

    Args:
        value: The new value, or None if unknown.
        best: The best so far, or None.
        mode: `"min"` or `"max"`.
    """
    if value is None or not _is_finite(value):
        return False
    if best is None or math.isnan(best):
        return True
    return value < best if mode == "min" else value > best


def best_record(
    records: Sequence[Record], monitor: str | None = None, mode: str | None = None
) -> Record | None:
    """Return the best of some records, or None if none has a value.

    Of equal values the earlier one is better, as in training. NaN and the infinities
    are never the best.

    Args:
        records: In the order of saving.
        monitor: The key of `logs` to compare; None for that of the newest record.
        mode: `"min"` or `"max"`; None for that of the newest record with this monitor.
    """
    if monitor is None:
        last = records[-1] if records else None
        monitor = last.monitor if last else ""
    if mode is None:
        modes = [r.mode for r in records if r.monitor == monitor]
        mode = modes[-1] if modes else "min"
    chosen: Record | None = None
    value: Number | None = None
    for record in records:
        other = value_of(record, monitor)
        if improves(other, value, mode):
            chosen, value = record, other
    return chosen


def value_of(record: Record, monitor: str) -> Number | None:
    """Return a record's value of a metric, or None."""
    if record.monitor == monitor and record.value is not None:
        return record.value
    return record.logs.get(monitor)


def best_places(records: Sequence[Record], count: int) -> list[int]:
    """Return the places of the `count` best of each monitor and direction.

    Of equal values the earlier one is better. NaN, the infinities and missing values
    are never the best.
    """
    rivals: dict[tuple[str, str], list[int]] = {}
    for place, record in enumerate(records):
        if improves(record.value, None, record.mode):  # a finite number
            rivals.setdefault((record.monitor, record.mode), []).append(place)
    best: list[int] = []
    for (_, mode), places in rivals.items():
        # Both are stable: of equal values the earlier one comes first.
        choose = heapq.nsmallest if mode == "min" else heapq.nlargest
        best += choose(count, places, key=lambda place: records[place].value or 0)
    return best


def last_best(records: Sequence[Record], monitor: str) -> Record | None:
    """Return the last record that was its run's best so far by `monitor`, or None."""
    return next((r for r in reversed(records) if r.best and r.monitor == monitor), None)


def is_to_outlast(
    old: Record, new: Record, others: Sequence[Record], save_best_only: bool
) -> bool:
    """Return whether an earlier run's checkpoint is better than the one replacing it.

    Args:
        old: The checkpoint that has the name so far.
        new: The one that is about to get it.
        others: All records of earlier runs, oldest first.
        save_best_only: Whether each file was the best of its run when saved. If not,
            most files never were, and only the run's last best counts.
    """
    if old.monitor != new.monitor or not improves(old.value, None, new.mode):
        return False
    comparable = improves(new.value, None, new.mode)
    if comparable and not improves(old.value, new.value, new.mode):
        return False
    if save_best_only:
        return True
    best = last_best([r for r in others if r.run == old.run], old.monitor)
    return best is not None and best.path == old.path


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond all floats
        return False
