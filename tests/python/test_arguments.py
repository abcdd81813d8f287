"""`decide/arguments.py`: each value becomes a plain type, or raises one sentence."""

from __future__ import annotations

import pathlib
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelcheckpoint.decide import arguments

anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.complex_numbers(),
    st.text(max_size=200),
    st.binary(max_size=200),
    st.lists(st.integers(), max_size=50),
    st.sampled_from(["epoch", "min", "max", "batches", "1", ""]),
    st.sampled_from([np.int64(5), np.uint8(0), np.float32(1.5), np.float64("nan")]),
    st.sampled_from([np.True_, np.array(3), np.array([1, 2]), np.str_("epoch")]),
    st.sampled_from([Decimal("1.5"), Fraction(1, 3), pathlib.Path("a"), object]),
)

RULES = {
    "path": (lambda v: arguments.path("it", v), (str,)),
    "text": (lambda v: arguments.text("it", v), (str,)),
    "flag": (lambda v: arguments.flag("it", v), (bool,)),
    "verbosity": (lambda v: arguments.verbosity("it", v), (int,)),
    "period": (arguments.period, (int,)),
    "save_freq": (arguments.save_freq, (int, str)),
    "choice": (lambda v: arguments.choice("it", v, ("min", "max")), (str,)),
    "number_or_none": (
        lambda v: arguments.number_or_none("it", v),
        (float, type(None)),
    ),
    "count_or_none": (
        lambda v: arguments.count_or_none("it", v),
        (int, type(None)),
    ),
    "seconds_or_none": (
        lambda v: arguments.seconds_or_none("it", v),
        (float, type(None)),
    ),
}


@pytest.mark.parametrize("rule", RULES)
@settings(max_examples=60)
@given(value=anything)
def test_any_value_is_taken_or_refused_in_one_sentence(rule, value):
    """Any value gives a plain type or a ValueError with a short message."""
    check, types = RULES[rule]
    try:
        taken = check(value)
    except ValueError as error:
        message = str(error)
    else:
        assert type(taken) in types or isinstance(value, str)
        return
    assert " must be " in message
    assert len(message) < 220


@pytest.mark.parametrize("value", ["a.keras", pathlib.PurePosixPath("a.keras")])
def test_a_path_is_a_string_or_a_path_object(value):
    """A path object comes out as the string it stands for."""
    assert arguments.path("filepath", value) == "a.keras"


class BytesPath:
    def __fspath__(self):
        return b"a.keras"


@pytest.mark.parametrize("value", [None, 1, b"a.keras", ["a"], BytesPath(), str])
def test_a_path_is_nothing_else(value):
    """Bytes, numbers and lists are not paths, not even behind `__fspath__`."""
    with pytest.raises(ValueError, match="`filepath` must be a string or a path"):
        arguments.path("filepath", value)


@pytest.mark.parametrize("value", ["", None, 1, ["val_loss"], b"val_loss"])
def test_a_text_is_a_string_that_is_not_empty(value):
    """An empty name would never match anything in `logs`."""
    assert arguments.text("monitor", "val_loss") == "val_loss"
    with pytest.raises(ValueError, match="`monitor` must be a non-empty string, not"):
        arguments.text("monitor", value)


@pytest.mark.parametrize("value", [True, False, np.True_, np.False_])
def test_a_flag_is_true_or_false(value):
    """NumPy's truth values come out as Python's."""
    assert arguments.flag("save_best_only", value) is bool(value)


@pytest.mark.parametrize("value", [0, 1, None, "yes", [True], float("nan")])
def test_a_flag_is_nothing_else(value):
    """0 and 1 are numbers: they were meant for another argument."""
    with pytest.raises(ValueError, match="`save_best_only` must be True or False, not"):
        arguments.flag("save_best_only", value)


@pytest.mark.parametrize("value", [0, 1, False, True, np.int64(1), np.False_])
def test_verbosity_is_0_or_1(value):
    """Booleans are allowed, as in Keras."""
    level = arguments.verbosity("verbose", value)
    assert type(level) is int
    assert level == value


