"""A few kills of real trainings; `make soak` makes hundreds."""

from __future__ import annotations

import itertools
import os
import random

import pytest
from soak import WAYS, folders_in, jobs, soak
from soak_tally import Tally

pytestmark = pytest.mark.slow

pytest.importorskip("keras", minversion="3.4")


@pytest.mark.skipif(os.name == "nt", reason="kills by SIGKILL")
def test_a_few_kills(tmp_path):
    """No file is torn, nothing reported durable is lost, and training goes on."""
    seed, said, turn = random.randrange(10**6), [], 0
    chance = random.Random(seed)
    folders = folders_in(tmp_path, 2, chance)
    # A later training in a folder loads what an earlier one left, if it saved at all.
    while turn < 2 or (not any(folder.loaded for folder in folders) and turn < 10):
        soak(folders, 2, chance, say=lambda *words: said.append(words))
        assert [what for folder in folders for what in folder.wrong] == [], seed
        turn += 1
    assert any(folder.loaded for folder in folders)
    assert len(said) == 2 * turn


def test_saves_in_the_background_vary():
    """They come at the end of epochs and of batches, under every kind of name."""
    for background in (True, False):
        seen = {
            (name, job["save_freq"])
            for name, job in itertools.product(WAYS, jobs())
            if job["background"] is background and job["name"].startswith(f"{name}.")
        }
        assert seen == set(itertools.product(WAYS, ["epoch", 4, 12]))


def test_a_soak_goes_on_in_the_next_sitting(tmp_path):
    """Counts and findings are kept; another length, or a full count, starts afresh."""
    state, folder = tmp_path / "state.json", tmp_path / "folder"
    folder.mkdir()
    (folder / "w.keras").write_bytes(b"torn")
    assert Tally.continued(state, 3, seed=1) == Tally(3, seed=1)
    tally = Tally(3, seed=1, sittings=1)
    tally.add("small", 2, [], folder, tmp_path)
    tally.add("large", 1, ["it is torn"], folder, tmp_path)
    tally.keep(state)
    again = Tally.continued(state, 3, seed=2)
    assert again == tally
    assert (tmp_path / "seed-1-kill-2" / "w.keras").read_bytes() == b"torn"
    assert Tally.continued(state, 4, seed=2) == Tally(4, seed=2)
    again.add("small", 0, [], folder, tmp_path)
    again.keep(state)
    assert Tally.continued(state, 3, seed=2) == Tally(3, seed=2)
    said = again.report().splitlines()
    assert said[0] == "# Kills of real training runs"
    assert "`make soak KILLS=3`" in said[2]
    assert said[-13:] == [
        "- kills: 3 of 3",
        "- problems: 1",
        "- files loaded: 3",
        "- seed: 1",
        "- minutes: 0",
        "- sittings: 1",
        "",
        "| what was saved | kills | files loaded | problems |",
        "|---|---|---|---|",
        "| large | 1 | 1 | 1 |",
        "| small | 2 | 2 | 0 |",
        "",
        f"- large, kill 2, {tmp_path / 'seed-1-kill-2'}: it is torn",
    ]
