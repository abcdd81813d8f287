"""A model in parts on several JAX processes: saved, read and resumed as a whole."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from modelcheckpoint import (
    latest_checkpoint,
    list_checkpoints,
    prune_checkpoints,
    verify_checkpoints,
)

keras = pytest.importorskip("keras", minversion="3.15")
pytest.importorskip("orbax.checkpoint")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        os.environ["KERAS_BACKEND"] != "jax", reason="JAX alone spreads one model so"
    ),
]

RUNNER = str(Path(__file__).with_name("run_parts.py"))
SECONDS = 120
KILLS = int(os.environ.get("KILLS", "2"))


@contextlib.contextmanager
def processes(folder, count=2, devices=2, epochs=2, limit=60, **more):
    """Start the processes of one training; none outlives the block."""
    report = folder / "report"
    report.mkdir(exist_ok=True)
    for old in report.iterdir():
        old.unlink()
    rest = {
        "processes": count,
        "devices": devices,
        "epochs": epochs,
        "folder": str(folder / "w"),
        "report": str(report),
        **more,
    }
    near = {name: "" for name in os.environ if name.lower().endswith("_proxy")}
    command = [sys.executable, RUNNER]
    port = str(free_port())
    started = [
        subprocess.Popen(
            [*command, str(rank), port, json.dumps(rest)],
            env={**os.environ, **near, "MODELCHECKPOINT_PEER_TIMEOUT": str(limit)},
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(count)
    ]
    try:
        yield started
    finally:
        for process in started:
            process.kill()
            process.communicate()


def train(folder, count=2, **more):
    """Train to the end, and return what each process reports."""
    with processes(folder, count, **more) as started:
        for process in started:
            _, errors = process.communicate(timeout=SECONDS)
            assert process.returncode == 0, errors[-3000:]
    reports = [folder / "report" / f"{rank}.json" for rank in range(count)]
    return [json.loads(report.read_text("utf-8")) for report in reports]


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def plain_model():
    layers = [keras.layers.Dense(8, name="dense_a"), keras.layers.Dropout(0.25)]
    last = keras.layers.Dense(4, name="dense_b")
    model = keras.Sequential([keras.Input((4,)), *layers, last], name="sequential")
    model.compile("adam", loss="mean_squared_error")
    return model


def rows():
    return np.random.default_rng(0).normal(size=(32, 4)).astype("float32")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """What two processes with half of the model each have saved and reported."""
    folder = tmp_path_factory.mktemp("saved")
    return folder, train(folder, rows=1)


def test_saved_by_two_and_read_by_anyone(saved, tmp_path):
    """Plain Keras reads it on one device, on any backend; a flipped bit is found."""
    folder, reports = saved
    assert [report["error"] for report in reports] == [None, None]
    assert [report["problems"] for report in reports] == [[], []]
    assert [report["share"] for report in reports] == [0.5, 0.5]
    shutil.copytree(folder / "w", tmp_path / "w")
    there = sorted(os.listdir(tmp_path / "w"))
    assert there == ["01.orbax", "02.orbax", "modelcheckpoint.jsonl"]
    assert {found.status for found in verify_checkpoints(tmp_path / "w")} == {"good"}
    parts = tmp_path / "w" / "02.orbax" / "0" / "pytree"
    assert {"ocdbt.process_0", "ocdbt.process_1"} <= set(os.listdir(parts))

    newest, x = latest_checkpoint(tmp_path / "w"), rows()
    model = plain_model()
    model.load_weights(newest)
    loss = model.evaluate(x, x, batch_size=16, verbose=0)
    assert loss == pytest.approx(reports[0]["loss"], rel=1e-5)
    loaded = keras.models.load_model(newest)
    assert loaded.evaluate(x, x, batch_size=16, verbose=0) == pytest.approx(loss)
    assert on_tensorflow(newest) == pytest.approx(loss, rel=1e-4)

    part = max(parts.glob("ocdbt.process_1/d/*"), key=lambda path: path.stat().st_size)
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 1
    part.write_bytes(data)
    statuses = {f.path: f.status for f in verify_checkpoints(tmp_path / "w")}
    assert statuses == {"01.orbax": "good", "02.orbax": "damaged"}


def on_tensorflow(path):
    pytest.importorskip("tensorflow")
    code = (
        "import sys, keras, numpy as np\n"
        "x = np.random.default_rng(0).normal(size=(32, 4)).astype('float32')\n"
        "model = keras.models.load_model(sys.argv[1])\n"
        "print(model.evaluate(x, x, batch_size=16, verbose=0))\n"
    )
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow"}
    command = [sys.executable, "-c", code, path]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return float(done.stdout.split()[-1])


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The loss of an uninterrupted training."""
    return train(tmp_path_factory.mktemp("whole"), epochs=4)[0]["loss"]


