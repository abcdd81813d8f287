"""A training that is killed and resumed ends as if it had not been killed."""

from __future__ import annotations

import json
import signal

import numpy as np
import pytest
from conftest import TF_KERAS, lines
from keras_process import run_with_keras

pytestmark = pytest.mark.slow


FORMATS = {
    "w.{epoch:02d}.keras": False,
    "w.{epoch:02d}.weights.h5": True,
    "w.{epoch:02d}.h5": False,
}


def run(folder, environment=None, **job):
    """Run the script; return its output, or None if it was killed."""
    folder.mkdir(exist_ok=True)
    arguments = (folder, json.dumps(job))
    status, said, errors = run_with_keras(
        "run_resumed.py", *arguments, environment=environment
    )
    if status == -signal.SIGKILL:
        return None
    assert status == 0, errors
    return said


def end_of(folder):
    with np.load(folder / "end.npz") as found:
        return [found[name] for name in found.files]


def assert_same_end(one, other):
    assert len(one) == len(other) > 10
    for here, there in zip(one, other):
        assert here.dtype == there.dtype
        assert np.array_equal(here, there)


@pytest.fixture(scope="session")
def unbroken(tmp_path_factory):
    """The state after six epochs in one process."""
    folder = tmp_path_factory.mktemp("unbroken")
    run(folder, name="w.weights.h5", callback={"save_weights_only": True})
    return end_of(folder)


def resumed(folder, kill, **job):
    assert run(folder, kill=kill, **job) is None
    return run(folder, **job)


@pytest.mark.parametrize("name", FORMATS)
def test_six_epochs_are_three_a_kill_and_three(name, tmp_path, unbroken):
    """Weights, optimizer and seed generators equal an uninterrupted run's."""
    arguments = {"resume": True, "save_weights_only": FORMATS[name]}
    out = resumed(tmp_path, ["epoch", 3], name=name, callback=arguments)
    assert "saved after epoch 3; epoch 4 is next\n" in out
    assert "epochs [4, 5, 6]" in out
    assert "problems []" in out
    assert_same_end(end_of(tmp_path), unbroken)
    assert len({line["run"] for line in lines(tmp_path)}) == 1


def test_two_kills(tmp_path, unbroken):
    """A resumed run can be resumed, even one that was killed within an epoch."""
    job = {"name": "w.{epoch}.keras", "callback": {"resume": True}}
    assert run(tmp_path, kill=["epoch", 2], **job) is None
    assert run(tmp_path, kill=["batch", 12], **job) is None
    assert "epochs [5, 6]" in run(tmp_path, **job)
    assert_same_end(end_of(tmp_path), unbroken)


@pytest.mark.parametrize("build", ["none", "subclassed"])
def test_a_model_that_its_first_batch_builds(build, tmp_path, unbroken):
    """The journal says how it was built; a name without fields is the newest state."""
    job = {"name": "w.keras", "callback": {"resume": True}, "build": build}
    assert "epochs [4, 5, 6]" in resumed(tmp_path, ["epoch", 3], **job)
    assert_same_end(end_of(tmp_path), unbroken)


def test_a_kill_while_a_save_is_in_flight(tmp_path):
    """What was not durable yet is trained again; the end is the same."""
    job = {"name": "w.{epoch}.keras", "callback": {"resume": True}, "width": 1024}
    unbroken = tmp_path / "unbroken"
    run(unbroken, **job)
    out = resumed(tmp_path, ["epoch", 3], **job)
    assert "epochs [3, 4, 5, 6]" in out or "epochs [4, 5, 6]" in out
    assert_same_end(end_of(tmp_path), end_of(unbroken))


@pytest.mark.remote
@pytest.mark.parametrize("name", FORMATS)
def test_a_kill_and_another_machine(name, server, bucket, tmp_path, unbroken):
    """The second machine needs only what the object store has confirmed."""
    job = {"name": name, "store": f"s3://{bucket.name}/run"}
    job["callback"] = {"resume": True, "save_weights_only": FORMATS[name]}
    first, second = tmp_path / "first", tmp_path / "second"
    assert run(first, server.environment, kill=["epoch", 4], **job) is None
    out = run(second, server.environment, **job)
    assert "epochs [4, 5, 6]" in out or "epochs [5, 6]" in out
    assert "problems []" in out
    assert_same_end(end_of(second), unbroken)


@pytest.mark.skipif(not TF_KERAS, reason="tf_keras is not here")
def test_tf_keras_without_dropout(tmp_path):
    """tf_keras starts at the right epoch, too; the state of its Dropout is lost."""
    job = {"name": "w.{epoch}.keras", "keras": "tf_keras", "dropout": False}
    job["callback"] = {"resume": True}
    unbroken = tmp_path / "unbroken"
    run(unbroken, **job)
    assert "epochs [4, 5, 6]" in resumed(tmp_path, ["epoch", 3], **job)
    assert_same_end(end_of(tmp_path), end_of(unbroken))
