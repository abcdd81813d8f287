"""Is a value better than the best so far, and which direction is better?"""

from __future__ import annotations

import math
import re

__all__ = ["direction_of", "improves"]

# A word of the second list wins over one of the first: `dice_loss` is a loss.
_UP = """
    accuracy auc auroc auprc prauc rocauc precision recall sensitivity specificity
    f1 f2 fbeta fscore fmeasure f1score f2score iou miou meaniou jaccard dice r2
    r2score rsquare rsquared kappa mcc matthews ndcg map mrr bleu rouge meteor psnr
    ssim pearson spearman correlation similarity explainedvariance hits truepositives
    truenegatives
    """
_DOWN = """
    loss losses error errors err mse mae rmse mape msle crossentropy entropy bce cce
    divergence kld kl hinge poisson logcosh huber perplexity ppl wer cer nll distance
    deviation residual residuals cost brier fid falsepositives falsenegatives
    """


def direction_of(name: str) -> str | None:
    """Return `"min"` or `"max"`, as the name of a metric tells, or None.

    Understands Keras' own names (`val_`, `binary_io_u`, `auc_1`, `r2_score`), those
    in common use (`f1`, `miou`, `dice_coef`), and, as tf.keras does, every name that
    holds `acc`.
    """
    words = re.findall(r"[^\W_]+", name.lower())
    # Keras makes names unique by a number: auc, auc_1; and IoU becomes io_u.
    found = {w for word in words for w in (word, word.rstrip("0123456789"))}
    found |= {a + b for a, b in zip(words, words[1:])}
    if found & set(_DOWN.split()):
        return "min"
    if found & set(_UP.split()) or "acc" in name.lower():
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
    if value is None or not math.isfinite(value):
        return False
    if best is None or math.isnan(best):
        return True
    return value < best if mode == "min" else value > best
