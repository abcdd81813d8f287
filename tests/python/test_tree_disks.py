"""Real disk faults in the middle of a real fit that saves trees."""

from __future__ import annotations

import gc
import os
import warnings

import pytest
from conftest import descriptors, fit, make_model
from local_trees import left_behind
from test_faults import BREAKS, FAULTS, MENDED, Breaker, disk  # noqa: F401 - a fixture

from modelcheckpoint import ModelCheckpoint, verify_checkpoints

keras = pytest.importorskip("keras", minversion="3.4")
pytest.importorskip("orbax.checkpoint")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="mounts, links and limits"),
]


# If Orbax learns of a failed write after its loop is closed, the loop logs an unhandled
# error when it is garbage collected.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", FAULTS)
def test_training_goes_on(name, data, request, tmp_path, caplog):
    """Saved trees stay, no part of a tree is left, and the next save succeeds."""
    fault = FAULTS[name]
    folder = request.getfixturevalue("disk") if fault.needs_disk else tmp_path
    path = folder / "in" / "{epoch}.orbax"
    callback = ModelCheckpoint(path, "loss")
    breaker = Breaker(fault, folder)
    breaker.callback = callback
    opened = []

    def look(epoch, logs):
        callback.wait()
        gc.collect()
        opened.append(descriptors())

    watch = keras.callbacks.LambdaCallback(on_epoch_end=look)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            model = make_model(keras)
            fit(model, data, callback, watch, breaker, epochs=MENDED + 1)
        finally:
            breaker.mend()
    problems = [text for text in callback.problems if "failed" in text]
    assert len(problems) == MENDED - BREAKS, callback.problems
    assert all(fault.says in text for text in problems), problems
    assert max(map(len, problems)) < 500
    ours = [r for r in caplog.records if r.name != "asyncio"]
    assert "orbax" not in "".join(r.getMessage() for r in ours)
    found = {one.path: one.status for one in verify_checkpoints(folder / "in")}
    good = [epoch for epoch in range(1, MENDED + 2) if not BREAKS <= epoch < MENDED]
    assert found == {f"{epoch}.orbax": "good" for epoch in good}
    assert left_behind(folder) == []
    assert opened[-1] <= opened[BREAKS - 2]
