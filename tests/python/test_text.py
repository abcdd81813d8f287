"""Values as people read them."""

from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelcheckpoint.display.text import (
    number_text,
    quantity,
    shown,
    size_text,
    time_text,
)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (9_960, "10 kB"),
        (12_345, "12 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (1_234_567_890, "1.2 GB"),
        (10**18, "1000 PB"),
    ],
)
def test_sizes(size, text):
    """With a unit, and never as 1000 of one."""
    assert size_text(size) == text


@given(st.integers(0, 2**70))
def test_any_size(size):
    """Its text is no longer than a column."""
    assert len(size_text(size)) <= 12


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (math.nan, "NaN"),
        (math.inf, "inf"),
        (0.123456789, "0.12346"),
        (1e-9, "1e-09"),
        (3, "3"),
    ],
)
def test_numbers(value, text):
    """With five digits."""
    assert number_text(value) == text


def test_times():
    """In UTC."""
    east = timezone(timedelta(hours=2))
    assert time_text(datetime(2025, 1, 31, 1, tzinfo=east)) == "2025-01-30 23:00:00Z"


def test_quantities():
    """With an s for zero, and for two or more."""
    assert [quantity(n) for n in (0, 1, 10_000)] == [
        "0 checkpoints",
        "1 checkpoint",
        "10,000 checkpoints",
    ]


@given(st.text())
def test_any_text_can_be_shown(text):
    """No character moves the cursor, and all can be encoded."""
    assert shown(text).isprintable()
    shown(text).encode()
    assert shown(text, "ascii").isascii()
    assert shown(text, None).isascii()
