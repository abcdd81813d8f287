"""A store that is full, refuses access or disappears while training saves to it."""

from __future__ import annotations

import os
import shutil

import keras
import pytest
from conftest import make_model, tmpfs
from object_server import object_server
from remote_runs import at, names, statuses

from modelcheckpoint import CheckpointWarning, ModelCheckpoint, SaveError

pytestmark = pytest.mark.remote


class Stopped:
    """The server does not run."""

    says = "the store cannot be reached"

    def __init__(self, server, bucket):
        self.server, self.bucket = server, bucket

    def begin(self):
        self.server.stop()

    def end(self):
        self.server.start()


class Refused(Stopped):
    """The server no longer accepts the key."""

    says = "the store refuses access"

    def begin(self):
        self.server.stop()
        self.server.auth = ("--auth-key=somebody-else,another-secret",)
        self.server.start()

    def end(self):
        self.server.stop()
        del self.server.auth
        self.server.start()


class Deleted(Stopped):
    """The bucket is gone, with everything in it."""

    says = "there is no such bucket"

    def begin(self):
        shutil.rmtree(self.bucket)
        self.server.refresh()

    def end(self):
        self.bucket.mkdir()
        self.server.refresh()


class Full(Stopped):
    """The server's disk is full."""

    says = "the store does not serve it"

    def begin(self):
        free = os.statvfs(self.bucket).f_bavail * os.statvfs(self.bucket).f_bsize
        (self.bucket / "filler").write_bytes(bytes(free))

    def end(self):
        (self.bucket / "filler").unlink()


TROUBLES = [Stopped, Refused, Deleted, Full]


@pytest.fixture
def small_bucket(tmp_path, monkeypatch):
    """A server on a small disk, and the folder of its bucket."""
    folder = tmp_path / "buckets"
    folder.mkdir()
    with tmpfs(folder, "size=2m"), object_server(folder) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield server, server.bucket("bucket")


def trained(bucket, data, events, **arguments):
    """Train, with events as epochs begin; return the callback and what was saved."""
    saved = []
    callback = ModelCheckpoint(
        at(bucket, "w.{epoch}.keras"),
        on_saved=lambda record: saved.append(record.path),
        **arguments,
    )

    def begin_epoch(epoch, logs):
        if epoch + 1 in events:
            if epoch == 2:
                callback.wait()
            events[epoch + 1]()

    trouble = keras.callbacks.LambdaCallback(on_epoch_begin=begin_epoch)
    model = make_model(keras)
    model.fit(*data, callbacks=[callback, trouble], epochs=6, verbose=0)
    return callback, saved


@pytest.mark.parametrize("kind", TROUBLES)
def test_trouble_that_passes(small_bucket, data, kind):
    """It is reported, training goes on, and the next save succeeds."""
    trouble = kind(*small_bucket)
    events = {3: trouble.begin, 5: trouble.end}
    with pytest.warns(CheckpointWarning, match=trouble.says):
        callback, saved = trained(trouble.bucket, data, events)
    assert "w.3.keras" in callback.problems[0]
    assert saved[:2] == ["w.1.keras", "w.2.keras"]
    assert saved[-1] == "w.6.keras"
    assert len(saved) + len(callback.problems) == 6
    # The run's journal comes back with the next save; deleted checkpoints do not.
    gone = saved[:2] if kind is Deleted else []
    now = statuses(trouble.bucket)
    assert {name: now[name] for name in saved} == {
        name: "missing" if name in gone else "good" for name in saved
    }
    assert set(names(trouble.bucket)) == set(saved) - set(gone)


@pytest.mark.parametrize("kind", TROUBLES)
def test_trouble_that_ends_training(small_bucket, data, kind):
    """With `on_error="raise"`, at the next save."""
    trouble = kind(*small_bucket)
    with pytest.raises(SaveError, match=rf"w\.3\.keras failed: .*{trouble.says}"):
        trained(trouble.bucket, data, {3: trouble.begin}, on_error="raise")
