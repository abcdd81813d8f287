"""What a run does with objects that already exist in the store."""

from __future__ import annotations

import os
from dataclasses import replace

import keras
import pytest
from conftest import fit, make_model
from remote_runs import at, names, statuses, trained

from modelcheckpoint import CheckpointWarning, ModelCheckpoint, list_checkpoints
from modelcheckpoint.storage import storage_for

pytestmark = pytest.mark.remote


def test_a_store_that_is_gone(server, bucket, data, monkeypatch, capsys):
    """Training ends, and reports why there is no checkpoint."""
    monkeypatch.setenv("MODELCHECKPOINT_UPLOAD_TIMEOUT", "1")
    callback = ModelCheckpoint(at(bucket, "w.{epoch}.keras"), monitor="loss")
    stop = keras.callbacks.LambdaCallback(on_train_begin=lambda logs: server.stop())
    model = make_model(keras)
    try:
        with pytest.warns(CheckpointWarning, match="the store cannot be reached"):
            model.fit(*data, callbacks=[callback, stop], epochs=3, verbose=0)
    finally:
        server.start()
    printed = capsys.readouterr().out
    assert (
        f"NO CHECKPOINT WAS SAVED to {at(bucket, 'w.{epoch}.keras')}: Saving "
        in printed
    )
    assert "had not passed yet" not in printed


def test_what_is_verified_is_what_is_loaded(bucket, data):
    """An object is fetched once, and again only if its name has another object."""
    trained(bucket, data, epochs=1)
    storage = storage_for(at(bucket))
    with storage.kept_copies():
        with storage.open("w.1.keras") as first, storage.open("w.1.keras") as second:
            assert first.name == second.name
            content = first.read()
        with storage.local_copy("w.1.keras") as path:
            assert path == first.name
        model = trained(bucket, data, "v.{epoch}.keras", epochs=1)[0]
        storage.copy("v.1.keras", "u.keras")
        with storage.open("u.keras") as other:
            assert other.read() != content
    assert not os.path.exists(first.name)
    assert model is not None


def test_a_run_replaces_its_own_objects_only(server, bucket, data, capsys):
    """Another machine may need the others: they get a second name."""
    model, _ = trained(bucket, data, "w.keras", epochs=1)
    content = (bucket / "run" / "w.keras").read_bytes()
    server.stop()
    server.start()  # it forgets the checksums that came with its objects
    trained(bucket, data, "w.keras", epochs=2, model=model)
    assert "was not written by this run: it is kept as" in capsys.readouterr().out
    (kept,) = set(names(bucket)) - {"w.keras"}
    assert (bucket / "run" / kept).read_bytes() == content
    assert set(statuses(bucket).values()) == {"good"}


def test_an_upload_that_came_though_it_was_not_confirmed(bucket, data):
    """It belongs to this run: the next save of that name replaces it."""
    callback = ModelCheckpoint(at(bucket, "w.keras"), monitor="loss")
    model = make_model(keras)
    fit(model, data, callback, epochs=1)
    (entry,) = list_checkpoints(at(bucket))
    storage = storage_for(at(bucket))
    with storage.staged("w.keras", ".keras") as staged:
        digest = staged.write([(b"came unseen", None)])
        unseen = replace(entry.record, bytes=digest.bytes, crc32=digest.crc32)
        storage.append(unseen.to_line())
        staged.publish()
    fit(model, data, callback, epochs=1)
    assert names(bucket) == ["w.keras"]
