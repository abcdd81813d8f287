"""Processes end together after a step; here each process is a thread."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from memory_store import MemoryStore

from modelcheckpoint import CheckpointError
from modelcheckpoint.observe.peers import Peers
from modelcheckpoint.observe.store_gather import Rounds, StoreGather
from modelcheckpoint.storage import storage_for
from modelcheckpoint.training.agreement import Agreement
from modelcheckpoint.training.folder import check_shared

SECONDS = 30.0
OF_ANOTHER_VERSION = SimpleNamespace(to_text=lambda: '{"unknown": 1}')


def check_own_folder(agreement, folder):
    own = folder / str(agreement.rank)
    own.mkdir()
    check_shared(agreement, storage_for(str(own), 1), None)


def choose_unreadably(agreement, _):
    agreement.chosen(lambda: OF_ANOTHER_VERSION)


@pytest.mark.parametrize(
    ("step", "round_of_the_error", "message"),
    [
        (check_own_folder, 2, "Process 1 does not see the files"),
        (choose_unreadably, 1, "Process 0 has another version"),
    ],
)
def test_process_0_fails_when_all_have_read_why(
    tmp_path, step, round_of_the_error, message
):
    """It may hold the store and end at once, before the others have read the reason."""
    store, may_read, ended = MemoryStore(), threading.Event(), threading.Event()
    slow = SimpleNamespace(put=store.put, delete=store.delete)

    def get(key, seconds):
        if key.endswith(f"/{round_of_the_error}/all"):
            assert may_read.wait(SECONDS)
        return store.get(key, seconds)

    slow.get = get

    def train(rank):
        gather = StoreGather((store, slow)[rank], rank, 2, "fit", Rounds())
        with pytest.raises(CheckpointError, match=message):
            step(Agreement(Peers(rank, 2, gather), 1.0), tmp_path)
        if rank == 0:
            ended.set()

    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(train, rank) for rank in (0, 1)]
        assert not ended.wait(1.0)
        may_read.set()
        for one in running:
            one.result(SECONDS)
