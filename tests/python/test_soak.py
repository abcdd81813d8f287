"""A few kills of real trainings; `make soak` makes hundreds."""

from __future__ import annotations

import os
import random

import pytest
from soak import folders_in, soak

pytestmark = pytest.mark.slow

pytest.importorskip("keras", minversion="3.4")


@pytest.mark.skipif(os.name == "nt", reason="kills by SIGKILL")
def test_a_few_kills(tmp_path):
    """Nothing is torn, nothing that was told durable is lost, and training goes on."""
    seed, said, turn = random.randrange(10**6), [], 0
    chance = random.Random(seed)
    folders = folders_in(tmp_path, 2, chance)
    # A later training in a folder loads what an earlier one left, if it came to save.
    while turn < 2 or (not any(folder.loaded for folder in folders) and turn < 10):
        soak(folders, 2, chance, say=lambda *words: said.append(words))
        assert [what for folder in folders for what in folder.wrong] == [], seed
        turn += 1
    assert any(folder.loaded for folder in folders)
    assert len(said) == 2 * turn
