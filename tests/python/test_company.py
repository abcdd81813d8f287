"""One fit with every callback that Keras users combine: each one still works.

In the fourth epoch (of 10), a learning rate that is far too high makes the model
worse. Then ReduceLROnPlateau and, an epoch later, EarlyStopping have work to do.
"""

from __future__ import annotations

import csv
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs

import numpy as np
import pytest
from company import (  # noqa: F401  (a fixture)
    EVERY,
    adam_model,
    missing,
    ours_first,
    ours_last,
    same_start,
)
from conftest import checkpoints, fit, lines, names

from modelcheckpoint import ModelCheckpoint

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("same_start")]

BATCHES = [4, 4, 4, 4, 4, 4, 1]
RATES = [0.01, 0.01, 0.01, 1.0, 0.1]  # of the five epochs that are trained


@pytest.fixture
def monitor_server(monkeypatch):
    """Serve HTTP on loopback; yield its address and the epochs that were posted."""
    posted = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            posted.append(json.loads(parse_qs(body)["data"][0]))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments):
            pass

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", posted
        server.shutdown()
        thread.join(60)


class Company:
    """All callbacks of one fit, by name, and what each of them must have done."""

    def __init__(self, K, folder, server, swap_on_epoch=None):
        self.K, self.folder = K, folder
        self.address, self.posted = server
        self.epochs, self.rates, self.backups = [], [], []
        self.model = adam_model(K, ema=swap_on_epoch is not None)
        self.swap_on_epoch = swap_on_epoch
        self.ours = folder / "ours"
        made = {name: getattr(self, name) for name in PARTS}
        self.callbacks = {n: make() for n, make in made.items() if self.has(n)}

    def has(self, name):
        if name == "SwapEMAWeights" and self.swap_on_epoch is None:
            return False
        return name.startswith("our") or missing(self.K, name) is None

    def fit(self, data, ordered):
        arguments = {"epochs": 10, "validation_data": data, "verbose": 1}
        return fit(self.model, data, *ordered, **arguments).history

    # The callbacks

    def our_best(self):
        return ModelCheckpoint(self.ours / "best.keras", save_best_only=True)

    def our_samples(self):
        return ModelCheckpoint(self.ours / "{samples}.keras", save_freq=EVERY)

    def CSVLogger(self):
        return self.K.callbacks.CSVLogger(str(self.folder / "log.csv"))

    def EarlyStopping(self):
        arguments = {"patience": 2, "restore_best_weights": True}
        return self.K.callbacks.EarlyStopping("val_loss", **arguments)

    def LambdaCallback(self):
        backup = self.folder / "backup"

        def epoch_begins(epoch, logs=None):
            self.epochs.append(epoch)
            self.backups.append(backup.exists() and len(names(backup)) > 0)

        def batch_begins(batch, logs=None):
            if batch == 0:
                self.rates.append(float(np.array(self.model.optimizer.learning_rate)))

        hooks = {"on_epoch_begin": epoch_begins, "on_train_batch_begin": batch_begins}
        return self.K.callbacks.LambdaCallback(**hooks)

    def LearningRateScheduler(self):
        def schedule(epoch, rate):
            return 1.0 if epoch == 3 else rate

        return self.K.callbacks.LearningRateScheduler(schedule)

    def ProgbarLogger(self):
        return self.K.callbacks.ProgbarLogger()

    def ReduceLROnPlateau(self):
        arguments = {"factor": 0.1, "patience": 1}
        return self.K.callbacks.ReduceLROnPlateau("val_loss", **arguments)

    def RemoteMonitor(self):
        return self.K.callbacks.RemoteMonitor(self.address, "/epochs", field="data")

    def TensorBoard(self):
        return self.K.callbacks.TensorBoard(str(self.folder / "board"))

    def TerminateOnNaN(self):
        return self.K.callbacks.TerminateOnNaN()

    def BackupAndRestore(self):
        return self.K.callbacks.BackupAndRestore(str(self.folder / "backup"))

    def SwapEMAWeights(self):
        return self.K.callbacks.SwapEMAWeights(self.swap_on_epoch)


PARTS = [
    "our_best",
    "CSVLogger",
    "EarlyStopping",
    "LambdaCallback",
    "LearningRateScheduler",
    "our_samples",
    "ProgbarLogger",
    "ReduceLROnPlateau",
    "RemoteMonitor",
    "TensorBoard",
    "TerminateOnNaN",
    "BackupAndRestore",
    "SwapEMAWeights",
]


