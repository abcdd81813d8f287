"""How many requests a save to an object store makes, and a store that hangs."""

from __future__ import annotations

import itertools
import re
import threading
import time

import keras
import pytest
from conftest import SAMPLES, fit, make_model
from remote_runs import at, names, statuses, trained
from tcp_proxy import proxy_of

from modelcheckpoint import CheckpointWarning, ModelCheckpoint, list_checkpoints
from modelcheckpoint.storage import objects, storage_for

pytestmark = [pytest.mark.remote, pytest.mark.slow]


@pytest.fixture
def proxy(server, bucket, monkeypatch):
    with proxy_of(server, monkeypatch) as proxy:
        yield proxy


def requests_of_saves(proxy, bucket, data, name):
    """Return the requests of each save of a run, and the bytes that it sent."""
    seen = []
    callback = ModelCheckpoint(
        at(bucket, name),
        monitor="loss",
        on_saved=lambda record: seen.append((list(proxy.requests), proxy.sent)),
        background=False,
    )
    fit(make_model(keras), data, callback, epochs=5)
    pairs = list(itertools.pairwise(seen))
    requests = [after[0][len(before[0]) :] for before, after in pairs]
    return requests, [after[1] - before[1] for before, after in pairs]


def methods(requests):
    return [request.partition(" ")[0] for request in requests]


def fill(bucket, count):
    """Put checkpoints and journals of earlier runs right into the server's folder."""
    folder = bucket / "run"
    folder.mkdir(exist_ok=True)
    for number in range(count):
        (folder / f"old.{number:05}.keras").write_bytes(b"of earlier runs")


