"""A few kills of real trainings; `make soak` makes hundreds."""

from __future__ import annotations

import os
import random

import pytest
from soak import soak

pytest.importorskip("keras", minversion="3.4")


@pytest.mark.skipif(os.name == "nt", reason="kills by SIGKILL")
def test_a_few_kills(tmp_path):
    """Nothing is torn, nothing that was told durable is lost, and training goes on."""
    seed, said = random.randrange(10**6), []
    folders = []
    for number in range(2):  # each folder twice: the second training loads the first's
        folders = soak(2, seed, 2, tmp_path, say=lambda *words: said.append(words))
        assert [what for folder in folders for what in folder.wrong] == [], seed
        assert number == 0 or sum(folder.loaded for folder in folders) > 0
    assert len(said) == 4
