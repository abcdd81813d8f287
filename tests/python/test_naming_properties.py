"""`decide/naming.py` with any text, any format and any number."""

from __future__ import annotations

import math
import os
import time

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from modelcheckpoint.decide.naming import (
    LONGEST_NAME,
    Template,
)

numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers()

# Every part of Python's format specification for numbers, valid together or not.
specs = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["", "<", ">", "=", "^", "*<", "0>", " ^", "_=", ".>", "~^"]),
        st.sampled_from(["", "+", "-", " "]),
        st.sampled_from(["", "z"]),
        st.sampled_from(["", "#"]),
        st.sampled_from(["", "0"]),
        st.integers(1, 100).map(str) | st.just(""),
        st.sampled_from(["", ",", "_"]),
        st.integers(0, 100).map(".{}".format) | st.just(""),
        st.sampled_from(["", *"bdoxXeEfFgGn%"]),
    ),
)

# Text that usually looks like a template.
texts = st.lists(
    st.sampled_from(
        ["{epoch}", "{val_loss:.2f}", "{epoch:.>3}", "{x:_b}", "{{", "}}", "{", "}"]
    )
    | st.sampled_from(["/", "..", ".", "~", "a", "b.keras", ":", "!r", "[0]", "\\"])
    | st.text(max_size=5),
    max_size=12,
).map("".join)


def works(spec, *values):
    try:
        return [format(value, spec) for value in values]
    except ValueError:
        return None


@settings(max_examples=300)
@given(specs, st.lists(numbers | st.just(math.nan), max_size=5))
def test_a_valid_format_takes_every_number(spec, values):
    """A format accepted for whole numbers and fractions never raises later."""
    assume(works(spec, 1, 0.5))
    template = Template(f"a/{{val_loss:{spec}}}/w.keras")
    for value in values:
        name = template.fill({"val_loss": value})
        written = format(value, spec)
        assume(len(written) <= LONGEST_NAME)
        assert name.path.split("/") == [written, "w.keras"]
        assert not name.missing


@settings(max_examples=300)
@given(specs, st.floats() | st.integers())
def test_an_accepted_format_never_raises(spec, value):
    """An accepted format writes any number, as nan if necessary."""
    try:
        template = Template(f"{{val_loss:{spec}}}/w.keras")
    except ValueError:
        assert not works(spec, 1)
        assert not works(spec, 0.5)
        return
    name = template.fill({"val_loss": value})
    folder, slash, file = name.path.rpartition("/")
    assert (slash, file) == ("/", "w.keras")
    assert folder not in ("", ".", "..")
    assert "/" not in folder


@settings(max_examples=400)
@example("{{/{epoch}", {})
@example("{epoch}}}/..", {})
@given(texts | st.text(max_size=60), st.dictionaries(st.text(max_size=5), numbers))
def test_any_text_is_refused_or_fills_to_a_name_in_its_folder(text, values):
    """No text leads out of the folder; only a ValueError is raised."""
    try:
        template = Template(text)
    except ValueError:
        return
    for given_values in ({}, values, dict.fromkeys(template.fields, 1e300)):
        path = template.fill(given_values).path
        assert not os.path.isabs(path)
        assert ".." not in path.split("/")
        assert path.count("/") == template.depth
        assert len(path) <= len(os.path.expanduser(text)) + 600 * len(text)


@settings(max_examples=200)
@given(texts)
def test_literal_text_is_written_as_it_is(text):
    """With its braces doubled, any text before the last slash is the folder."""
    text = "a" + text.replace("~", "").replace("{", "").replace("}", "")
    doubled = text.replace("a", "{{")
    try:
        template = Template(f"{doubled}/w.keras")
    except ValueError:
        assume(False)
    expected = f"{text.replace('a', '{')}/w.keras"
    joined = os.path.join(template.folder, template.fill({}).path)
    assert os.path.normpath(joined) == os.path.normpath(expected)


@pytest.mark.parametrize(
    "text",
    [
        "{a:100}" * 36,
        "{" * 10_000,
        "{{" * 100,
        "a" * 100_000,
        "{epoch:" + "0" * 2_000 + "}",
        "{" + "a" * 100_000 + "}",
        "/".join(["{a:.100f}"] * 5_000),
    ],
    ids=lambda text: text[:9],
)
def test_long_text_takes_no_long_time(text):
    """Time and name grow no faster than the length of the text."""
    start = time.perf_counter()
    try:
        path = Template(text).fill({"a": 1e300}).path
    except ValueError:
        path = ""
    assert len(path) <= 60 * len(text)
    assert time.perf_counter() - start < 2
