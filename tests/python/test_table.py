"""Texts in aligned columns, in any script."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelcheckpoint.display.table import Cells, aligned, fold, shorten, width_of
from modelcheckpoint.display.text import shown

TEXTS = st.text().map(shown)
JAPANESE = "\u65e5\u672c\u8a9e"


def test_columns_stand_below_each_other():
    """Text from the left, numbers from the right, wide characters as two cells."""
    columns = [
        Cells("name", [JAPANESE, "e\u0301", "abc"]),
        Cells("n", ["1", "22", "333"], right=True),
    ]
    assert aligned(columns) == [
        "name      n",
        f"{JAPANESE}    1",
        "e\u0301        22",
        "abc     333",
    ]


def test_a_row_of_several_lines():
    """A folded cell continues below itself; the others are empty there."""
    columns = [Cells("a", ["x\ny", "z"]), Cells("b", ["1", "2"], right=True)]
    assert aligned(columns) == ["a  b", "x  1", "y   ", "z  2"]


@pytest.mark.parametrize(
    ("text", "words", "lines"),
    [
        ("abcdef", False, ["abcd", "ef"]),
        ("ab cdef", False, ["ab c", "def"]),
        ("ab cdef", True, ["ab", "cdef"]),
        ("abcdef gh", True, ["abcd", "ef", "gh"]),
        (JAPANESE, False, [JAPANESE[:2], JAPANESE[2:]]),
        ("", False, [""]),
    ],
)
def test_folded(text, words, lines):
    """In lines of at most four cells, between words if that is requested."""
    assert fold(text, 4, words).split("\n") == lines


def test_shortened():
    """Both ends are kept."""
    assert shorten("abcdefgh", 8) == "abcdefgh"
    assert shorten("abcdefghi", 8) == "abc...hi"
    assert shorten(JAPANESE * 2, 8) == JAPANESE[0] + "..." + JAPANESE[2]


@given(TEXTS, st.integers(2, 30))
def test_any_text(text, width):
    """No line is too wide, and folding loses nothing."""
    assert max(map(width_of, fold(text, width).split("\n"))) <= width
    assert fold(text, width).replace("\n", "") == text
    assert max(map(width_of, fold(text, width, words=True).split("\n"))) <= width
    assert width_of(shorten(text, width + 3)) <= width + 3
