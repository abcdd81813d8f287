"""The page on several machines shows the scripts that `make test-cluster` runs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "cluster"))

from page import PAGE, SCRIPTS, pasted, script

pytestmark = pytest.mark.skipif(
    not PAGE.exists(), reason="a source distribution has no vignettes"
)


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts(name):
    """They are exact copies of the examples."""
    assert pasted(name) == script(name)


def test_outputs():
    """Each place for output on the page has some."""
    marks = PAGE.read_text(encoding="utf-8").split("<!-- begin: ")[1:]
    for name in (mark.split(" -->")[0] for mark in marks):
        assert len(pasted(name).strip()) > 0, name
