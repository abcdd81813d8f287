"""`records.py`: one checkpoint as a value, and as one line of JSON."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, fields, replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from modelcheckpoint.records import SCHEMA, Record, Removal

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

text = st.text(max_size=20)
count = st.integers(0, 2**70)
number = st.integers() | st.floats()

records = st.builds(
    Record,
    path=text,
    epoch=count,
    batch=st.none() | count,
    samples=st.none() | count,
    logs=st.dictionaries(text, number, max_size=5),
    monitor=text,
    value=st.none() | number,
    mode=st.sampled_from(["min", "max"]),
    best=st.booleans(),
    format=text,
    bytes=count,
    crc32=text,
    time=text,
    run=text,
    template=text,
    versions=st.dictionaries(text, text, max_size=3),
)

json_values = st.recursive(
    st.none() | st.booleans() | number | text,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3)
    ),
    max_leaves=8,
)

RECORD = Record(
    path="w.03.keras",
    epoch=3,
    batch=None,
    samples=75,
    logs={"loss": 0.5, "val_loss": math.nan, "lr": 1},
    monitor="val_loss",
    value=-math.inf,
    mode="min",
    best=True,
    format="keras",
    bytes=1234,
    crc32="00c0ffee",
    time="2025-01-31T12:00:00.000+00:00",
    run="20250131T120000-abcdef",
    template="w.{epoch:02d}.keras",
    versions={"modelcheckpoint": "0.1.0"},
)


def refuse(constant):
    raise AssertionError(f"{constant} is no JSON")


def content(record=RECORD):
    return json.loads(record.to_line())


def same(one, other):
    """Compare with NaN equal to itself, and 1 different from 1.0 and True."""
    return repr(asdict(one)) == repr(asdict(other))


@settings(max_examples=200)
@given(records)
def test_a_record_survives_its_line(record):
    """Any record, with NaN and infinities anywhere, comes back from its line."""
    line = record.to_line()
    assert same(Record.from_line(line), record)
    assert same(Record.from_line(line.encode()), record)


@settings(max_examples=200)
@given(records)
def test_a_line_is_one_line_of_valid_json(record):
    """Any reader of JSON can read it: no bare NaN, no line break, the schema first."""
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
    """Earlier versions wrote its digits, which stopped whoever compared the value."""
    huge = replace(RECORD, value=-(10**400), logs={"a": 10**400, "b": 10**300})
    found = Record.from_line(huge.to_line())
    assert (found.value, found.logs) == (-math.inf, {"a": math.inf, "b": 10**300})


def test_text_stays_readable():
    """Letters of all scripts are written as they are."""
    assert "Zähler-数.keras" in replace(RECORD, path="Zähler-数.keras").to_line()


@settings(max_examples=300)
@given(st.binary(max_size=200) | text)
def test_any_bytes_are_no_error(line):
    """What is no record is None, whatever it holds."""
    assert Record.from_line(line) is None


@settings(max_examples=300)
@given(json_values)
def test_any_json_is_no_error(value):
    """JSON that is no record is None."""
    assert Record.from_line(json.dumps(value)) is None


@settings(max_examples=300)
@example("versions", {"a": [math.nan]})
@example("value", 10**400)
@given(st.sampled_from([f.name for f in fields(Record)]), json_values)
def test_a_field_that_holds_anything(name, value):
    """A record with a strange field is None, or a record that can be written again."""
    record = Record.from_line(json.dumps({**content(), name: value}))
    if record is not None:
        again = record.to_line()
        json.loads(again, parse_constant=refuse)
        assert Record.from_line(again).to_line() == again


@settings(max_examples=100)
@given(st.data())
def test_a_torn_line_is_none(data):
    """No beginning of a line is taken for the whole."""
    line = RECORD.to_line().encode()
    end = data.draw(st.integers(0, len(line) - 1))
    assert Record.from_line(line[:end]) is None


@given(records)
def test_a_removal_is_no_record_and_comes_back(record):
    """A reader that knows records only passes over it."""
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
    """Whatever is in the line: no error, and a name that is text."""
    removal = Removal.from_line(json.dumps(value))
    assert removal is None or isinstance(removal.removed, str)


MAY_BE_NONE = ("batch", "samples", "value")


@pytest.mark.parametrize("name", MAY_BE_NONE)
def test_a_missing_field_that_may_be_none(name):
    """A line without a field that may be None is no error."""
    found = content()
    del found[name]
    record = Record.from_line(json.dumps(found))
    assert record is None or same(record, replace(RECORD, **{name: None}))


def test_what_was_added_comes_back():
    """The states of generators, and how to build the model, travel in the line."""
    added = {"epochs_done": 2, "since": 3, "seeds": (2**32 - 1, 0), "random": {}}
    added |= {"global_seed": (7, 8), "states": "eJwDAAAAAAE="}
    added["averaged"] = True
    record = replace(RECORD, **added, build={"input_shape": [None, 3]})
    assert same(Record.from_line(record.to_line()), record)


@pytest.mark.parametrize("name", LATER)
def test_a_line_of_an_earlier_version(name):
    """Without what was added later it is read as it ever was."""
    found = content()
    del found[name]
    assert same(Record.from_line(json.dumps(found)), RECORD)


@pytest.mark.parametrize(("batch", "done"), [(None, 3), (1, 2), (7, 2)])
def test_epochs_done_where_a_line_does_not_say(batch, done):
    """One with a batch can be of the middle of its epoch."""
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
    """A line without a field that says something is another program's."""
    found = content()
    del found[name]
    assert Record.from_line(json.dumps(found)) is None


@pytest.mark.parametrize("schema", [2, 99, 0, -1, "1", None, [1], {}])
def test_a_newer_schema_is_none(schema):
    """What a later version wrote is passed over, not misread."""
    assert Record.from_line(json.dumps({**content(), "schema": schema})) is None


def test_no_schema_is_none():
    """A line that does not say its schema is another program's."""
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
    """Where a field has another type, the line is another program's."""
    assert Record.from_line(json.dumps({**content(), name: value})) is None


def test_unknown_fields_are_passed_over():
    """A field that this version does not know does no harm."""
    line = json.dumps({**content(), "colour": "blue", "self": 1})
    assert same(Record.from_line(line), RECORD)


def test_what_is_no_number_in_logs_is_none():
    """Strange values in `logs` are no reason to lose a record."""
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
    """Deep nesting, endless digits and byte order marks are None."""
    assert Record.from_line(line) is None


def test_a_record_does_not_change():
    """A record is a value: it can be replaced, not changed."""
    with pytest.raises(AttributeError):
        RECORD.epoch = 4
    assert replace(RECORD, epoch=4).epoch == 4