def test_a_save_costs_the_same_however_many_there_are(server, proxy, bucket, data):
    """One journal, one checkpoint, and one look at the name; deletions are extra."""
    early, _ = requests_of_saves(proxy, bucket, data, "w.{epoch}.keras")
    fill(bucket, 1500)
    (journal,) = (bucket / "run").glob("modelcheckpoint.*.jsonl")
    line = journal.read_bytes().splitlines(keepends=True)[0]
    for number in range(20):
        name = f"modelcheckpoint.0{number:02}.0001.jsonl"
        (bucket / "run" / name).write_bytes(line * (250_000 // len(line)))
    server.refresh()
    late, sent = requests_of_saves(proxy, bucket, data, "v.{epoch}.keras")
    assert {tuple(methods(one)) for one in early + late} == {("HEAD", "PUT", "PUT")}
    size = max(one.bytes for one in list_checkpoints(at(bucket)))
    assert max(sent) < size + (256 << 10) + 3 * 4096


def test_the_parts_of_an_upload_have_one_size(proxy, bucket):
    """Except for the last, whatever pieces are written: some stores require it."""
    part, rest = 8 << 20, 12_345
    data = memoryview(bytes(3 * part + rest))
    ends = [1, 999_999, 2 * part + 1, 2 * part + 7, len(data)]
    pieces = [data[start:end] for start, end in itertools.pairwise([0, *ends])]
    storage = storage_for(at(bucket))
    with storage.staged("w.keras", ".keras") as staged:
        staged.write([(piece, None) for piece in pieces])
        staged.publish()
    numbers = [re.search(r"partNumber=(\d+)", one) for one in proxy.requests]
    sizes = {int(m[1]): n for m, n in zip(numbers, proxy.lengths) if m}
    assert [sizes[number] for number in sorted(sizes)] == [part, part, part, rest]
    assert (bucket / "run" / "w.keras").stat().st_size == len(data)


def test_resume_reads_each_journal_once(proxy, bucket, data):
    """It finds the checkpoint and verifies it."""
    trained(bucket, data, epochs=1)
    trained(bucket, data, epochs=1)
    callback = ModelCheckpoint(at(bucket, "w.{epoch}.keras"), resume=True)
    proxy.requests.clear()
    fit(make_model(keras), data, callback, epochs=1)
    assert callback.restored.epochs_done == 1
    journals = re.compile(r"GET .*/(modelcheckpoint\.[^/?]+\.jsonl)")
    read = [match[1] for match in map(journals.match, proxy.requests) if match]
    assert sorted(read) == sorted(path.name for path in bucket.rglob("*.jsonl"))
    assert len(read) == 2


def test_ten_thousand_are_listed_by_a_request_for_a_thousand(
    server, proxy, bucket, data
):
    """Plus the requests for the journals."""
    trained(bucket, data, epochs=1)
    fill(bucket, 10_000)
    server.refresh()
    proxy.requests.clear()
    assert len(names(bucket)) == 10_001
    listings = [one for one in proxy.requests if one.startswith("GET") and "?" in one]
    others = [one for one in proxy.requests if one not in listings]
    assert len(listings) <= 11 + 4
    assert len(others) <= 2


def test_a_store_that_does_not_answer_at_first(proxy, bucket, data):
    """It soon raises an error, before the first batch."""
    proxy.hang()
    begun = time.monotonic()
    with pytest.raises(OSError, match="the store cannot be reached"):
        trained(bucket, data)
    assert time.monotonic() - begun < 60, "it takes 10 seconds on an idle machine"


def test_a_store_that_stops_answering(proxy, bucket, data, monkeypatch):
    """Training goes on, reports what is not saved, and saves again when possible."""
    monkeypatch.setattr(objects, "_QUIET", 0.5)
    saved = []
    callback = ModelCheckpoint(
        at(bucket, "w.{epoch}.keras"), on_saved=lambda record: saved.append(record.path)
    )

    def begin_epoch(epoch, logs):
        if epoch == 2:
            callback.wait()
            proxy.hang()
        if epoch == 5:
            proxy.go_on()

    model = make_model(keras)
    outage = keras.callbacks.LambdaCallback(on_epoch_begin=begin_epoch)
    with pytest.warns(CheckpointWarning, match=r"Not saved: .*, because the store"):
        model.fit(*data, callbacks=[callback, outage], epochs=6, verbose=0)
    assert saved == ["w.1.keras", "w.2.keras", "w.3.keras", "w.6.keras"]
    assert [text.partition(", because ")[0] for text in callback.problems] == [
        f"Not saved: {at(bucket, name)}" for name in ("w.4.keras", "w.5.keras")
    ]
    assert names(bucket) == saved
    assert set(statuses(bucket).values()) == {"good"}


def test_who_waits_for_a_store_that_hangs(proxy, bucket, data, monkeypatch):
    """`wait` returns once the save is confirmed, and the next `fit` loses nothing."""
    monkeypatch.setattr(objects, "_QUIET", 0.2)
    monkeypatch.setenv("MODELCHECKPOINT_UPLOAD_TIMEOUT", "1")
    saved = []
    callback = ModelCheckpoint(
        at(bucket, "w.{samples}.keras"),
        save_freq=SAMPLES,
        on_saved=lambda record: saved.append(record.path),
    )

    def hang_for_a_while(logs=None):
        proxy.hang()
        threading.Timer(4, proxy.go_on).start()

    def begin_epoch(epoch, logs):
        if epoch == 1:
            callback.wait()
            assert len(saved) == 1

    model = make_model(keras)
    outage = keras.callbacks.LambdaCallback(
        on_train_begin=hang_for_a_while, on_epoch_begin=begin_epoch
    )
    model.fit(*data, callbacks=[callback, outage], epochs=2, verbose=0)
    assert len(saved) == 2
    outage = keras.callbacks.LambdaCallback(on_train_begin=hang_for_a_while)
    with pytest.warns(CheckpointWarning, match="the store did not confirm it in the"):
        model.fit(*data, callbacks=[callback, outage], epochs=1, verbose=0)
    fit(model, data, callback, epochs=1)
    assert len(saved) == 4, "a later fit begins with samples, and names, from the start"
    assert sorted(set(saved)) == sorted(names(bucket))


def test_a_store_that_answers_nothing_to_the_end(proxy, bucket, data, monkeypatch):
    """`fit` ends within the time for uploads, and reports what is not saved."""
    monkeypatch.setenv("MODELCHECKPOINT_UPLOAD_TIMEOUT", "1")
    callback = ModelCheckpoint(at(bucket, "w.{epoch}.keras"))
    hang = keras.callbacks.LambdaCallback(on_train_begin=lambda logs: proxy.hang())
    model = make_model(keras)
    begun = time.monotonic()
    with pytest.warns(CheckpointWarning, match="the store did not confirm it in the"):
        model.fit(*data, callbacks=[callback, hang], epochs=1, verbose=0)
    assert time.monotonic() - begun < 14, "a request alone has 15 seconds"
    proxy.go_on()
    callback.wait()
    assert names(bucket) == ["w.1.keras"]
