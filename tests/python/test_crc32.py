"""`storage/crc32.py`: the crc32 of data, also joined from the crc32 of two pieces."""

from __future__ import annotations

import sys
import zlib
from importlib import reload

from hypothesis import given
from hypothesis import strategies as st

from modelcheckpoint.storage import crc32 as module
from modelcheckpoint.storage.crc32 import crc32, joined


@given(st.binary(max_size=300), st.integers(0, 2**32 - 1))
def test_it_is_that_of_zlib(data, before):
    """Whichever library computes it: journals are shared between machines."""
    assert crc32(data, before) == zlib.crc32(data, before)
    assert crc32(memoryview(data)) == zlib.crc32(data)


def test_where_there_is_no_isal(monkeypatch):
    """Python's own gives the same result, only more slowly."""
    monkeypatch.setitem(sys.modules, "isal.isal_zlib", None)
    try:
        assert reload(module).crc32 is zlib.crc32
    finally:
        monkeypatch.undo()
        reload(module)


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_of_any_two_pieces(one, other):
    """It equals the crc32 of both together."""
    assert joined(crc32(one), crc32(other), len(other)) == crc32(one + other)


def test_of_a_large_piece():
    """The second piece can have any length."""
    one, other = b"header", bytes(range(256)) * 40_000
    assert joined(crc32(one), crc32(other), len(other)) == crc32(one + other)
