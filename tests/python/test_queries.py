"""`latest_checkpoint`, `best_checkpoint`: the newest and the best in a folder."""

from __future__ import annotations

import math
import os

import pytest
from checkpoint_files import put

from modelcheckpoint import (
    best_checkpoint,
    latest_checkpoint,
    list_checkpoints,
)
from modelcheckpoint.storage.journals import JOURNAL


def test_none_there(tmp_path, capsys):
    """None, and a line that says so."""
    assert latest_checkpoint(tmp_path) is None
    assert best_checkpoint(tmp_path) is None
    said = capsys.readouterr().out
    assert said == f"There is no checkpoint in {str(tmp_path)!r}.\n" * 2


def test_no_best(tmp_path, capsys):
    """No checkpoint has a value; if the name has a typo, the keys are listed."""
    put(tmp_path, b"x", value=math.nan, logs={"loss": 0.5, "val_loss": math.nan})
    assert best_checkpoint(tmp_path) is None
    assert "has a value that could be the best" in capsys.readouterr().out
    assert best_checkpoint(tmp_path, "los") is None
    assert "has a value of 'los'; there are: loss, val_loss." in capsys.readouterr().out
    assert best_checkpoint(tmp_path, "loss").endswith("w.weights.h5")


def test_the_best_by_another_metric(tmp_path):
    """Its name decides the direction, unless one is given."""
    for epoch, (accuracy, odd) in enumerate([(0.5, 1), (0.75, 3), (0.25, 2)], 1):
        logs = {"val_accuracy": accuracy, "odd": odd}
        put(tmp_path, b"x", f"{epoch}.keras", epoch=epoch, logs=logs, value=epoch)
    assert best_checkpoint(tmp_path).endswith("1.keras")
    assert best_checkpoint(tmp_path, mode="max").endswith("3.keras")
    assert best_checkpoint(tmp_path, "val_accuracy").endswith("2.keras")
    assert best_checkpoint(tmp_path, "odd", "max").endswith("2.keras")
    with pytest.raises(ValueError, match="`mode` must be 'min' or 'max' where a name"):
        best_checkpoint(tmp_path, "odd")


def test_by_the_journal_not_by_time(tmp_path):
    """The newest is the last in the journal, whatever the files' times are."""
    put(tmp_path, b"x", "b.keras")
    put(tmp_path, b"xy", "a.keras")
    os.utime(tmp_path / "a.keras", (10, 10))
    assert latest_checkpoint(tmp_path).endswith("a.keras")
    (tmp_path / JOURNAL).unlink()
    assert latest_checkpoint(tmp_path).endswith("b.keras")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((3,), "`folder` must be a string or a path object, not 3"),
        ((".", ""), "`monitor` must be a non-empty string, not ''"),
        ((".", 3), "`monitor` must be a non-empty string, not 3"),
        ((".", None, "auto"), "`mode` must be 'min' or 'max', not 'auto'"),
    ],
)
def test_wrong_arguments(arguments, says):
    """An error names the argument, the rule and the value."""
    with pytest.raises(ValueError, match=says):
        best_checkpoint(*arguments)


@pytest.mark.parametrize("look", [list_checkpoints, latest_checkpoint, best_checkpoint])
def test_wrong_folders(tmp_path, look):
    """A missing one, and a file."""
    with pytest.raises(
        FileNotFoundError, match="`folder` must be a folder that exists"
    ):
        look(tmp_path / "missing")
    with pytest.raises(NotADirectoryError, match="`folder` must be a folder"):
        look(__file__)
