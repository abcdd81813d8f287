"""A run in an object store: what it saves, what it restores, and its errors."""

from __future__ import annotations

import time

import keras
import numpy as np
import pytest
from conftest import SAMPLES, fit, make_model, same_weights
from object_server import SECRET
from remote_runs import at, names, objects, statuses, trained

from modelcheckpoint import (
    CheckpointWarning,
    ModelCheckpoint,
    RestoreError,
    best_checkpoint,
    fetch_checkpoint,
    latest_checkpoint,
    list_checkpoints,
    prune_checkpoints,
    restore_checkpoint,
)

pytestmark = pytest.mark.remote


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5", ".h5", ".hdf5"])
def test_each_format(bucket, data, suffix, tmp_path):
    """It is listed, verified, restored and fetched like a file in a folder."""
    weights_only = suffix == ".weights.h5"
    name = "{epoch:02d}-{loss:.2f}" + suffix
    model, _ = trained(bucket, data, name, save_weights_only=weights_only)
    assert len(names(bucket)) == 3
    assert set(statuses(bucket).values()) == {"good"}
    latest = latest_checkpoint(at(bucket))
    assert latest == at(bucket, names(bucket)[-1])
    other = make_model(keras)
    restored = restore_checkpoint(other, latest)
    assert (restored.path, restored.epochs_done) == (latest, 3)
    assert same_weights(model, other)
    copy = fetch_checkpoint(latest, tmp_path / "models")
    if weights_only:
        other.load_weights(copy)
    else:
        other = keras.models.load_model(copy)
    assert same_weights(model, other)
    assert len(list((tmp_path / "models").iterdir())) == 1


def test_what_stays(bucket, data):
    """Retention deletes objects, and the model ends with the best weights."""
    _, callback = trained(
        bucket, data, epochs=5, keep_latest=2, restore_best=True, verbose=1
    )
    assert callback.problems == []
    assert names(bucket) == ["w.4.keras", "w.5.keras"]
    assert set(statuses(bucket).values()) == {"good"}
    journal = "modelcheckpoint."
    kept = [name for name in objects(bucket) if not name.startswith(journal)]
    assert kept == ["w.4.keras", "w.5.keras"]


def test_a_better_file_of_an_earlier_run(bucket, data, capsys):
    """It gets a second name within the store."""
    for epochs in (8, 1):  # more epochs are better, as the start is the same
        keras.utils.set_random_seed(1)
        trained(bucket, data, "w.keras", epochs, save_best_only=True)
    kept = [name for name in names(bucket) if name != "w.keras"]
    assert len(kept) == 1
    assert kept[0].startswith("w.run-")
    assert best_checkpoint(at(bucket)) == at(bucket, kept[0])
    assert set(statuses(bucket).values()) == {"good"}


def test_an_interrupted_run_goes_on(bucket, data):
    """On any machine, it ends as if it had not been interrupted."""
    keras.utils.set_random_seed(1)
    whole, _ = trained(bucket, data, "whole.{epoch}.keras", 6)
    keras.utils.set_random_seed(1)
    trained(bucket, data, epochs=4)
    model, callback = trained(bucket, data, epochs=6, resume=True)
    assert callback.restored.path == at(bucket, "w.4.keras")
    assert same_weights(model, whole)
    lines = [one.record.run for one in list_checkpoints(at(bucket))]
    assert len(set(lines)) == 2


def test_pruning(bucket, data):
    """It uses the journals of all runs."""
    trained(bucket, data)
    trained(bucket, data, "v.{epoch}.keras")
    deleted = prune_checkpoints(at(bucket), keep_latest=2, dry_run=False)
    assert names(bucket)[-2:] == ["v.2.keras", "v.3.keras"]
    assert len(names(bucket)) == 6 - len(deleted) <= 3
    assert set(statuses(bucket).values()) == {"good"}


