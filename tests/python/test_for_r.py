"""R calls these functions and no others, and is told what R can hold."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from modelcheckpoint import for_r
from modelcheckpoint.for_r import RFunction, record_values
from modelcheckpoint.records import Record

R_SOURCES = Path(__file__).parents[2] / "R"

RECORD = Record(
    path="w.keras",
    epoch=3,
    batch=None,
    samples=2**40,
    logs={"loss": math.nan, "count": 2**53, "best": math.inf},
    monitor="loss",
    value=math.nan,
    mode="min",
    best=False,
    format="keras",
    bytes=2**33,
    crc32="0badf00d",
    time="2026-01-01T00:00:00.000+00:00",
    run="r",
    template="w.keras",
    versions={"keras": "3"},
)


@pytest.fixture
def code():
    """Return the R package's code, without comments."""
    if not R_SOURCES.is_dir():
        pytest.skip("the R package is not here")
    sources = [path.read_text(encoding="utf-8") for path in R_SOURCES.glob("*.R")]
    lines = "\n".join(sources).splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith("#"))


def test_the_names():
    """A name that is added or gone changes the R package, too."""
    assert sorted(for_r.__all__) == [
        "best_checkpoint",
        "callback",
        "latest_checkpoint",
        "list_checkpoints",
        "prune_checkpoints",
        "restore_checkpoint",
        "verify_checkpoints",
        "wait_for_all",
    ]
    assert all(callable(getattr(for_r, name)) for name in for_r.__all__)


def test_r_calls_these_and_no_others(code):
    """All of them are called, and nothing else is."""
    assert set(re.findall(r"\bfor_r\$(\w+)", code)) - {"for_r"} == set(for_r.__all__)


def test_r_imports_this_module_and_no_other(code):
    """But for the package itself, to see whose it is."""
    imported = re.findall(r"\bimport\w*\(\s*\"(modelcheckpoint[^\"]*)\"", code)
    assert sorted(imported) == ["modelcheckpoint", "modelcheckpoint.for_r"]
    assert re.findall(r"\bpy(thon)?\$", code) == []


def test_large_whole_numbers_are_floats():
    """All that can pass 2^31 is a float of the same value, in the logs too."""
    values = record_values(RECORD)
    large = [values["samples"], values["bytes"], values["logs"]["count"]]
    assert large == [2**40, 2**33, 2**53]
    assert {type(value) for value in large} == {float}


def test_the_rest_is_as_it_was():
    """Epoch and batch stay whole, flags stay flags, None stays None, NaN stays NaN."""
    values = record_values(RECORD)
    assert (values["epoch"], type(values["epoch"])) == (3, int)
    assert values["best"] is False
    assert values["batch"] is None
    assert math.isnan(values["value"])
    assert math.isnan(values["logs"]["loss"])
    assert values["logs"]["best"] == math.inf
    left_out = {"versions", "seeds", "random", "global_seed", "states", "build"}
    left_out |= {"optimizer", "averaged", "kept_by"}
    assert list(values) == [name for name in vars(RECORD) if name not in left_out]
    assert (values["epochs_done"], type(values["epochs_done"])) == (3, int)


def test_the_function_is_called_once_with_the_values():
    """Its own error comes out as it is."""
    told = []
    RFunction(lambda values: told.append(values["path"]))(RECORD)
    assert told == ["w.keras"]
    with pytest.raises(ZeroDivisionError):
        RFunction(lambda values: 1 / 0)(RECORD)
