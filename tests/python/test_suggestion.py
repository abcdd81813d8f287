"""The name that a user may have meant."""

from __future__ import annotations

from modelcheckpoint.report.messages import nearest


def test_the_nearest_name():
    """A typo finds its name; an unrelated name finds none."""
    assert nearest("val_acc", ["loss", "val_loss", "val_accuracy"]) == "val_accuracy"
    assert nearest("val_acc", ["val_auc", "val_accuracy"]) == "val_accuracy"
    assert nearest("acc", ["auc", "acc_top_5", "accuracy"]) == "accuracy"
    assert nearest("los", ["loss", "los_angeles"]) == "loss"
    assert nearest("v", ["val_loss"]) is None
    assert nearest("acuracy", {"accuracy", "loss"}) == "accuracy"
    assert nearest("zzz", ["loss", "val_loss"]) is None
    assert nearest("loss", []) is None
