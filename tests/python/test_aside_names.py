"""`decide/aside_names.py`: second names respect the limits and are recognized later."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelcheckpoint.decide.aside_names import aside_name, is_aside_name


@pytest.mark.parametrize("run", ["r1", "/../../evil", "x" * 300, "", "a\n{}b"])
@pytest.mark.parametrize("stem", ["w", "w" * 249, "a{}b", "ü" * 120])
def test_the_name_of_a_file_that_is_kept_aside(run, stem):
    """It fits the file system's limit, stays in its folder and keeps its suffix."""
    begin, end = aside_name(f"a/{stem}.keras", run, ".keras")
    for number in ("", "-9999"):
        folder, _, name = f"{begin}{number}{end}".rpartition("/")
        assert folder == "a"
        assert name.endswith(".keras")
        assert len(os.fsencode(name)) <= 255
    assert "\n" not in begin


@given(st.text(max_size=60), st.sampled_from(["", "-2", "-9999"]))
def test_a_name_that_was_given_aside_is_known_again(run, number):
    """With or without a number in it; other names of that run are not recognized."""
    for suffix in (".keras", ".weights.h5"):
        aside = number.join(aside_name(f"a/best{suffix}", run, suffix))
        assert is_aside_name(aside, run)
        assert not is_aside_name(f"a/best{suffix}", run)


def test_a_name_aside_of_another_run_is_not_this_runs():
    """The identifier must be the run's own."""
    assert is_aside_name("w.run-20260101T000000-abcdef.keras", "20260101T000000-abcdef")
    assert not is_aside_name("w.run-20260101T000000-abcdef.keras", "2026-ab")
