"""Several processes and one folder of an object store: writers, readers, pruners."""

from __future__ import annotations

import zlib

import pytest
from checkpoint_files import weights
from conftest import fit
from remote_runs import at, names, statuses, trained
from save_process import save_process
from soak import is_half_done

from modelcheckpoint import prune_checkpoints, verify_checkpoints
from modelcheckpoint.journal import log
from modelcheckpoint.storage import storage_for
from modelcheckpoint.storage.objects import ObjectStorage

pytestmark = [pytest.mark.remote, pytest.mark.slow]

SMALL, LARGE = (400, 100), (2000, 1200)  # the second is uploaded in parts
RUNS = ("one", "second")


@pytest.mark.parametrize(("shape", "saves"), [(SMALL, 40), (LARGE, 8)])
def test_two_writers_and_a_reader(bucket, tmp_path, shape, saves):
    """No line of either is lost, and nobody sees part of a checkpoint."""
    writers = [
        save_process(tmp_path, at(bucket), run, f"{run}.weights.h5", saves, shape)
        for run in RUNS
    ]
    wholes = {zlib.crc32(weights(float(len(run)), shape)) for run in RUNS}
    storage, looks = storage_for(at(bucket)), 0
    while any(process.poll() is None for process in writers):
        for entry in storage.entries((".weights.h5",), 0):
            with storage.open(entry.name) as file:
                assert zlib.crc32(file.read()) in wholes
            looks += 1
            checks = verify_checkpoints(at(bucket))
            assert [
                f for f in checks if f.status != "good" and not is_half_done(f)
            ] == []
    said = [process.stdout.read().splitlines() for process in writers]
    for process in writers:
        process.stdout.close()
    assert said == [["ready", *["durable"] * saves]] * 2
    assert looks > 2
    assert statuses(bucket) == {f"{run}.weights.h5": "good" for run in RUNS}
    runs = [record.run for record in log.read(storage)]
    assert {run: runs.count(run) for run in RUNS} == dict.fromkeys(RUNS, saves)


def test_what_is_overwritten_is_not_pruned(bucket, data, monkeypatch):
    """A run in progress has replaced it after it was listed: it stays."""
    model, callback = trained(bucket, data, "w.{epoch}.keras", epochs=3)
    append = ObjectStorage.append

    def append_slowly(self, *lines):
        patch.undo()
        append(self, *lines)
        fit(model, data, callback, epochs=2)  # w.1 and w.2 of another training

    with monkeypatch.context() as patch:
        patch.setattr(ObjectStorage, "append", append_slowly)
        deleted = prune_checkpoints(at(bucket), keep_latest=1, dry_run=False)
    assert len(deleted) == 0
    assert sorted(names(bucket)) == ["w.1.keras", "w.2.keras", "w.3.keras"]
    assert set(statuses(bucket).values()) == {"good"}
