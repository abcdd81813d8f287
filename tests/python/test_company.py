"""One fit with every callback that a Keras user combines: each still does its job.

A rate that is far too high in the fourth epoch (of 10) makes the model worse: that is
when ReduceLROnPlateau and, an epoch later, EarlyStopping have something to do.
"""

from __future__ import annotations

import csv
import importlib.util
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs

import h5py
import numpy as np
import pytest
from conftest import checkpoints, fit, lines, names

from modelcheckpoint import ModelCheckpoint

pytestmark = pytest.mark.slow

BATCHES = [4, 4, 4, 4, 4, 4, 1]
RATES = [0.01, 0.01, 0.01, 1.0, 0.1]  # of the five epochs that are trained
EVERY = 30
NEEDS = {"RemoteMonitor": ["requests"], "TensorBoard": ["tensorflow", "tensorboard"]}


@pytest.fixture(autouse=True)
def _same_start(K):
    K.utils.set_random_seed(7)


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
        thread.join(10)


def make_model(K, ema=False):
    model = K.Sequential([K.Input((3,)), K.layers.Dense(2), K.layers.Dense(1)])
    average = {"use_ema": True, "ema_momentum": 0.5} if ema else {}
    model.compile(K.optimizers.Adam(0.01, **average), loss="mean_squared_error")
    return model


def missing(K, name):
    """Return why Keras' callback cannot be had here, or None."""
    if not hasattr(K.callbacks, name):
        return f"this {K.__name__} has no {name}"
    for package in NEEDS.get(name, ()):
        if importlib.util.find_spec(package) is None:
            return f"Keras' {name} needs the package {package}, which is not here"
    return None


class Company:
    """All callbacks of one fit, by name, and what each of them must have done."""

    def __init__(self, K, folder, server, swap_on_epoch=None):
        self.K, self.folder = K, folder
        self.address, self.posted = server
        self.epochs, self.rates, self.backups = [], [], []
        self.model = make_model(K, ema=swap_on_epoch is not None)
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


def ours_first(ours, others):
    return [*ours, *others]


def ours_last(ours, others):
    return [*others, *ours]


def ours_in_the_middle(ours, others):
    return [*others[:5], *ours, *others[5:]]


ORDERS = [given, backwards, ours_first, ours_last, ours_in_the_middle]


@pytest.mark.parametrize("name", [n for n in PARTS if not n.startswith("our")])
def test_who_is_here(K, name):
    """Where one of the company is missing, this is where it is seen."""
    reason = missing(K, name)
    if reason:
        pytest.skip(reason)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.keras2
def test_everyone_does_their_job(K, order, tmp_path, data, monitor_server, capsys):
    """In any order of the list, every callback has the effect that it has alone."""
    company = Company(K, tmp_path, monitor_server)
    history = company.fit(data, ordered(company, order))
    said = capsys.readouterr().out
    best = int(np.argmin(history["val_loss"]))
    assert best == 2
    check_keras_own(company, history, said)
    check_ours(company, history, best)
    assert "ModelCheckpoint met" not in said
    # EarlyStopping has given the best weights back, and those are what we saved.
    saved = K.models.load_model(str(company.ours / "best.keras"))
    for one, other in zip(saved.get_weights(), company.model.get_weights()):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("swap_on_epoch", [False, True])
@pytest.mark.parametrize("order", [given, backwards])
def test_with_averaged_weights(
    K, order, swap_on_epoch, tmp_path, data, monitor_server, capsys
):
    """SwapEMAWeights, which trades the weights to and fro, disturbs nobody."""
    if missing(K, "SwapEMAWeights"):
        pytest.skip(missing(K, "SwapEMAWeights"))
    company = Company(K, tmp_path, monitor_server, swap_on_epoch)
    history = company.fit(data, ordered(company, order))
    said = capsys.readouterr().out
    check_keras_own(company, history, said)
    check_ours(company, history, int(np.argmin(history["val_loss"])))
    assert "ModelCheckpoint met" not in said


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


# What SwapEMAWeights leaves in the model


