"""A save in parts: each process writes one part; here each process is a thread."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from local_trees import left_behind
from memory_store import MemoryStore
from run_save import commit_for, record_of

from modelcheckpoint import CheckpointError, verify_checkpoints
from modelcheckpoint.observe.peers import Peers
from modelcheckpoint.observe.store_gather import Rounds, StoreGather
from modelcheckpoint.save.background import Background
from modelcheckpoint.training.agreement import Agreement
from modelcheckpoint.training.collective import CollectivePipeline

JOB = {"name": "w.orbax", "format": "orbax", "value": 1.0, "run": "r"}
ROUNDS = ["stage", "see", "write", "seal", "commit"]


class Parts:
    """A format where each process writes one file; a process's model is its number."""

    def write_part(self, model, path, seconds):
        folder = os.path.join(path, f"ocdbt.process_{model}")
        os.mkdir(folder)
        np.full(100, model).tofile(os.path.join(folder, "d"))
        return lambda: None

    def is_in_part(self, name, process):
        return f"ocdbt.process_{process}" in name.split("/")

    def join_parts(self, path):
        pass


class Gone(BaseException):
    """A process that has gone away."""


def save(folder, leaves_at=None):
    """Save from two processes; return the outcome in each.

    Process 1 goes away when the round named by `leaves_at` begins.
    """
    store = MemoryStore()

    def run(rank):
        rounds = iter(ROUNDS)

        class Gather(StoreGather):
            def __call__(self, text, seconds):
                if next(rounds, None) == leaves_at and rank == 1:
                    raise Gone
                return super().__call__(text, seconds)

        come = Gather(store, rank, 2, "parts", Rounds())
        background = Background()
        agreement = Agreement(Peers(rank, 2, come), 1.0 if leaves_at else 30.0)
        commit = commit_for(folder, JOB)
        pipeline = CollectivePipeline(Parts(), commit, background, agreement)
        try:
            pipeline.begin(rank, record_of(JOB))
        except Gone as gone:
            return None, gone
        background.wait()
        return background.outcome()

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(run, (0, 1)))


def test_both_have_saved(tmp_path):
    """Both know the same complete checkpoint."""
    (first, none), (second, also_none) = save(tmp_path)
    assert (none, also_none) == (None, None)
    assert first.record == second.record
    assert [found.status for found in verify_checkpoints(tmp_path)] == ["good"]


def test_one_goes_before_it_knows(tmp_path):
    """It is still a checkpoint, and the other process has saved it."""
    (receipt, error), (_, gone) = save(tmp_path, leaves_at="commit")
    assert isinstance(gone, Gone)
    assert error is None
    assert receipt.record.path == "w.orbax"
    assert [found.status for found in verify_checkpoints(tmp_path)] == ["good"]


@pytest.mark.parametrize("round", ["see", "write", "seal"])
def test_one_goes_before_it_is_one(tmp_path, round):
    """The other one names it, and leaves nothing behind."""
    (receipt, error), _ = save(tmp_path, leaves_at=round)
    assert receipt is None
    assert isinstance(error, CheckpointError)
    assert "Process 1 of 2 did not arrive" in str(error)
    assert verify_checkpoints(tmp_path) == []
    assert left_behind(tmp_path) == []