@pytest.mark.parametrize("value", [2, -1, 1.0, "1", None, [1]])
def test_verbosity_is_nothing_else(value):
    """Keras' progress bar has more levels; a checkpoint has two."""
    with pytest.raises(ValueError, match="`verbose` must be 0 or 1, not"):
        arguments.verbosity("verbose", value)


@pytest.mark.parametrize("value", [1, 5, 2**40, np.int64(5), np.uint8(5), np.array(5)])
def test_whole_numbers_are_taken(value):
    """Python's and NumPy's whole numbers of any size come out as `int`."""
    for taken in (arguments.period(value), arguments.save_freq(value)):
        assert type(taken) is int
        assert taken == value


NOT_WHOLE = [0, -1, 2.0, 2.5, True, np.True_, "5", "epochs", [1, 2], np.array([1, 2])]


@pytest.mark.parametrize(
    "value", [*NOT_WHOLE, float("nan"), float("inf"), b"5"], ids=repr
)
def test_other_numbers_are_not(value):
    """Zero, fractions and booleans were meant for another argument."""
    with pytest.raises(ValueError, match="`period` must be a whole number >= 1, not"):
        arguments.period(value)
    with pytest.raises(
        ValueError, match="`save_freq` must be 'epoch' or a whole number >= 1, not"
    ):
        arguments.save_freq(value)


def test_no_period_means_1():
    """R's NULL and Python's None stand for the default."""
    assert arguments.period(None) == 1


def test_a_text_as_period_was_meant_for_save_freq():
    """The seventh positional argument of today's Keras is `save_freq`."""
    with pytest.raises(ValueError, match="Did you mean `save_freq`"):
        arguments.period("epoch")
    with pytest.raises(ValueError, match=r"not 0\.$"):
        arguments.period(0)


def test_save_freq_epoch():
    """Python's and NumPy's strings are accepted; None is not."""
    assert arguments.save_freq("epoch") == "epoch"
    assert arguments.save_freq(np.str_("epoch")) == "epoch"
    with pytest.raises(ValueError, match="Unrecognized save_freq"):
        arguments.save_freq(None)


@pytest.mark.parametrize("value", ["up", "m", "", "MIN", None, 1, ["min", "max"]])
def test_a_choice_is_one_of_the_options(value):
    """The message lists all options; nothing is abbreviated or case-folded."""
    options = ("auto", "min", "max")
    assert arguments.choice("mode", "min", options) == "min"
    with pytest.raises(ValueError, match="`mode` must be 'auto', 'min' or 'max', not"):
        arguments.choice("mode", value, options)


@pytest.mark.parametrize("value", [0, 1.5, -2, np.float32(0.5), Fraction(1, 2), None])
def test_a_number_or_none(value):
    """Real numbers of any kind come out as float."""
    taken = arguments.number_or_none("initial_value_threshold", value)
    assert taken == value
    assert type(taken) in (float, type(None))


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), "0.5", True, np.True_, [1.0], 1j, 10**400],
    ids=lambda value: repr(value)[:10],
)
def test_a_number_is_finite(value):
    """Values too large for a float, and values that are not numbers, are refused."""
    with pytest.raises(ValueError, match="must be a finite number or None, not"):
        arguments.number_or_none("initial_value_threshold", value)


def test_a_long_value_is_shown_in_part():
    """A whole data set passed by mistake does not fill the screen."""
    with pytest.raises(ValueError, match=r"not \[0, 1, .*\.\.\.\.$") as caught:
        arguments.text("monitor", list(range(10_000)))
    assert len(str(caught.value)) < 150


def test_seconds_may_be_a_timedelta():
    """A `timedelta`, which other libraries use for durations, comes out as seconds."""
    assert arguments.seconds_or_none("save_seconds", timedelta(minutes=2)) == 120.0
    assert arguments.seconds_or_none("save_seconds", None) is None
    with pytest.raises(ValueError, match=r"`save_seconds` must be .* not datetime"):
        arguments.seconds_or_none("save_seconds", timedelta(0))
