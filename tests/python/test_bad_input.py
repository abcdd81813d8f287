"""The table of bad input that both languages share, tested from Python."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib

import numpy as np
import pytest
from conftest import fit, make_model, names, tmpfs

import modelcheckpoint

ROWS = json.loads((pathlib.Path(__file__).parents[1] / "bad_input.json").read_text())
HERE = [row for row in ROWS if row["python"] is not None]
EARLY = [row for row in HERE if row["when"] == "constructor"]
GOOD = [row for row in HERE if row["when"] == "good"]
LATE = [row for row in HERE if row["when"] in ("fit", "save")]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@contextlib.contextmanager
def prepared(row, folder):
    setup = row.get("setup")
    if setup == "file_as_folder":
        (folder / "file").write_text("here first")
    if setup == "folder_as_file":
        (folder / "taken" / "w.keras").mkdir(parents=True)
    read_only = setup == "read_only_folder"
    # Root may write into a folder of mode 0555, so the file system must refuse.
    with tmpfs(folder, "ro") if read_only else contextlib.nullcontext():
        yield


def construct(row, folder):
    expression = row["python"].replace("<tmp>", str(folder))
    make = getattr(modelcheckpoint, row.get("function", "ModelCheckpoint"))
    known = {"np": np, "os": os, "pathlib": pathlib, "make": make}
    return eval(f"make({expression})", known)


def assert_says(row, message):
    for part in [*row["says"], *row.get("says_python", [])]:
        assert part in message
    assert "\n" not in message.strip()


def ids(rows):
    return {"argvalues": rows, "ids": [row["id"] for row in rows]}


def test_the_table_is_large_enough():
    """It has at least 40 rows of bad input."""
    assert len(EARLY) + len(LATE) >= 40


@pytest.mark.parametrize("row", **ids(EARLY))
def test_the_constructor_refuses(row, folder):
    """The constructor raises one sentence that names the argument; nothing is left."""
    with pytest.raises((ValueError, TypeError)) as caught:
        construct(row, folder)
    assert_says(row, str(caught.value))
    assert names(folder) == []


@pytest.mark.parametrize("row", **ids(GOOD))
def test_the_constructor_accepts(row, folder):
    """Values that look odd but are valid are accepted."""
    callback = construct(row, folder)
    for name, value in row.get("holds", {}).items():
        assert str(getattr(callback, name)) == value


@pytest.mark.parametrize("row", **ids(LATE))
def test_training_refuses(row, folder, data):
    """What only the disk can show is reported before the first batch."""
    import keras

    metrics = {"metrics": ["accuracy"]} if row["when"] == "save" else {}
    model = make_model(keras, **metrics)
    before = model.get_weights()
    with prepared(row, folder):
        there = names(folder)
        callback = construct(row, folder)
        with pytest.raises((OSError, ValueError, KeyError)) as caught:
            fit(model, data, callback, validation_split=0.2)
        assert_says(row, str(caught.value))
        assert names(folder) == there
    if row["when"] == "fit":
        assert all(map(np.array_equal, before, model.get_weights()))
