"""A table that is too wide omits its least important columns."""

from __future__ import annotations

import pytest
from checkpoint_files import put

from modelcheckpoint import list_checkpoints
from modelcheckpoint.display.table import aligned, width_of
from modelcheckpoint.listing.checkpoint import COLUMNS
from modelcheckpoint.listing.checkpoint_table import narrowed, table

NAME = "weights.01-0.70.hdf5"
ALL = ["name", "epoch", "batch", "monitor", "value", "bytes", "time"]


@pytest.fixture
def columns(tmp_path):
    """Return a table with every possible column."""
    put(tmp_path, b"x", NAME, batch=3)
    put(tmp_path, b"x", "weights.02-0.65.hdf5", monitor="val_categorical_accuracy")
    return table(list_checkpoints(tmp_path))


def width(columns):
    """Return how wide a table is."""
    return max(map(width_of, aligned(columns)))


def test_which_columns_go_first(columns):
    """One at a time, as few as possible, and their names are returned."""
    assert [column.name for column in columns[1:]] == ALL
    assert narrowed(columns, 1)[1] == ["batch", "monitor", "bytes", "time"]
    for name in ("time", "bytes", "monitor", "batch"):
        assert narrowed(columns, width(columns)) == (columns, [])
        columns, left_out = narrowed(columns, width(columns) - 1)
        assert left_out == [name]
        assert NAME in columns[1].texts
    kept, left_out = narrowed(columns, width(columns) - 1)
    assert left_out == []
    assert "..." in kept[1].texts[0]


def test_a_name_that_fits_is_whole(tmp_path):
    """80 characters are enough for it."""
    put(tmp_path, b"x" * 2000, NAME, epoch=1, batch=17, monitor="val_loss")
    put(tmp_path, b"x", "weights.02-0.65.hdf5", monitor="val_accuracy")
    kept, left_out = narrowed(table(list_checkpoints(tmp_path)), 80)
    assert kept[1].texts[0] == NAME
    assert left_out == ["time"]
    assert width(kept) <= 80


@pytest.mark.parametrize("monitor", [column.name for column in COLUMNS])
def test_a_metric_with_the_name_of_a_column(tmp_path, monitor):
    """It is the head of its values, and is not confused with the column."""
    put(tmp_path, b"x", "a.keras", monitor=monitor)
    columns = table(list_checkpoints(tmp_path))
    (value,) = [column for column in columns if column.name == "value"]
    assert (value.head, value.texts) == (monitor, ["0.5"])
    kept, left_out = narrowed(columns, width(columns) - 21)
    assert value in kept
    assert left_out == ["time"]
    kept, _ = narrowed(columns, 10)
    assert [c.texts for c in kept if c.name == "value"] == [["0.5"]]


def test_a_long_metric_is_shortened_before_a_name(tmp_path):
    """The legend shows its full name."""
    put(tmp_path, b"x", NAME, monitor="val_top_k_categorical_accuracy_of_all")
    kept, _ = narrowed(table(list_checkpoints(tmp_path)), 60)
    assert [column.head for column in kept] == ["", "name", "epoch", "val_to...of_all"]
    assert kept[1].texts == [NAME]
