"""`report/reporter.py`: problems reach the user, from Python and from R."""

from __future__ import annotations

import sys
import threading
import types
import warnings

import pytest

from modelcheckpoint.errors import CheckpointWarning
from modelcheckpoint.report.reporter import Reporter


def reporter():
    return Reporter("w.keras", "", "val_loss", save_best_only=False, verbose=False)


def through(package, function):
    """Return a function that calls another one from a module with that name."""
    namespace = {"__name__": package, "function": function}
    exec("def call(*arguments):\n    return function(*arguments)\n", namespace)
    return namespace["call"]


@pytest.fixture
def in_r(monkeypatch):
    """Python as reticulate runs it inside R, where a warning reaches nobody."""
    monkeypatch.setitem(sys.modules, "rpytools", types.ModuleType("rpytools"))


def test_a_line_is_printed_on_its_own(capsys):
    """It starts a new line: Keras' progress bar leaves the cursor in its own line."""
    reporter().say("saved w.keras")
    assert capsys.readouterr().out == "\nsaved w.keras\n"


def test_a_problem_is_a_warning_and_is_kept(capsys):
    """It becomes a CheckpointWarning, and can be read later."""
    reports = reporter()
    with pytest.warns(CheckpointWarning, match="^the disk is full$"):
        reports.problem("the disk is full")
    assert reports.problems == ["the disk is full"]
    assert capsys.readouterr().out == ""


def test_a_quiet_reporter_keeps_problems_and_prints_nothing(capsys, recwarn):
    """Another process reports the same; only errors of this one are printed."""
    reports = reporter()
    reports.quiet = True
    reports.say("saved w.keras")
    reports.problem("the disk is full")
    assert reports.problems == ["the disk is full"]
    assert (len(recwarn), capsys.readouterr().out) == (0, "")
    reports.error("could not be saved")
    assert capsys.readouterr().out == "\ncould not be saved\n"


def test_a_kind_of_problem_is_told_once(recwarn):
    """A second problem of the same kind is neither reported nor kept."""
    reports = reporter()
    for number in range(3):
        reports.problem(f"no val_loss in epoch {number}", once="monitor")
    reports.problem("no val_f1", once="field")
    assert [str(warning.message) for warning in recwarn] == reports.problems
    assert reports.problems == ["no val_loss in epoch 0", "no val_f1"]


def test_without_a_kind_each_problem_is_told(recwarn):
    """Each failed save is worth a warning."""
    reports = reporter()
    reports.problem("failed")
    reports.problem("failed")
    assert len(recwarn) == len(reports.problems) == 2


def test_reporters_are_independent(recwarn):
    """What one callback reported, another one still reports."""
    one, other = reporter(), reporter()
    one.problem("a", once="kind")
    other.problem("a", once="kind")
    assert len(recwarn) == 2


def test_a_warning_is_at_the_users_line(recwarn):
    """It points beyond this package and Keras, to the line that called `fit`."""
    hook = through("modelcheckpoint.callback", reporter().problem)
    fit = through("keras.src.trainers.trainer", through("keras.callbacks", hook))
    line = sys._getframe().f_lineno + 1
    fit("a problem")
    assert (recwarn[0].filename, recwarn[0].lineno) == (__file__, line)


def test_a_warning_is_at_the_line_of_a_users_own_loop(recwarn):
    """With tf_keras, or without Keras in between, it points to the user's file."""
    hook = through("modelcheckpoint.callback", reporter().problem)
    through("tf_keras.engine", hook)("one")
    hook("two")
    reporter().problem("three")
    assert [warning.filename for warning in recwarn] == [__file__] * 3


def test_a_users_module_with_a_similar_name_is_the_users():
    """Only whole package names are skipped: `keras_tuner` is not Keras."""
    fit = through("keras_tuner.engine", through("keras", reporter().problem))
    with pytest.warns(CheckpointWarning) as caught:
        fit("a problem")
    assert caught[0].filename == "<string>"


def test_a_warning_from_a_thread_of_keras(recwarn):
    """If no line is the user's, the warning still appears."""
    thread = threading.Thread(target=reporter().problem, args=("a problem",))
    thread.start()
    thread.join()
    assert [str(warning.message) for warning in recwarn] == ["a problem"]


def test_in_r_a_problem_is_printed(in_r, capsys):
    """R shows Python's output, but not Python's warnings."""
    reports = reporter()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        reports.problem("the disk is full", once="disk")
        reports.problem("the disk is full", once="disk")
    assert capsys.readouterr().out == "\nWarning: the disk is full\n"
    assert reports.problems == ["the disk is full"]


def test_in_r_by_the_module_of_newer_reticulates(monkeypatch, capsys):
    """Newer versions of reticulate are recognized by `rpycall`."""
    monkeypatch.setitem(sys.modules, "rpycall", types.ModuleType("rpycall"))
    reporter().problem("the disk is full")
    assert "Warning: the disk is full" in capsys.readouterr().out


def test_nothing_to_sum_up(capsys):
    """A training without a problem ends silently."""
    reporter().end(saved=True, never_due="")
    assert capsys.readouterr().out == ""


@pytest.mark.filterwarnings("ignore::modelcheckpoint.errors.CheckpointWarning")
def test_a_summary_holds_new_problems_only(capsys):
    """A second `fit` does not repeat problems of the first."""
    reports = reporter()
    reports.problem("one")
    reports.end(saved=True, never_due="")
    assert capsys.readouterr().out == (
        "\nModelCheckpoint reported 1 problem during this training:\n- one\n"
    )
    reports.end(saved=True, never_due="")
    assert capsys.readouterr().out == ""
    reports.problem("two")
    reports.problem("three")
    reports.end(saved=True, never_due="")
    assert capsys.readouterr().out == (
        "\nModelCheckpoint reported 2 problems during this training:\n- two\n- three\n"
    )
    assert reports.problems == ["one", "two", "three"]


@pytest.mark.filterwarnings("ignore::modelcheckpoint.errors.CheckpointWarning")
def test_a_long_summary_is_cut(capsys):
    """Five problems are shown, and a line says where the others are."""
    reports = reporter()
    for number in range(8):
        reports.problem(f"problem {number}")
    reports.end(saved=True, never_due="")
    shown = capsys.readouterr().out.splitlines()
    assert "reported 8 problems" in shown[1]
    assert shown[-2:] == ["- problem 4", "- and 3 more, in `problems`"]


@pytest.mark.filterwarnings("ignore::modelcheckpoint.errors.CheckpointWarning")
def test_a_training_that_saved_nothing_says_so_loudly(capsys):
    """The reason comes with it, and is not repeated among the problems."""
    reports = reporter()
    reports.problem("no val_loss")
    reports.end(saved=False, never_due="no val_loss")
    said = capsys.readouterr().out
    assert said == "\nNO CHECKPOINT WAS SAVED to w.keras: no val_loss\n"
    reports.problem("the disk is full")
    reports.end(saved=False, never_due="5 epochs had not passed yet")
    said = capsys.readouterr().out
    assert "5 epochs had not passed yet" in said
    assert "- the disk is full" in said
