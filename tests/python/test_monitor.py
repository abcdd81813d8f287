"""`decide/monitor.py`: is a value better, and which direction is better?"""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from checkpoint_files import RECORD
from hypothesis import given, settings
from hypothesis import strategies as st

from modelcheckpoint.decide.monitor import direction_of, improves, is_to_outlast

modes = st.sampled_from(["min", "max"])
finite = st.floats(allow_nan=False, allow_infinity=False)
no_number = st.sampled_from([None, math.nan, math.inf, -math.inf])


@given(no_number, st.none() | st.floats(), modes)
def test_what_is_no_finite_number_never_improves(value, best, mode):
    """A diverged epoch is better than nothing else, not even than no value."""
    assert not improves(value, best, mode)


@given(finite | st.integers(), st.sampled_from([None, math.nan]), modes)
def test_the_first_finite_value_improves(value, best, mode):
    """However bad it is, it is better than no value and than NaN."""
    assert improves(value, best, mode)


@given(finite, finite, modes)
def test_improves_is_antisymmetric(one, other, mode):
    """Of two different values, exactly one improves on the other; if equal, neither."""
    found = [improves(one, other, mode), improves(other, one, mode)]
    assert sum(found) == (one != other)


@given(finite, finite)
def test_the_modes_are_opposite(one, other):
    """What is better for `min` is worse for `max`."""
    assert improves(one, other, "min") is improves(other, one, "max")


@settings(max_examples=50)
@given(st.lists(st.none() | st.floats(), max_size=20), modes)
def test_following_improvements_ends_at_the_best(values, mode):
    """Taken one by one, any sequence ends at its best finite value."""
    best = None
    for value in values:
        best = value if improves(value, best, mode) else best
    known = [v for v in values if v is not None and math.isfinite(v)]
    assert best == ({"min": min, "max": max}[mode](known) if known else None)


def test_a_whole_number_beyond_all_floats_is_no_error():
    """A custom loop or a foreign journal may contain whole numbers of any size."""
    assert isinstance(improves(10**400, None, "min"), bool)


# The default name of each class in `keras.metrics` of Keras 3.15, and the direction
# that it states or, if it states none, that follows from its meaning.
KERAS = {
    "auc": "max",
    "accuracy": "max",
    "binary_accuracy": "max",
    "binary_crossentropy": "min",
    "binary_io_u": "max",
    "categorical_accuracy": "max",
    "categorical_crossentropy": "min",
    "categorical_hinge": "min",
    "concordance_correlation": "max",
    "cosine_similarity": "max",
    "f1_score": "max",
    "fbeta_score": "max",
    "false_negatives": "min",
    "false_positives": "min",
    "hinge": "min",
    "io_u": "max",
    "kl_divergence": "min",
    "logcosh": "min",
    "mean": None,
    "mean_absolute_error": "min",
    "mean_absolute_percentage_error": "min",
    "mean_io_u": "max",
    "mean_metric_wrapper": None,
    "mean_squared_error": "min",
    "mean_squared_logarithmic_error": "min",
    "metric": None,
    "one_hot_io_u": "max",
    "one_hot_mean_io_u": "max",
    "pearson_correlation": "max",
    "poisson": "min",
    "precision": "max",
    "precision_at_recall": "max",
    "r2_score": "max",
    "recall": "max",
    "recall_at_precision": "max",
    "root_mean_squared_error": "min",
    "sensitivity_at_specificity": "max",
    "sparse_categorical_accuracy": "max",
    "sparse_categorical_crossentropy": "min",
    "sparse_top_k_categorical_accuracy": "max",
    "specificity_at_sensitivity": "max",
    "squared_hinge": "min",
    "sum": None,
    "top_k_categorical_accuracy": "max",
    "true_negatives": "max",
    "true_positives": "max",
}


