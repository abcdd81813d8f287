"""A store that goes away while a checkpoint is on its way to it, and comes back."""

from __future__ import annotations

import threading
import time

import keras
import numpy as np
import pytest
from remote_runs import at, names, statuses
from tcp_proxy import proxy_of

from modelcheckpoint import ModelCheckpoint

pytestmark = pytest.mark.remote


def large_model():
    """Return a model of 48 MB, which goes up in several parts, and its data."""
    model = keras.Sequential([keras.layers.Input((3000,)), keras.layers.Dense(4000)])
    model.compile("sgd", "mse")
    return model, (np.ones((8, 3000)), np.ones((8, 4000)))


def when_sent(proxy, count, act):
    """Act once so many bytes were sent, on a thread that ends by then."""

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
    """It knows nothing of the parts that it had, so all of them are sent again."""

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
