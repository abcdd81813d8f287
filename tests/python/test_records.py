"""`records.py`: one checkpoint as a value, and as one line of JSON."""

from __future__ import annotations

import json
import math
from dataclasses import fields, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from record_examples import (
    RECORD,
    content,
    json_values,
    records,
    refuse,
    same,
)

from modelcheckpoint.records import SCHEMA, Record, Removal


@settings(max_examples=200)
@given(records)
def test_a_record_survives_its_line(record):
    """Any record, with NaN and infinities anywhere, can be read from its line."""
    line = record.to_line()
    assert same(Record.from_line(line), record)
    assert same(Record.from_line(line.encode()), record)


@settings(max_examples=200)
@given(records)
def test_a_line_is_one_line_of_valid_json(record):
    """Any JSON reader can read it: no bare NaN, no line break, the schema first."""
    line = record.to_line()
    assert "\n" not in line
    assert "\r" not in line
    found = json.loads(line, parse_constant=refuse)
    assert list(found) == ["schema", *(f.name for f in fields(Record))]
    assert found["schema"] == SCHEMA


def test_numbers_that_json_has_not_are_words():
    """NaN and the infinities are the words that R's jsonlite reads as numbers."""
    found = content(
        replace(RECORD, logs={"a": math.nan, "b": math.inf, "c": -math.inf})
    )
    assert found["logs"] == {"a": "NaN", "b": "Inf", "c": "-Inf"}
    assert found["value"] == "-Inf"


def test_a_whole_number_beyond_all_floats_is_infinite():
    """Earlier versions wrote its digits, on which comparing the value failed."""
    huge = replace(RECORD, value=-(10**400), logs={"a": 10**400, "b": 10**300})
    found = Record.from_line(huge.to_line())
    assert (found.value, found.logs) == (-math.inf, {"a": math.inf, "b": 10**300})


def test_text_stays_readable():
    """Letters of all scripts are written as they are."""
    assert "Zähler-数.keras" in replace(RECORD, path="Zähler-数.keras").to_line()


@given(records)
def test_a_removal_is_no_record_and_comes_back(record):
    """A reader that knows only records skips it."""
    removal = Removal.of(record)
    assert Record.from_line(removal.to_line()) is None
    assert Removal.from_line(removal.to_line()) == removal
    never = Removal.of(record, never_came=True)
    assert Removal.from_line(never.to_line()).never_came
    assert not Removal.from_line(removal.to_line()).never_came
    assert Removal.from_line(record.to_line()) is None


@given(
    json_values | st.builds(lambda value: {**content(), "removed": value}, json_values)
)
def test_a_removal_of_anything(value):
    """Whatever the line holds: no error, and a name that is text."""
    removal = Removal.from_line(json.dumps(value))
    assert removal is None or isinstance(removal.removed, str)


def test_what_was_added_comes_back():
    """Generator states, and how to build the model, can be read from the line."""
    added = {"epochs_done": 2, "since": 3, "seeds": (2**32 - 1, 0), "random": {}}
    added |= {"global_seed": (7, 8), "states": "eJwDAAAAAAE="}
    added["averaged"] = True
    record = replace(RECORD, **added, build={"input_shape": [None, 3]})
    assert same(Record.from_line(record.to_line()), record)


def test_a_record_does_not_change():
    """A record is a value: it can be replaced, not changed."""
    with pytest.raises(AttributeError):
        RECORD.epoch = 4
    assert replace(RECORD, epoch=4).epoch == 4
