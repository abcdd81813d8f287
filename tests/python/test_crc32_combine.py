"""`storage/crc32_combine.py`: the crc32 of two pieces from the crc32 of each."""

from __future__ import annotations

from zlib import crc32

from hypothesis import given
from hypothesis import strategies as st

from modelcheckpoint.storage.crc32_combine import joined


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_of_any_two_pieces(one, other):
    """It is the crc32 of both together."""
    assert joined(crc32(one), crc32(other), len(other)) == crc32(one + other)


def test_of_a_large_piece():
    """However much follows."""
    one, other = b"header", bytes(range(256)) * 40_000
    assert joined(crc32(one), crc32(other), len(other)) == crc32(one + other)
