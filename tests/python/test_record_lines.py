"""Lines of other versions, of other programs, and torn ones: a record, or None."""

from __future__ import annotations

import json
import math
from dataclasses import fields, replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from record_examples import (
    RECORD,
    content,
    json_values,
    refuse,
    same,
    text,
)

from modelcheckpoint.records import Record

LATER = (
    "epochs_done",
    "since",
    "seeds",
    "random",
    "global_seed",
    "states",
    "averaged",
    "build",
    "optimizer",
    "kept_by",
)
"""What lines of earlier versions do not say."""
MAY_BE_NONE = ("batch", "samples", "value")


@settings(max_examples=300)
@given(st.binary(max_size=200) | text)
def test_any_bytes_are_no_error(line):
    """Bytes that are not a record give None, whatever they are."""
    assert Record.from_line(line) is None


@settings(max_examples=300)
@given(json_values)
def test_any_json_is_no_error(value):
    """JSON that is not a record gives None."""
    assert Record.from_line(json.dumps(value)) is None


@settings(max_examples=300)
@example("versions", {"a": [math.nan]})
@example("value", 10**400)
@given(st.sampled_from([f.name for f in fields(Record)]), json_values)
def test_a_field_that_holds_anything(name, value):
    """A record with a strange field gives None, or a record that can be written."""
    record = Record.from_line(json.dumps({**content(), name: value}))
    if record is not None:
        again = record.to_line()
        json.loads(again, parse_constant=refuse)
        assert Record.from_line(again).to_line() == again


@settings(max_examples=100)
@given(st.data())
def test_a_torn_line_is_none(data):
    """No beginning of a line is taken for all of it."""
    line = RECORD.to_line().encode()
    end = data.draw(st.integers(0, len(line) - 1))
    assert Record.from_line(line[:end]) is None


@pytest.mark.parametrize("name", MAY_BE_NONE)
def test_a_missing_field_that_may_be_none(name):
    """A line without a field that may be None raises no error."""
    found = content()
    del found[name]
    record = Record.from_line(json.dumps(found))
    assert record is None or same(record, replace(RECORD, **{name: None}))


@pytest.mark.parametrize("name", LATER)
def test_a_line_of_an_earlier_version(name):
    """It is read as usual, without what was added later."""
    found = content()
    del found[name]
    assert same(Record.from_line(json.dumps(found)), RECORD)


@pytest.mark.parametrize(("batch", "done"), [(None, 3), (1, 2), (7, 2)])
def test_epochs_done_where_a_line_does_not_say(batch, done):
    """A line with a batch may be from the middle of its epoch."""
    found = {**content(), "batch": batch}
    del found["epochs_done"]
    assert Record.from_line(json.dumps(found)).epochs_done == done


@pytest.mark.parametrize(
    "unsound",
    [
        {"epochs_done": -1},
        {"epochs_done": 4},
        {"epochs_done": True},
        {"since": -1},
        {"since": "x"},
        {"seeds": {}},
        {"seeds": [1, None]},
        {"random": []},
        {"global_seed": 7},
        {"global_seed": [7, "8"]},
        {"states": []},
        {"averaged": 1},
        {"build": 3},
    ],
)
def test_an_unsound_addition_is_as_none(unsound):
    """The checkpoint is good without it."""
    assert same(Record.from_line(json.dumps({**content(), **unsound})), RECORD)


@pytest.mark.parametrize(
    "name",
    [
        f.name
        for f in fields(Record)
        if f.name not in (*MAY_BE_NONE, *LATER, "versions")
    ],
)
def test_a_missing_field_is_none(name):
    """A line without a required field is another program's."""
    found = content()
    del found[name]
    assert Record.from_line(json.dumps(found)) is None


@pytest.mark.parametrize("schema", [2, 99, 0, -1, "1", None, [1], {}])
def test_a_newer_schema_is_none(schema):
    """A newer line is skipped, not misread."""
    assert Record.from_line(json.dumps({**content(), "schema": schema})) is None


def test_no_schema_is_none():
    """A line without a schema is another program's."""
    found = content()
    del found["schema"]
    assert Record.from_line(json.dumps(found)) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epoch", "3"),
        ("epoch", True),
        ("epoch", None),
        ("bytes", 1.5),
        ("best", 1),
        ("best", None),
        ("logs", []),
        ("logs", None),
        ("path", None),
        ("path", ["w.keras"]),
        ("value", True),
        ("value", [1]),
        ("crc32", 12345678),
        ("versions", "1"),
    ],
)
def test_a_field_of_another_type_is_none(name, value):
    """If a field has another type, the line is another program's."""
    assert Record.from_line(json.dumps({**content(), name: value})) is None


def test_unknown_fields_are_passed_over():
    """A field that this version does not know does no harm."""
    line = json.dumps({**content(), "colour": "blue", "self": 1})
    assert same(Record.from_line(line), RECORD)


def test_what_is_no_number_in_logs_is_none():
    """Strange values in `logs` do not lose a record."""
    line = json.dumps({**content(), "logs": {"a": "x", "b": [1], "c": None, "d": 2}})
    assert Record.from_line(line).logs == {"a": None, "b": None, "c": None, "d": 2}


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\xff\xfe\x00",
        b"\x00" * 100,
        "[" * 100_000,
        '{"a":' * 100_000,
        "1" * 10_000,
        "NaN",
        "null",
        '"\\ud800"',
        "\ufeff{}",
    ],
    ids=lambda line: repr(line[:6]),
)
def test_hostile_lines(line):
    """Deep nesting, endless digits and byte order marks give None."""
    assert Record.from_line(line) is None
