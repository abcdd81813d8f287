"""What is said to a function of R is what R can hold."""

from __future__ import annotations

import math

import pytest

from modelcheckpoint.records import Record
from modelcheckpoint.report.r_function import RFunction, values_for_r

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


def test_large_whole_numbers_are_floats():
    """All that can pass 2^31 is a float of the same value, in the logs too."""
    values = values_for_r(RECORD)
    large = [values["samples"], values["bytes"], values["logs"]["count"]]
    assert large == [2**40, 2**33, 2**53]
    assert {type(value) for value in large} == {float}


def test_the_rest_is_as_it_was():
    """Epoch and batch stay whole, flags stay flags, None stays None, NaN stays NaN."""
    values = values_for_r(RECORD)
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