@pytest.mark.parametrize("swap_on_epoch", [False, True])
@pytest.mark.parametrize("place", ["first", "last"])
def test_averaged_weights_are_saved_as_keras_saves_them(
    K, place, swap_on_epoch, tmp_path, data
):
    """The weights saved are those that Keras' own callback saves at our place."""
    if missing(K, "SwapEMAWeights"):
        pytest.skip(missing(K, "SwapEMAWeights"))
    (tmp_path / "theirs").mkdir()
    callbacks = []
    for name, save_freq in (("{epoch}", "epoch"), ("{epoch}-{batch}", 3)):
        kind = {"save_weights_only": True, "save_freq": save_freq}
        paths = [tmp_path / f / f"{name}.weights.h5" for f in ("ours", "theirs")]
        callbacks.append(ModelCheckpoint(paths[0], save_freq_unit="batches", **kind))
        callbacks.append(K.callbacks.ModelCheckpoint(str(paths[1]), **kind))
    swap = K.callbacks.SwapEMAWeights(swap_on_epoch)
    callbacks.insert(0 if place == "first" else len(callbacks), swap)
    arguments = {"epochs": 3, "validation_data": data}
    fit(make_model(K, ema=True), data, *callbacks, **arguments)
    saved = names(tmp_path / "theirs")
    assert len(saved) == 3 + 7
    assert checkpoints(tmp_path / "ours") == saved
    for name in saved:
        ours, theirs = (contents(tmp_path / f / name) for f in ("ours", "theirs"))
        assert ours.keys() == theirs.keys()
        assert all(np.array_equal(ours[key], theirs[key]) for key in ours)
    # Neither is the test empty: while it is swapped in, the average is another model.
    last = contents(tmp_path / "ours" / "3.weights.h5")
    middle = contents(tmp_path / "ours" / "3-7.weights.h5")
    weights = [key for key in last if key.startswith(("layers", "_layer"))]
    same = all(np.allclose(last[key], middle[key], rtol=1e-3) for key in weights)
    assert same is not (swap_on_epoch and place == "first")


def contents(path):
    """Return all arrays of a file by their names in it."""
    found = {}
    with h5py.File(path, "r") as file:
        file.visititems(
            lambda name, item: (
                found.update({name: item[()]})
                if isinstance(item, h5py.Dataset)
                else None
            )
        )
    return found


# Ends that are not the ordinary one


@pytest.mark.parametrize("order", [ours_first, ours_last])
def test_terminate_on_nan(K, order, tmp_path, data):
    """When TerminateOnNaN stops training, the best model is untouched by it."""

    class Spoil(K.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                nan = [np.full_like(w, np.nan) for w in self.model.get_weights()]
                self.model.set_weights(nan)

    ours = [
        ModelCheckpoint(tmp_path / "best.keras", save_best_only=True),
        ModelCheckpoint(tmp_path / "{samples}.keras", save_freq=EVERY),
    ]
    callbacks = order(ours, [Spoil(), K.callbacks.TerminateOnNaN()])
    history = fit(make_model(K), data, *callbacks, epochs=5, validation_data=data)
    assert len(history.history["loss"]) == 3
    bests = [line for line in lines(tmp_path) if line["path"] == "best.keras"]
    assert [line["epoch"] for line in bests] == [1, 2]
    weights = K.models.load_model(str(tmp_path / "best.keras")).get_weights()
    assert all(np.isfinite(w).all() for w in weights)
    # One batch of the third epoch was trained, and its 4 samples do not make 30.
    assert max(x["samples"] for x in lines(tmp_path)) == 50
    assert [ours[0].problems, ours[1].problems] == [[], []]


@pytest.mark.parametrize("order", [ours_first, ours_last])
@pytest.mark.keras2
def test_backup_and_restore_after_a_crash(K, order, tmp_path, data):
    """A crashed run goes on at the epoch that BackupAndRestore kept, and so do we."""

    class Crash(Exception):
        pass

    class CrashOnce(K.callbacks.Callback):
        crashed = False
        epochs = []  # noqa: RUF012

        def on_epoch_begin(self, epoch, logs=None):
            self.epochs.append(epoch)
            if epoch == 2 and not CrashOnce.crashed:
                CrashOnce.crashed = True
                raise Crash

    def train():
        backup = K.callbacks.BackupAndRestore(str(tmp_path / "backup"))
        ours = [ModelCheckpoint(tmp_path / "ours" / "{epoch}.keras")]
        callbacks = order(ours, [backup, CrashOnce()])
        fit(make_model(K), data, *callbacks, epochs=4)

    with pytest.raises(Crash):
        train()
    train()
    assert CrashOnce.epochs == [0, 1, 2, 2, 3]
    assert [line["epoch"] for line in lines(tmp_path / "ours")] == [1, 2, 3, 4]
    assert checkpoints(tmp_path / "ours") == [f"{n}.keras" for n in (1, 2, 3, 4)]
