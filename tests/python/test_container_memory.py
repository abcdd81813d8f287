"""A container without memory for a copy of the model."""

from __future__ import annotations

import os

import pytest
from keras_process import run_with_keras

from modelcheckpoint import verify_checkpoints

keras = pytest.importorskip("keras", minversion="3.4")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="mounts, links and limits"),
]


def memory_controller():
    """Return the folder of a memory controller that can be changed here, or None."""
    for root in ("/sys/fs/cgroup/memory", "/sys/fs/cgroup"):
        folder = os.path.join(root, f"modelcheckpoint-{os.getpid()}")
        try:
            os.mkdir(folder)
        except OSError:
            continue
        if os.path.exists(os.path.join(folder, "memory.stat")):
            return folder
        os.rmdir(folder)
    return None


@pytest.fixture
def group():
    folder = memory_controller()
    if folder is None:
        pytest.skip("no memory controller can be changed here: needs root")
    yield folder
    os.rmdir(folder)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tried there only")
def test_a_container_without_memory_for_a_copy(group, tmp_path):
    """Training waits while Keras saves; one message says so, and nothing is killed."""
    suffixes = [".keras", ".weights.h5", ".h5", ".hdf5"]
    status, said, errors = run_with_keras(
        "run_container.py", group, tmp_path, *suffixes
    )
    assert status == 0, errors[-2000:]
    assert said.count("training waits") == 4, said
    assert said.count("saved []") == 4, said
    found = {one.path: one.status for one in verify_checkpoints(tmp_path)}
    names = [f"{name}{suffix}" for name in ("tiny", "w") for suffix in suffixes]
    assert found == dict.fromkeys(names, "good")
    assert list(tmp_path.rglob("*.tmp*")) == []
