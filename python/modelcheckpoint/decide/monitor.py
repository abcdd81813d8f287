"""Which direction is better, whether a value improves, and what is the best."""

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

# The last word that is known decides: `dice_loss` is a loss, and the accuracy of an
# output called `distance` is an accuracy.
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
    """Return `"min"` or `"max"`, as the name of a metric tells, or None.

    Understands Keras' own names (`val_`, `binary_io_u`, `auc_1`, `r2_score`), those
    in common use (`f1`, `miou`, `dice_coef`), and, as tf.keras does, every name that
    holds `acc`.
    """
    # IoU becomes `io_u` in Keras, and a second AUC `auc_1`.
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

    NaN and the infinities are never better than anything, and the first finite
    value always is: one diverged epoch must not be the best for ever.

    Args:
        value: What the epoch brought, None where it is not known.
        best: The best so far, None where there is none.
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
    """Return the best of some records, or None where none has a value.

    Of equal values the earlier is the better, as it is in training. NaN and the
    infinities are never the best.

    Args:
        records: In the order of saving.
        monitor: What is compared, a key of `logs`; None: what the newest monitors.
        mode: `"min"` or `"max"`; None: as the newest record that monitors it says.
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
    """Return what a record knows of a metric, or None."""
    if record.monitor == monitor and record.value is not None:
        return record.value
    return record.logs.get(monitor)


def best_places(records: Sequence[Record], count: int) -> list[int]:
    """Return the places of the best so many of each monitor and direction.

    Of equal values the earlier is the better. NaN, the infinities and a value that is
    not there are never the best.
    """
    rivals: dict[tuple[str, str], list[int]] = {}
    for place, record in enumerate(records):
        if improves(record.value, None, record.mode):  # it is a finite number
            rivals.setdefault((record.monitor, record.mode), []).append(place)
    best: list[int] = []
    for (_, mode), places in rivals.items():
        # Both are stable: of equal values the earlier place comes first.
        choose = heapq.nsmallest if mode == "min" else heapq.nlargest
        best += choose(count, places, key=lambda place: records[place].value or 0)
    return best


def last_best(records: Sequence[Record], monitor: str) -> Record | None:
    """Return the last that was the best of its run so far by `monitor`, or None."""
    return next((r for r in reversed(records) if r.best and r.monitor == monitor), None)


def is_to_outlast(
    old: Record, new: Record, others: Sequence[Record], save_best_only: bool
) -> bool:
    """Return whether an earlier run's checkpoint is better than the one replacing it.

    Args:
        old: What has the name so far.
        new: What is about to get it.
        others: All records of earlier runs, oldest first.
        save_best_only: Whether each file is a best of its run. If not, most files are
            nobody's best, and only the one that is counts.
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
