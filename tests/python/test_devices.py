"""Several devices in one process, on JAX; TensorFlow's are in test_data.py."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import keras
import pytest

from modelcheckpoint import verify_checkpoints

SCRIPT = Path(__file__).parent / "run_devices.py"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        os.environ["KERAS_BACKEND"] != "jax" or not hasattr(keras, "distribution"),
        reason="other backends cannot spread a model so",
    ),
]


@pytest.mark.parametrize("kind", ["data", "model"])
def test_a_model_on_eight_devices(kind, tmp_path):
    """Every format is saved, restored, and resumed to the weights of a whole run.

    Except weights alone in HDF5, which hold no optimizer state.
    """
    command = [sys.executable, str(SCRIPT), kind, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    reports = [json.loads(x) for x in done.stdout.splitlines() if x.startswith("{")]
    reports, loaded = reports[:-2] if reads_orbax() else reports, reports[-2:]
    assert len(reports) == (5 if reads_orbax() else 4)
    for report in reports:
        assert report["devices"] == 8
        assert report["in_parts"] == (kind == "model")
        assert report["resumed_at"] == 2
        assert report["same"] or report["suffix"] == "hdf5"
        assert report["restored"]
        assert report["problems"] == []
    found = verify_checkpoints(tmp_path)
    assert len(found) == 3 * len(reports) + (1 if reads_orbax() else 0)
    assert {one.status for one in found} == {"good"}
    if reads_orbax():
        assert [report["same"] for report in loaded] == [True, True]
        assert [report["like"] for report in loaded] == [True, True]
        parts = [["first", "last"], ["last"]] if kind == "model" else [[], []]
        assert [report["parts"] for report in loaded] == parts


def reads_orbax():
    """Whether this Keras reads `.orbax` folders, and has the packages for it."""
    return hasattr(keras.callbacks, "OrbaxCheckpoint") and find_spec("orbax")