@pytest.mark.parametrize("name", KERAS)
def test_the_names_of_keras_own_metrics(name):
    """Each is known: plain, in validation, and when Keras numbers a second one."""
    for spelled in (name, f"val_{name}", f"{name}_1", f"val_{name}_12", f"out_{name}"):
        assert direction_of(spelled) == KERAS[name], spelled


UP = """
    acc val_acc acc@5 Accuracy balanced_accuracy masked_acc out_acc
    auc_1 AUC roc_auc pr_auc auroc auprc
    precision_1 average_precision mAP map50 recall_at_10 Recall sensitivity specificity
    f1 f2 F1 f1-score f1_macro macro_f1 f_score fbeta f_measure
    iou IoU miou mIoU mean_iou jaccard jaccard_index
    dice dice_coef dice_coefficient val_dice
    r2 R2 r_squared r_square val_r2 explained_variance
    kappa cohen_kappa quadratic_weighted_kappa mcc matthews_corrcoef
    ndcg mrr hits_at_10 bleu bleu4 rouge_l meteor
    psnr ssim pearson spearman correlation
    """
DOWN = """
    loss val_loss log_loss dice_loss iou_loss ssim_loss focal_loss accuracy_loss
    out_loss loss_1 hamming_loss focal_tversky_loss generator_losses
    error error_rate max_error mean_error top_1_error err
    mse mae rmse mape msle MSE val_mae
    crossentropy cross_entropy entropy bce cce
    kld kl kullback_leibler_divergence kl_divergence
    log_cosh huber perplexity val_perplexity ppl
    wer cer word_error_rate nll hausdorff_distance mean_absolute_deviation
    cost brier fid residuals
    """


@pytest.mark.parametrize("name", UP.split())
def test_common_names_that_go_up(name):
    """More is better for scores, under their common names."""
    assert direction_of(name) == "max"


@pytest.mark.parametrize("name", DOWN.split())
def test_common_names_that_go_down(name):
    """Less is better for losses and errors, even for the loss of a score."""
    assert direction_of(name) == "min"


@pytest.mark.parametrize("name", ["", "_", "lr", "learning_rate", "x", "reward", "42"])
def test_names_that_tell_nothing(name):
    """Unknown names are not guessed."""
    assert direction_of(name) is None


@pytest.mark.parametrize(
    "name", ["distance_accuracy", "error_type_accuracy", "entropy_auc"]
)
def test_an_output_named_like_a_loss(name):
    """Keras puts an output's name before the metric's name; the metric decides."""
    assert direction_of(name) == "max"


@settings(max_examples=200)
@given(st.text(max_size=40))
def test_any_name_has_an_answer(name):
    """No name raises, and a leading `val_` changes nothing."""
    assert direction_of(name) in ("min", "max", None)
    assert direction_of(f"val_{name}") == direction_of(name)


EARLIER = replace(RECORD, run="earlier", value=0.3)


@pytest.mark.parametrize(
    ("value", "outlasts"), [(0.5, True), (0.3, False), (0.1, False), (math.nan, True)]
)
@pytest.mark.parametrize("save_best_only", [True, False])
def test_a_better_checkpoint_of_an_earlier_run(value, outlasts, save_best_only):
    """It is kept if the one that takes its name is worse or has no value."""
    new = replace(RECORD, run="new", value=value)
    assert is_to_outlast(EARLIER, new, [EARLIER], save_best_only) == outlasts


def test_what_was_never_the_best_of_its_run():
    """If every epoch is saved, only the best of a run is worth a second name."""
    new = replace(RECORD, run="new", value=0.5)
    best = replace(EARLIER, path="best.keras", value=0.2)
    assert not is_to_outlast(EARLIER, new, [EARLIER, best], save_best_only=False)
    assert is_to_outlast(EARLIER, new, [EARLIER, best], save_best_only=True)
    other = replace(new, monitor="val_accuracy")
    assert not is_to_outlast(EARLIER, other, [EARLIER], save_best_only=True)
    diverged = replace(EARLIER, value=math.inf)
    assert not is_to_outlast(diverged, new, [diverged], save_best_only=True)
