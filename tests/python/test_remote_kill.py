"""Real trainings that save to an object store are killed at random moments."""

from __future__ import annotations

import itertools
import os
import random

import pytest
from object_server import object_server
from soak import FORMATS, LARGE, SMALL, WAYS, Folder, soak

pytestmark = [pytest.mark.remote, pytest.mark.slow]

pytest.importorskip("keras", minversion="3.4")

_NUMBERS = itertools.count()
KILLS = int(os.environ.get("KILLS") or 12)


def jobs():
    """Return what is trained in each folder: each format in each way."""
    widths = itertools.cycle([LARGE, LARGE, SMALL])
    pairs = itertools.product(FORMATS.items(), WAYS.items())
    for (suffix, weights_only), (name, way) in pairs:
        yield {
            "name": name + suffix,
            "weights_only": weights_only,
            "background": True,
            "width": next(widths),
            "best": False,
            "save_freq": "epoch",
            **way,
        }


@pytest.fixture
def slow_server(tmp_path, monkeypatch):
    """A server to which sending a large checkpoint takes half a second."""
    (tmp_path / "buckets").mkdir()
    with object_server(tmp_path / "buckets", "--bwlimit=40M") as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield server


def folder_for(server, job):
    name = f"bucket{next(_NUMBERS)}"
    bucket = server.bucket(name)
    # Verifying an address with nothing in it raises an error.
    (bucket / "notes.txt").write_text("what is trained here")
    return Folder(f"s3://{name}", job, server.environment)


def test_kills(slow_server):
    """Nothing is torn, nothing that was confirmed is lost, and training goes on."""
    seed, said = random.randrange(10**6), []
    chance = random.Random(seed)
    every = list(jobs())
    chance.shuffle(every)
    folders = [folder_for(slow_server, job) for job in every[: max(2, KILLS // 3)]]
    soak(folders, KILLS, chance, say=lambda *words: said.append(words))
    assert [what for folder in folders for what in folder.wrong] == [], seed
    assert len(said) == KILLS
    assert any(folder.loaded for folder in folders)
