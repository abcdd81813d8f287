"""Several processes that train one model all resume from one checkpoint, or none does.

On JAX two processes with two devices each, on Torch two processes (gloo), on
TensorFlow two workers of `tf.distribute`. They are started once and run all scenarios
of run_peers.py; each test checks one scenario.
"""

from __future__ import annotations

import json
import os
import signal

import pytest
from peer_kinds import BACKEND, KERAS, Reports, needs_peers, only_with_all
from two_processes import run_two

SCRIPT = "run_peers.py"

pytestmark = [pytest.mark.slow, needs_peers]


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """Return what the two processes report for each scenario."""
    folder = tmp_path_factory.mktemp("peers")
    assert run_two(SCRIPT, folder, keras=KERAS) == [0, 0]
    both = [report_of(folder, index) for index in (0, 1)]
    return Reports({name: (both[0][name], both[1][name]) for name in both[0]})


def report_of(folder, index):
    return json.loads((folder / f"{index}.json").read_text("utf-8"))


def alike(pair, *keys):
    """Check that both processes report the same and no error; return the report."""
    first, second = pair
    assert (first["error"], second["error"]) == (None, None)
    for key in keys:
        assert first[key] == second[key]
    return first


def test_nothing_to_resume(reports):
    """Both start as usual."""
    pair = reports["nothing_to_resume"]
    report = alike(pair, "epochs", "weights", "problems")
    assert report["epochs"] == [0, 1]
    assert report["problems"] == []
    assert "nothing to resume from" in report["said"]


def test_the_loss_of_a_run_that_was_never_stopped(reports):
    """Both continue from the newest checkpoint, and train the remaining epochs."""
    report = alike(reports["goes_on"], "epochs", "losses", "weights", "problems")
    assert report["epochs"] == [2, 3]
    assert report["losses"] == report["whole"][2:]
    assert report["problems"] == []
    assert "w.2.keras" in report["said"]


def test_a_damaged_checkpoint(reports):
    """Both skip it, and continue from the one before."""
    first, second = pair = reports["passes_over_what_is_damaged"]
    assert alike(pair, "epochs", "weights")["epochs"] == [2, 3]
    (problem,) = second["problems"]
    assert "w.3.keras, it is damaged" in problem
    replaced = (
        "Two checkpoints of this run have the name"  # for a save by the chief alone
    )
    assert [text for text in first["problems"] if replaced not in text] == [problem]
    assert first["warned"] == first["problems"]


def test_several_callbacks_in_one_fit(reports):
    """Their exchanges do not get mixed up."""
    report = alike(reports["several_callbacks"], "epochs", "weights", "problems")
    assert report["epochs"] == [2]
    assert report["problems"] == []


def test_a_second_fit(reports):
    """Both processes continue with the model as it is."""
    assert alike(reports["a_second_fit"], "epochs")["epochs"] == [[0], [0]]


@pytest.mark.parametrize("name", ["folders_of_their_own", "empty_folders_of_their_own"])
def test_folders_that_are_not_shared(reports, name):
    """Both raise the same error before the first batch, even without any file."""
    first, second = reports[name]
    assert first["error"] == second["error"]
    beginning = "CheckpointError: Process 1 does not see the files"
    assert first["error"].startswith(beginning)
    assert f"{name}{os.sep}own0" in first["error"]
    assert "must be shared by all processes" in first["error"]


def test_an_error_of_process_0(reports):
    """The other one raises, too, and does not wait for it."""
    first, second = reports["a_folder_that_process_0_cannot_use"]
    kind, _, text = first["error"].partition(": ")
    assert kind in ("NotADirectoryError", "FileExistsError")
    assert second["error"] == f"CheckpointError: Process 0 has failed: {kind}: {text}"
    assert second["seconds"] < 20


def test_an_error_of_process_1(reports):
    """If one process cannot load a checkpoint, both raise an error."""
    first, second = reports["the_model_of_process_1_is_another"]
    assert second["error"].startswith("RestoreError: ")
    wanted = f"CheckpointError: Process 1 has failed: {second['error']}"
    assert first["error"] == wanted
    assert first["seconds"] < 20


