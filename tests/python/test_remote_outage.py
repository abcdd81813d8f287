"""A store that is slow or unreachable during the upload of large checkpoints."""

from __future__ import annotations

import sys
import threading
import time

import keras
import numpy as np
import pytest
from object_server import object_server
from remote_runs import at, names, statuses
from tcp_proxy import proxy_of

from modelcheckpoint import CheckpointWarning, ModelCheckpoint

pytestmark = [pytest.mark.remote, pytest.mark.slow]


def large_model():
    """Return a model of 48 MB, which is uploaded in several parts, and its data."""
    model = keras.Sequential([keras.layers.Input((3000,)), keras.layers.Dense(4000)])
    model.compile("sgd", "mse")
    return model, (np.ones((8, 3000)), np.ones((8, 4000)))


def when_sent(proxy, count, act):
    """Act on a thread once so many bytes were sent; then the thread ends."""

    def watch():
        while proxy.sent < count:
            time.sleep(0.001)
        act()

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


@pytest.mark.parametrize("pause", [0.05, 3])
def test_a_server_that_starts_again_in_the_middle_of_an_upload(
    server, bucket, monkeypatch, pause
):
    """It has forgotten the parts that it had, so all of them are sent again."""

    def restart():
        server.stop()
        time.sleep(pause)
        server.start()

    with proxy_of(server, monkeypatch) as proxy:
        model, data = large_model()
        callback = ModelCheckpoint(at(bucket, "w.{epoch}.keras"), monitor="loss")
        outage = when_sent(proxy, 20 << 20, restart)
        model.fit(*data, callbacks=[callback], epochs=1, verbose=0)
        outage.join()
        assert callback.problems == []
        assert names(bucket) == ["w.1.keras"]
        assert statuses(bucket) == {"w.1.keras": "good"}


def test_a_server_that_stops_in_the_middle_of_an_upload(server, bucket, monkeypatch):
    """The journal has the save's line, and later says that it never came."""

    def begin_epoch(epoch, logs):
        if epoch == 1:
            callback.wait()
            outages.append(when_sent(proxy, proxy.sent + (20 << 20), server.stop))
        if epoch == 2:
            outages[0].join()
        if epoch == 3:
            server.start()

    with proxy_of(server, monkeypatch) as proxy:
        outages = []
        model, data = large_model()
        callback = ModelCheckpoint(at(bucket, "w.{epoch}.keras"), monitor="loss")
        outage = keras.callbacks.LambdaCallback(on_epoch_begin=begin_epoch)
        with pytest.warns(CheckpointWarning, match=r"w\.2\.keras failed: "):
            model.fit(*data, callbacks=[callback, outage], epochs=5, verbose=0)
        now = statuses(bucket)
        assert "w.2.keras" not in now
        assert set(now) >= {"w.1.keras", "w.4.keras", "w.5.keras"}
        assert set(now.values()) == {"good"}


def test_a_server_that_is_slow(tmp_path, monkeypatch):
    """Training continues during an upload, and every checkpoint arrives."""
    with object_server(tmp_path, "--bwlimit=16M") as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        bucket = server.bucket("bucket")
        seen = []
        model, data = large_model()
        callback = ModelCheckpoint(
            at(bucket, "w.{epoch}.keras"),
            monitor="loss",
            save_freq=4 * len(data[0]),
            on_saved=lambda record: seen.append(record.path),
        )
        batches = keras.callbacks.LambdaCallback(
            on_batch_end=lambda batch, logs: seen.append("batch")
        )
        model.fit(*data, callbacks=[callback, batches], epochs=8, verbose=0)
        assert callback.problems == []
        saved = [f"w.{epoch}.keras" for epoch in (4, 8)]
        assert [what for what in seen if what != "batch"] == saved
        assert set(statuses(bucket).values()) == {"good"}
        assert seen.index(saved[0]) >= 4, "the fourth batch waited for the store"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_server_that_does_not_come_back(server, bucket, monkeypatch):
    """Nothing piles up, and `fit` ends within the time for uploads."""
    monkeypatch.setenv("MODELCHECKPOINT_UPLOAD_TIMEOUT", "2")
    memory = []

    def begin_epoch(epoch, logs):
        if epoch == 2:
            callback.wait()
            server.stop()
        memory.append(resident_bytes())

    model, data = large_model()
    callback = ModelCheckpoint(at(bucket, "w.{epoch}.keras"), monitor="loss")
    outage = keras.callbacks.LambdaCallback(on_epoch_begin=begin_epoch)
    begun = time.monotonic()
    try:
        with pytest.warns(CheckpointWarning, match="the store cannot be reached"):
            model.fit(*data, callbacks=[callback, outage], epochs=14, verbose=0)
        assert time.monotonic() - begun < 120, "it waits for the store"
    finally:
        server.start()
    assert len(callback.problems) == 12
    # Nobody waits for the last upload any more; it may still end.
    assert set(names(bucket)) - {"w.14.keras"} == {"w.1.keras", "w.2.keras"}
    assert memory[-1] - memory[5] < 4 * (48 << 20), "of the eight saves in between"


def resident_bytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096