@pytest.mark.parametrize(("count", "devices"), [(4, 1), (1, 1)])
def test_other_processes_go_on(count, devices, saved, whole, tmp_path):
    """Other numbers of processes end as the two that saved it would have."""
    shutil.copytree(saved[0] / "w", tmp_path / "w")
    reports = train(tmp_path, count, devices=devices, epochs=4, given={"resume": True})
    for report in reports:
        assert report["error"] is None
        assert report["problems"] == []
        assert report["epochs"] == [2, 3]
        assert report["loss"] == pytest.approx(whole, rel=1e-4)


def test_two_callbacks_that_save_in_parts(whole, tmp_path):
    """Neither callback interferes with the other, or with training."""
    reports = train(
        tmp_path,
        epochs=4,
        scores=[3, 1, 2, 0.5],
        given={"monitor": "score", "save_best_only": True, "mode": "min"},
        second={
            "monitor": "score",
            "mode": "min",
            "save_weights_only": True,
            "keep_latest": 2,
        },
    )
    for report in reports:
        assert report["error"] is None
        assert report["problems"] == []
        assert report["loss"] == pytest.approx(whole, rel=1e-5)
    folder = tmp_path / "w"
    best, latest = ["01", "02", "04"], ["03-second", "04-second"]
    assert saved_in(folder) == {f"{name}.orbax" for name in [*best, *latest]}
    assert {found.status for found in verify_checkpoints(folder)} == {"good"}

    x = rows()
    weights, full = plain_model(), keras.models.load_model(folder / "04.orbax")
    weights.load_weights(folder / "04-second.orbax")
    for model in (weights, full):
        loss = model.evaluate(x, x, batch_size=16, verbose=0)
        assert loss == pytest.approx(whole, rel=1e-5)

    # Which of the last epoch's two is the newest, and which the best, is random.
    prune_checkpoints(folder, keep_latest=1, dry_run=False)
    assert set() < saved_in(folder) <= {"04.orbax", "04-second.orbax"}


def saved_in(folder):
    return {os.path.basename(found.path) for found in list_checkpoints(folder)}


def test_folders_that_are_not_shared(tmp_path):
    """Each process reports it at the first save, and none waits."""
    for report in train(tmp_path, own_folder=True, limit=10):
        assert "Process 1 does not see the files" in report["error"]
    for rank in (0, 1):
        left = os.listdir(tmp_path / "w" / str(rank)) if rank == 0 else []
        assert [name for name in left if "orbax" in name] == []


def test_a_process_that_does_not_come(tmp_path):
    """The others raise when time is up, name it, and leave no checkpoint."""
    with processes(tmp_path, epochs=2, sleep_at=1, limit=10) as started:
        started[0].communicate(timeout=SECONDS)
    report = json.loads((tmp_path / "report" / "0.json").read_text("utf-8"))
    assert report["error"].startswith("CheckpointError: Process 1 of 2 did not arrive")
    assert sorted(os.listdir(tmp_path / "w")) == ["01.orbax", "modelcheckpoint.jsonl"]


def newest_epoch(folder):
    """Return the epoch of the newest checkpoint; none may be torn."""
    if not folder.exists():  # killed before the first one
        return 0
    assert {found.status for found in verify_checkpoints(folder)} <= {"good"}
    return max((one.epoch for one in list_checkpoints(folder)), default=0)


@pytest.mark.parametrize("who", ["one", "all"])
def test_killed_at_any_moment(who, tmp_path):
    """No file is torn under its name, and the next start continues from there."""
    moments, done = random.Random(who), 0
    for _ in range(KILLS):
        epochs = done + 3
        given = {"resume": True}
        more = {"epochs": epochs, "given": given, "pause": 0.2, "width": 512}
        with processes(tmp_path, **more) as started:
            time.sleep(moments.uniform(5, 14))
            for process in started if who == "all" else [moments.choice(started)]:
                process.kill()
            time.sleep(0.5)
        done = newest_epoch(tmp_path / "w")
    reports = train(tmp_path, epochs=done + 1, given={"resume": True}, width=512)
    assert [report["error"] for report in reports] == [None, None]
    assert reports[0]["epochs"] == [done]
