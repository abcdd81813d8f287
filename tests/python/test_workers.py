"""Several workers, as real processes: only the chief writes, and none hangs."""

from __future__ import annotations

import contextlib
import json
import os

import pytest
from conftest import checkpoints, lines, names
from keras_process import KerasProcess
from two_processes import free_ports

from modelcheckpoint import CheckpointError

pytestmark = pytest.mark.slow

SECONDS = 90
BACKEND = os.environ["KERAS_BACKEND"]
KINDS = {"tensorflow": ["keras", "tf_keras"]}.get(BACKEND, [BACKEND])
SAVED_AT = {
    "torch": [12, 24, 36, 48],  # each process trains on its own
    "jax": [16, 32, 48, 64, 80, 96],  # 4 of each process: batches of 8
    "keras": [12, 24, 36, 48],  # 2 of each: batches of 4
    "tf_keras": [12, 24, 36, 48],
}


def run_workers(kind, folder):
    """Run two workers to their end, and return what each of them reports."""
    if BACKEND == "jax" and not has_distribution():
        pytest.skip("this Keras cannot spread a model over processes")
    ports = free_ports()
    near = {name: "" for name in os.environ if name.lower().endswith("_proxy")}
    with contextlib.ExitStack() as stack:
        workers = []
        for index in (0, 1):
            arguments = (kind, index, ports, folder)
            worker = KerasProcess("run_worker.py", *arguments, environment=near)
            stack.callback(worker.kill)
            workers.append(worker)
        for worker in workers:
            _, errors = worker.communicate(SECONDS)
            why = "killed, as it hung" if worker.returncode < 0 else worker.returncode
            assert worker.returncode == 0, f"{why}\n{errors[-3000:]}"
    return [json.loads((folder / f"{n}.json").read_text("utf-8")) for n in (0, 1)]


def has_distribution():
    import keras

    return hasattr(keras, "distribution")


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_chief_writes(kind, tmp_path):
    """Of two processes that train one model, one writes each file and the one journal.

    Both finish with equal weights; samples are those of all workers. Both resume from
    the one file.
    """
    K = pytest.importorskip("tf_keras" if kind == "tf_keras" else "keras")
    reports, samples = run_workers(kind, tmp_path), SAVED_AT[kind]
    for report in reports:
        if report["keras"]:
            why = " ".join(report["keras"].split())[:100]
            pytest.skip(f"this Keras fails without any callback, too: {why}")
    if reports[0]["alone"] != pytest.approx(reports[1]["alone"]):
        pytest.skip("without any callback this Keras trains other weights in each")
    for report in reports:
        assert report["error"] is None
        assert report["problems"] == []
        assert (report["resumed"], report["restored"]) == ([1], True)
        assert report["same"]
    assert reports[0]["weights"] == pytest.approx(reports[1]["weights"])
    written = tmp_path / "w"
    whole = [f"{count}.keras" for count in samples]
    wanted = sorted(["1.weights.h5", "2.weights.h5", *whole])
    assert checkpoints(written) == wanted
    journal = lines(written)
    assert sorted(line["path"] for line in journal) == wanted
    assert len({line["run"] for line in journal}) == 2  # one for each callback
    counted = [x["samples"] for x in journal if x["path"].endswith(".keras")]
    assert counted == samples
    model = K.Sequential([K.Input((4,)), K.layers.Dense(2)])
    model.load_weights(str(written / "2.weights.h5"))
    sums = [float(weights.sum()) for weights in model.get_weights()]
    assert sums == pytest.approx(reports[0]["weights"])


@pytest.mark.skipif(BACKEND != "jax", reason="JAX alone spreads one array so")
def test_an_array_that_the_chief_cannot_read(tmp_path):
    """A model spread over processes raises an error in each of them, and none hangs."""
    reports = run_workers("jax-sharded", tmp_path)
    for report in reports:
        assert report["keras"] is None
        assert report["error"].startswith(CheckpointError.__name__)
        assert "kernel' is spread over several processes" in report["error"]
    assert names(tmp_path / "w") == []
