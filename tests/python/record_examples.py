"""Records, texts and JSON to try lines of the journal with."""

from __future__ import annotations

import json
import math
from dataclasses import asdict

from hypothesis import strategies as st

from modelcheckpoint.records import Record

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
    raise AssertionError(f"{constant} is not JSON")


def content(record=RECORD):
    return json.loads(record.to_line())


def same(one, other):
    """Compare with NaN equal to itself, and 1 different from 1.0 and True."""
    return repr(asdict(one)) == repr(asdict(other))
