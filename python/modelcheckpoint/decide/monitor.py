"""Is a value better than the best so far, and which direction is better?"""

from __future__ import annotations

import math
import re

__all__ = ["direction_of", "improves"]

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
        found = {word, word.rstrip("0123456789"), before + word}
        if found & down:
            return "min"
        if found & up or "acc" in word:
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


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond all floats
        return False