def given(ours, others):
    return [ours[0], *others[:4], ours[1], *others[4:]]


def backwards(ours, others):
    return given(ours, others)[::-1]


def ours_in_the_middle(ours, others):
    return [*others[:5], *ours, *others[5:]]


ORDERS = [given, backwards, ours_first, ours_last, ours_in_the_middle]


@pytest.mark.parametrize("name", [n for n in PARTS if not n.startswith("our")])
def test_who_is_here(K, name):
    """If a callback is missing here, its test is reported as skipped."""
    reason = missing(K, name)
    if reason:
        pytest.skip(reason)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.keras2
def test_everyone_does_their_job(K, order, tmp_path, data, monitor_server, capsys):
    """In any order, every callback has the effect that it has on its own."""
    company = Company(K, tmp_path, monitor_server)
    history = company.fit(data, ordered(company, order))
    said = capsys.readouterr().out
    best = int(np.argmin(history["val_loss"]))
    assert best == 2
    check_keras_own(company, history, said)
    check_ours(company, history, best)
    assert "ModelCheckpoint reported" not in said
    # EarlyStopping has restored the best weights, which are what we saved.
    saved = K.models.load_model(str(company.ours / "best.keras"))
    for one, other in zip(saved.get_weights(), company.model.get_weights()):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("swap_on_epoch", [False, True])
@pytest.mark.parametrize("order", [given, backwards])
def test_with_averaged_weights(
    K, order, swap_on_epoch, tmp_path, data, monitor_server, capsys
):
    """SwapEMAWeights, which swaps the weights back and forth, disturbs no callback."""
    if missing(K, "SwapEMAWeights"):
        pytest.skip(missing(K, "SwapEMAWeights"))
    company = Company(K, tmp_path, monitor_server, swap_on_epoch)
    history = company.fit(data, ordered(company, order))
    said = capsys.readouterr().out
    check_keras_own(company, history, said)
    check_ours(company, history, int(np.argmin(history["val_loss"])))
    assert "ModelCheckpoint reported" not in said


def ordered(company, order):
    callbacks = dict(company.callbacks)
    ours = [callbacks.pop("our_best"), callbacks.pop("our_samples")]
    return order(ours, list(callbacks.values()))


def check_keras_own(company, history, said):
    epochs = len(RATES)
    # EarlyStopping; LambdaCallback saw it.
    assert company.epochs == list(range(epochs))
    assert len(history["val_loss"]) == epochs
    # LearningRateScheduler raised the rate, ReduceLROnPlateau reduced it.
    assert company.rates == pytest.approx(RATES)
    # CSVLogger
    with open(company.folder / "log.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == list(range(epochs))
    losses = [float(row["val_loss"]) for row in rows]
    assert losses == pytest.approx(history["val_loss"])
    # ProgbarLogger
    assert said.count("7/7") >= epochs
    assert f"Epoch {epochs}/10" in said
    # RemoteMonitor
    if company.has("RemoteMonitor"):
        assert [post["epoch"] for post in company.posted] == list(range(epochs))
        posted = [post["val_loss"] for post in company.posted]
        assert posted == pytest.approx(history["val_loss"])
    # TensorBoard
    if company.has("TensorBoard"):
        kinds = {name.split("/")[0] for name in names(company.folder / "board")}
        assert {"train", "validation"} <= kinds
    # BackupAndRestore: there from the second epoch on, and gone at the end.
    assert company.backups == [False, True, True, True, True]
    assert names(company.folder / "backup") == []


def check_ours(company, history, best):
    written = lines(company.ours)
    bests = [line for line in written if line["path"] == "best.keras"]
    assert bests[-1]["epoch"] == best + 1
    assert bests[-1]["value"] == pytest.approx(history["val_loss"][best])
    falling_due = due_at(EVERY, BATCHES * len(RATES))
    others = [line for line in written if line["path"] != "best.keras"]
    assert [line["samples"] for line in others] == falling_due
    wanted = [f"{samples}.keras" for samples in falling_due]
    assert checkpoints(company.ours) == sorted(["best.keras", *wanted])
    for name in checkpoints(company.ours):
        company.K.models.load_model(str(company.ours / name))
    for name in ("our_best", "our_samples"):
        assert company.callbacks[name].problems == []


def due_at(every, sizes):
    due, since, total = [], 0, 0
    for size in sizes:
        since, total = since + size, total + size
        if since >= every:
            due.append(total)
            since = 0
    return due