def test_restore_best(reports):
    """Both models end with the weights of the best epoch, which is not the last."""
    report = alike(reports["best_weights"], "weights", "best", "problems")
    assert report["weights"] == report["best"]
    assert report["problems"] == []
    assert "the model has the weights of the best" in report["said"]


def test_a_best_that_is_damaged(reports):
    """Both models are left unchanged, and both report it in `problems`."""
    report = alike(reports["the_best_is_damaged"], "weights", "problems")
    assert report["weights"] == report["last"]
    (problem,) = report["problems"]
    assert "the model stays as it is: w.2.keras" in problem


def test_a_save_that_fails(reports):
    """Only the chief knows; all save again when it does, and none waits.

    If all save together, they also agree on the best value.
    """
    first, second = pair = reports["the_save_of_the_chief_fails"]
    alike(pair, "weights", "saved")
    assert [name for name in first["saved"] if name.endswith(".keras")] == [
        *("w.1.keras", "w.2.keras", "w.3.keras")  # 2 is the folder that was in the way
    ]
    (problem,) = first["problems"]
    assert "w.2.keras" in problem
    assert first["best"] == 2
    if BACKEND != "torch":
        assert second["best"] == 2


def test_saves_by_the_clock(reports):
    """All save after the same batches, by the clock of process 0."""
    report = alike(reports["by_the_clock"], "weights", "problems")
    assert report["problems"] == []
    assert len([name for name in report["saved"] if name.endswith(".keras")]) >= 2


def test_a_limit_that_is_no_time(reports):
    """It raises before anybody waits."""
    for report in reports["a_limit_that_is_no_time"]:
        assert report["error"].startswith("ValueError: MODELCHECKPOINT_PEER_TIMEOUT")
        assert "'soon'" in report["error"]


@pytest.mark.skipif(BACKEND != "torch", reason="all processes take part in a save")
def test_without_resume_nobody_waits(reports):
    """A callback without `resume` needs no others, so only one process may have it."""
    report = alike(reports["without_resume_nobody_waits"], "saved")
    assert report["saved"] == ["modelcheckpoint.jsonl", "w.1.keras"]


def test_threads_have_topics_of_their_own(reports):
    """Texts gathered on a background thread are not mixed up with others."""
    report = alike(reports["topics_on_threads"], "saves", "fits")
    assert report["saves"] == ["save 0 ü", "save 1 ü"]
    assert report["fits"] == [[f"fit 0.{n}", f"fit 1.{n}"] for n in range(5)]


def test_the_public_way(reports):
    """Without the private names, the public collectives do the same."""
    report = alike(reports["public_collectives"], "texts")
    assert report["texts"] == [["0", "1" + "ü" * 9], ["", ""]]


@pytest.mark.parametrize("rank", [0, 1])
def test_a_process_that_never_comes(reports, rank):
    """The waiting process gets an error in time, which names the missing one."""
    pair = reports[f"process_{rank}_never_comes"]
    waits = pair[1 - rank]
    beginning = f"CheckpointError: Process {rank} of 2 did not arrive within 2 seconds."
    assert waits["error"].startswith(beginning)
    assert waits["seconds"] < 20
    assert pair[rank]["error"] is not None  # it came too late: it cannot train either


@pytest.mark.parametrize("rank", [0, 1])
def test_a_process_that_is_killed(tmp_path, rank):
    """The other one gets an error in time."""
    if rank == 0 and BACKEND == "jax":
        pytest.skip("JAX itself ends all processes when process 0 is gone")
    if rank == 0:
        only_with_all()
    codes = run_two(SCRIPT, tmp_path, rank, keras=KERAS)
    assert codes[rank] == -signal.SIGKILL
    assert codes[1 - rank] == 0
    report = report_of(tmp_path, 1 - rank)["one_is_killed"]
    missing = f"Process {rank} of 2 did not arrive within 3 seconds"
    reason = missing if rank == 1 else "cannot reach each other"  # 0 had the store
    assert report["error"].startswith("CheckpointError: ")
    assert reason in report["error"]
    assert report["seconds"] < 20


def test_process_1_is_silent(reports):
    """Only the chief prints and warns."""
    for name, (_, second) in reports.items():
        assert (name, second["said"], second["warned"]) == (name, "", [])
