"""`save_on_exit` in several processes: all save and leave at the end of one batch.

Two processes run all scenarios of run_exit_together.py, in which one or both get a
signal; each test checks one scenario.
"""

from __future__ import annotations

import importlib
import json
import signal

import numpy as np
import pytest
from peer_kinds import BACKEND, KERAS, Reports, needs_peers, only_with_all
from two_processes import run_two

from modelcheckpoint import latest_checkpoint, list_checkpoints, verify_checkpoints

SCRIPT = "run_exit_together.py"

pytestmark = [pytest.mark.slow, needs_peers]


@pytest.fixture(scope="module", params=["whole", "parts"])
def both(request, tmp_path_factory):
    """Return the folder, and what the processes report for each scenario."""
    if request.param == "parts":
        if BACKEND != "jax":
            pytest.skip("JAX alone spreads one model so")
        pytest.importorskip("orbax.checkpoint")
    folder = tmp_path_factory.mktemp("exit")
    assert run_two(SCRIPT, folder, request.param, keras=KERAS) == [0, 0]
    reports = [json.loads((folder / f"{i}.json").read_text("utf-8")) for i in (0, 1)]
    return folder, Reports({n: [one[n] for one in reports] for n in reports[0]})


def check_last(folder, reports):
    """Check that the newest checkpoint is good, and has the state in which all left."""
    first, second = reports
    assert [first["error"], second["error"]] == [None, None]
    assert {found.status for found in verify_checkpoints(folder)} == {"good"}
    for saved, *left in zip(weights_in(folder), first["weights"], second["weights"]):
        np.testing.assert_allclose(left[0], left[1], rtol=1e-5)
        np.testing.assert_allclose(saved, left[0], rtol=1e-5)


def weights_in(folder):
    K = importlib.import_module(KERAS)
    return K.models.load_model(latest_checkpoint(folder)).get_weights()


@pytest.mark.parametrize(
    ("name", "left"),
    [
        ("to_the_chief", "SystemExit"),
        ("to_the_other", "KeyboardInterrupt"),
        ("to_all", "SystemExit"),
        ("at_other_paces", "SystemExit"),
    ],
)
def test_all_save_and_leave(both, name, left):
    """Whichever process gets the signal; at the end of a batch, not of an epoch."""
    folder, reports = both
    check_last(folder / name, reports[name])
    for report in reports[name]:
        assert report["left"] == left
        assert report["problems"] == []
    newest = list_checkpoints(folder / name)[-1]
    assert newest.epoch >= 3
    assert newest.samples > 2 * 24
    said = [report["said"] for report in reports[name]]
    assert "; everything trained so far is saved" in said[0]
    assert said[1] == ""


def test_two_callbacks(both):
    """Both save, and the signal acts when both have saved."""
    folder, reports = both
    assert [report["left"] for report in reports["two_callbacks"]] == ["SystemExit"] * 2
    check_last(folder / "two_callbacks", reports["two_callbacks"])
    assert reports["two_callbacks"][0]["said"].count("everything trained so far") == 2


def test_the_next_start_goes_on(both):
    """It ends with the weights of an uninterrupted run."""
    for report in both[1]["goes_on"]:
        assert (report["error"], report["left"]) == (None, "SystemExit")
        for weights, whole in zip(report["weights"], report["whole"]):
            np.testing.assert_allclose(weights, whole, rtol=1e-5)
    assert "resumed from" in both[1]["goes_on"][0]["said"]


def test_the_last_save_fails(both):
    """Only the chief knows that nothing of an epoch was saved; all processes leave."""
    reports = both[1]
    if BACKEND == "jax" and not reports["no_save_comes"][0].get("left"):
        pytest.skip("in parts it fails in all alike")
    for report in reports["no_save_comes"]:
        assert (report["error"], report["left"]) == (None, "SystemExit")
        assert report["seconds"] < 60
    assert "002-1.keras" in reports["no_save_comes"][0]["problems"][0]
    assert reports["no_save_comes"][1]["problems"] == []


def test_a_fit_that_ends_before(both):
    """Nobody waits for a process that has ended: the signal acts as `fit` ends."""
    folder, reports = both
    check_last(folder / "the_fit_ends_before", reports["the_fit_ends_before"])
    assert reports["the_fit_ends_before"][1]["left"] == "SystemExit"
    assert all(report["seconds"] < 60 for report in reports["the_fit_ends_before"])


def test_a_handler_that_returns(both):
    """It is called once in each process, and training continues to its end."""
    folder, reports = both
    check_last(folder / "a_handler_that_returns", reports["a_handler_that_returns"])
    for report in reports["a_handler_that_returns"]:
        assert (report["left"], report["calls"]) == (None, 1)
        assert report["given_back"] == "<lambda>"
    assert list_checkpoints(folder / "a_handler_that_returns")[-1].epoch == 10


def test_one_does_not_answer(both):
    """The other process reports it; on Torch the chief saves alone. The signal acts."""
    first, second = both[1]["one_does_not_answer"]
    assert [first["error"], second["error"]] == [None, None]
    assert (first["calls"], second["calls"]) == (1, 0)
    if BACKEND != "torch":
        (problem,) = first["problems"]
        assert problem.startswith("Received a signal, but saved nothing: Process 1 of")
    else:
        assert "everything trained so far is saved" in first["said"]


def test_sigterm_ends_all(tmp_path):
    """Without a handler, it also ends the processes that did not get it."""
    only_with_all()
    first, second = run_two(SCRIPT, tmp_path, "whole", "die", keras=KERAS)
    assert first == -signal.SIGTERM
    # JAX aborts a process once process 0 is gone, which may be a moment earlier.
    aborted = [-signal.SIGABRT] if BACKEND == "jax" else []
    assert second in [-signal.SIGTERM, *aborted]
    assert {found.status for found in verify_checkpoints(tmp_path / "die")} == {"good"}
    assert list_checkpoints(tmp_path / "die")[-1].samples > 2 * 24
