"""`save_on_exit`: a signal takes effect after the model is saved."""

from __future__ import annotations

import signal

import pytest
from conftest import checkpoints, lines, posix
from exit_process import rest_of, training, until, verified

pytestmark = pytest.mark.slow

LONG = 100
"""Seconds of a batch that no test waits for: `rest_of` ends the process before."""


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_a_batch(K, tmp_path, number):
    """It acts as usual, but at the end of the batch, once the model is saved."""
    with training("by_fit", tmp_path / "w", keras=K.__name__) as process:
        until(process, "batch 2")
        process.send_signal(number)
        said, _wrong = rest_of(process)
    assert verified(tmp_path / "w") == ["1-2.weights.h5"]
    assert said[0] == "ended 2"
    assert "batch 3" not in said
    assert f"received {number.name}; everything trained so far is saved" in said[1]
    if number == signal.SIGINT:
        assert said[-1] == "KeyboardInterrupt"
        assert process.returncode == 7
    else:
        assert process.returncode == -signal.SIGTERM
    (line,) = lines(tmp_path / "w")
    assert (line["epoch"], line["batch"], line["samples"]) == (1, 2, 8)


@posix
@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_acts_at_once(tmp_path, first):
    """It waits for nothing, and no half-saved file is left."""
    with training("by_fit_watched", tmp_path / "w", sleep=LONG) as process:
        until(process, "batch 1")
        process.send_signal(first)
        until(process, "SIGTERM has its handler back")
        process.send_signal(signal.SIGTERM)
        said, _ = rest_of(process)
    assert process.returncode == -signal.SIGTERM
    assert said == []
    assert checkpoints(tmp_path / "w") == []


@posix
def test_a_signal_in_a_validation(tmp_path):
    """The batch in flight is a validation batch; the epoch counts as unfinished."""
    with training("with_validation", tmp_path / "w") as process:
        until(process, "test batch 2")
        process.send_signal(signal.SIGTERM)
        said, _ = rest_of(process)
    assert process.returncode == -signal.SIGTERM
    assert "test batch 4" not in said
    assert verified(tmp_path / "w") == ["1-4.weights.h5"]
    assert lines(tmp_path / "w")[0]["batch"] == 4


@posix
def test_fields_that_are_not_there_yet(tmp_path):
    """A save mid-epoch writes `nan` for values that exist only at the epoch's end."""
    name = "{epoch}-{val_loss:.2f}.weights.h5"
    with training("by_fit", tmp_path / "w", name=name) as process:
        until(process, "batch 1")
        process.send_signal(signal.SIGTERM)
        _, wrong = rest_of(process)
    assert verified(tmp_path / "w") == ["1-nan.weights.h5"]
    assert "`logs` has no number for 'val_loss'" in wrong


@posix
def test_two_callbacks_both_save(tmp_path):
    """The signal acts when both have saved, not in between."""
    with training("by_two", tmp_path / "w") as process:
        until(process, "batch 2")
        process.send_signal(signal.SIGINT)
        said, _ = rest_of(process)
    assert verified(tmp_path / "w") == ["a-1-2.weights.h5", "b-2.weights.h5"]
    assert said.count("ended 2") == 1
    assert "ended 3" not in said
    assert said[-1] == "KeyboardInterrupt"


@posix
def test_a_loop_of_ones_own(tmp_path):
    """Hooks that are called by hand hold a signal back, too."""
    with training("by_hand", tmp_path / "w") as process:
        until(process, "batch 2")
        process.send_signal(signal.SIGINT)
        said, _ = rest_of(process)
    assert verified(tmp_path / "w") == ["1-2.weights.h5"]
    assert said[-1] == "KeyboardInterrupt"


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_after_a_fit_that_failed(tmp_path, number):
    """It acts at once, as if there had never been a callback."""
    with training("after_failure", tmp_path / "w") as process:
        until(process, "batch failed")
        process.send_signal(number)
        _said, _ = rest_of(process)
    code = 7 if number == signal.SIGINT else -number
    assert process.returncode == code
    assert checkpoints(tmp_path / "w") == []


@posix
def test_a_handler_of_the_users(tmp_path):
    """It is called once the model is saved; when it returns, training goes on."""
    with training("with_own_handler", tmp_path / "w", sleep=0.05) as process:
        until(process, "batch 2")
        process.send_signal(signal.SIGTERM)
        said, _ = rest_of(process)
    assert process.returncode == 0
    assert said.index("handler 15") < said.index("batch 3")
    assert said[-2:] == ["handlers <lambda>", "done False"]
    assert "1-2.weights.h5" in verified(tmp_path / "w")


@posix
def test_a_signal_that_is_ignored_stays_so(tmp_path):
    """As with `nohup`: training goes on, and no extra save is made."""
    with training("ignored", tmp_path / "w", sleep=0.05) as process:
        until(process, "batch 2")
        process.send_signal(signal.SIGINT)
        said, _ = rest_of(process)
    assert process.returncode == 0
    assert said[-1] == "done False"
    assert verified(tmp_path / "w") == ["1-4.weights.h5"]


@posix
def test_off_the_main_thread(tmp_path):
    """No signal can be held back there: it says so, and saves at the end."""
    arguments = {"period": 5}
    with training(
        "on_another_thread", tmp_path / "w", sleep=0.01, arguments=arguments
    ) as process:
        said, _ = rest_of(process)
    assert any("does not wait for signals" in line for line in said)
    assert verified(tmp_path / "w") == ["1-4.weights.h5"]


@posix
def test_a_forked_child_is_not_held_back(tmp_path):
    """A signal to the child acts at once: the child has nothing to save."""
    with training("with_child", tmp_path / "w", sleep=0.01) as process:
        said, _ = rest_of(process)
    assert f"child {-signal.SIGTERM}" in said
    assert process.returncode == 0


@posix
def test_a_save_on_exit_that_fails(tmp_path):
    """The failure is reported, and the signal still acts."""
    (tmp_path / "w" / "1-2.weights.h5").mkdir(parents=True)
    with training("by_fit", tmp_path / "w") as process:
        until(process, "batch 2")
        process.send_signal(signal.SIGTERM)
        said, _ = rest_of(process)
    assert process.returncode == -signal.SIGTERM
    assert any("1-2.weights.h5 failed" in line for line in said)
