"""A few kills of real trainings; `make soak` makes hundreds."""

from __future__ import annotations

import os
import random

import pytest
from soak import soak

pytestmark = pytest.mark.slow

pytest.importorskip("keras", minversion="3.4")


@pytest.mark.skipif(os.name == "nt", reason="kills by SIGKILL")
def test_a_few_kills(tmp_path):
    """Nothing is torn, nothing that was told durable is lost, and training goes on."""
    seed, said, loaded, turn = random.randrange(10**6), [], 0, 0
    # A later training in a folder loads what an earlier one left, if it came to save.
    while turn < 2 or (loaded == 0 and turn < 10):
        folders = soak(2, seed, 2, tmp_path, lambda *words: said.append(words), turn)
        assert [what for folder in folders for what in folder.wrong] == [], seed
        loaded += sum(folder.loaded for folder in folders)
        turn += 1
    assert loaded > 0
    assert len(said) == 2 * turn