def test_a_flipped_bit(server, bucket, data, tmp_path):
    """Every reader of the object finds it, and leaves nothing on this machine."""
    trained(bucket, data)
    path = bucket / "run" / "w.3.keras"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    server.refresh()
    assert statuses(bucket)["w.3.keras"] == "damaged"
    damaged = at(bucket, "w.3.keras")
    with pytest.raises(RestoreError, match=f"{damaged} is damaged: its crc32 is"):
        restore_checkpoint(make_model(keras), damaged)
    with pytest.raises(RestoreError, match=f"{damaged} is damaged: it has"):
        fetch_checkpoint(damaged, tmp_path / "models")
    assert list((tmp_path / "models").iterdir()) == []
    with pytest.warns(CheckpointWarning, match=r"Not resumed from .*w\.3\.keras"):
        _, callback = trained(bucket, data, epochs=4, resume=True)
    assert callback.restored.epochs_done == 2


def test_what_is_fetched_overwrites_nothing(bucket, data, tmp_path):
    """The same file is kept; another file with its name raises an error."""
    trained(bucket, data)
    copy = fetch_checkpoint(at(bucket, "w.3.keras"), tmp_path)
    assert fetch_checkpoint(at(bucket, "w.3.keras"), tmp_path) == copy
    (tmp_path / "w.2.keras").write_bytes(b"mine")
    with pytest.raises(FileExistsError, match="`to` must be a folder without another"):
        fetch_checkpoint(at(bucket, "w.2.keras"), tmp_path)
    assert (tmp_path / "w.2.keras").read_bytes() == b"mine"
    assert len(list(tmp_path.iterdir())) == 2
    with pytest.raises(FileNotFoundError, match="there is no such object"):
        fetch_checkpoint(at(bucket, "w.9.keras"), tmp_path)


# Before the first batch


def refusal(path):
    begun = time.monotonic()
    with pytest.raises(OSError) as raised:  # noqa: PT011 - each test looks at it
        fit(
            make_model(keras),
            [np.zeros((4, 3)), np.zeros((4, 1))],
            ModelCheckpoint(path),
        )
    assert time.monotonic() - begun < 30, "it takes 10 seconds on an idle machine"
    assert SECRET not in str(raised.value)
    return raised.value


def test_no_bucket(bucket):
    """One sentence that names the address."""
    error = refusal("s3://missing-bucket/w.keras")
    assert isinstance(error, FileNotFoundError)
    assert "there is no such bucket" in str(error)
    assert "s3://missing-bucket" in str(error)


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_a_wrong_key(bucket, monkeypatch, name):
    """The message points to the environment, and shows no key."""
    monkeypatch.setenv(name, "another-key-of-somebody")
    error = refusal(at(bucket, "w.keras"))
    assert isinstance(error, PermissionError)
    assert "the store refuses access" in str(error)
    assert "AWS_*" in str(error)
    assert "another-key" not in str(error)


def test_no_server(bucket, monkeypatch):
    """It is given up sooner than in the middle of a training."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert "the store cannot be reached" in str(refusal(at(bucket, "w.keras")))


def test_http_is_for_those_who_say_so(bucket, data, monkeypatch):
    """Otherwise, keys and checkpoints could be read on the way."""
    monkeypatch.delenv("AWS_ALLOW_HTTP")
    with pytest.raises(
        ValueError, match=r"AWS_ENDPOINT_URL .* set AWS_ALLOW_HTTP=true"
    ):
        trained(bucket, data)
    assert list(bucket.iterdir()) == []


def test_no_key_is_left_anywhere(bucket, data, capfd):
    """Not in a journal, in the output, or in the objects."""
    _, callback = trained(bucket, data, verbose=1)
    printed = "".join(capfd.readouterr())
    stored = b"".join(path.read_bytes() for path in bucket.rglob("*.*"))
    for key in ("modelcheckpoint-test", SECRET):
        assert key not in printed
        assert key.encode() not in stored
        assert key not in repr(vars(callback))


# During training


def test_a_small_number_of_objects(bucket, data):
    """Apart from the checkpoints, there is one journal, and nothing from the check."""
    trained(bucket, data)
    journals = [name for name in objects(bucket) if name.endswith(".jsonl")]
    assert len(journals) == 1
    assert len(objects(bucket)) == 4
    assert SAMPLES
