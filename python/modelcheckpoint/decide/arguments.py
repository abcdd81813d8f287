"""Check single arguments: return a value of a plain type, or raise one sentence."""

from __future__ import annotations

import contextlib
import inspect
import math
import operator
import os
from collections.abc import Mapping, Sequence
from datetime import timedelta
from numbers import Real
from typing import Any

from modelcheckpoint.addresses import is_address

__all__ = [
    "choice",
    "count_or_none",
    "flag",
    "keeps_several",
    "last_is_saved",
    "makes_folders",
    "no_folder_is_a_checkpoint",
    "number_or_none",
    "path",
    "period",
    "restore_best",
    "save_freq",
    "seconds_or_none",
    "text",
    "verbosity",
]


def path(name: str, value: Any) -> str:
    """Return a path as a string; path objects are accepted.

    Raises:
        ValueError: If it is anything else.
    """
    if not isinstance(value, (str, os.PathLike)):
        raise _error(name, "a string or a path object", value)
    found = os.fspath(value)
    if not isinstance(found, str):
        raise _error(name, "a string or a path object of one", value)
    return found


def text(name: str, value: Any) -> str:
    """Return a string that is not empty."""
    if not isinstance(value, str) or not value:
        raise _error(name, "a non-empty string", value)
    return str(value)


def flag(name: str, value: Any) -> bool:
    """Return True or False; NumPy's are accepted, 0 and 1 are not."""
    if isinstance(value, bool) or type(value).__name__ in ("bool_", "bool"):
        return bool(value)
    raise _error(name, "True or False", value)


def function_or_none(name: str, value: Any, takes: int = 1) -> Any:
    """Return a function that takes this many arguments, or None."""
    if value is None or (callable(value) and _takes(value, takes)):
        return value
    many = {1: "one argument", 2: "two arguments"}[takes]
    raise _error(name, f"a function of {many} or None", value)


def _takes(function: Any, count: int) -> bool:
    try:
        signature = inspect.signature(function)
    except (ValueError, TypeError):  # a function in C may have no signature
        return True
    try:
        signature.bind(*[None] * count)
    except TypeError:
        return False
    return True


def restore_best(
    value: Any, filepath: str, fields: Sequence[str], save_best_only: bool
) -> bool:
    """Return True or False, as `flag` does.

    Raises:
        ValueError: If the best file would be overwritten by later ones.
    """
    wanted = flag("restore_best", value)
    if wanted and not fields and not save_best_only:
        raise ValueError(
            "`filepath` must have a field such as {epoch:02d} with `restore_best`, not "
            f"be {filepath!r}: later epochs would overwrite the best. Add a field, or "
            "set `save_best_only`."
        )
    return wanted


def verbosity(name: str, value: Any) -> int:
    """Return 0 or 1, also for False and True."""
    level = _index(value, allow_bool=True)
    if level not in (0, 1):
        raise _error(name, "0 or 1", value)
    return level


def period(value: Any) -> int:
    """Return a whole number >= 1; None means 1."""
    if value is None:
        return 1
    is_text = isinstance(value, str)
    hint = " Did you mean `save_freq`? Pass it by name." if is_text else ""
    return _whole("period", value, "a whole number >= 1", hint)


def save_freq(value: Any) -> int | str:
    """Return `"epoch"` or a whole number >= 1."""
    if isinstance(value, str) and value == "epoch":
        return "epoch"
    # It ends with Keras' own message, which people search for.
    keras = " (Keras: Unrecognized save_freq.)"
    return _whole("save_freq", value, "'epoch' or a whole number >= 1", keras)


def count_or_none(name: str, value: Any) -> int | None:
    """Return a whole number >= 1, or None."""
    if value is None:
        return None
    return _whole(name, value, "a whole number >= 1 or None", "")


def seconds_or_none(name: str, value: Any) -> float | None:
    """Return a finite number > 0 as float, or None; a timedelta is accepted."""
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    with contextlib.suppress(ValueError):
        number = number_or_none(name, seconds)
        if number is None or number > 0:
            return number
    raise _error(name, "a finite number of seconds > 0 or None", value)


def choice(name: str, value: Any, options: Sequence[str]) -> str:
    """Return the value if it is one of the options."""
    if isinstance(value, str) and value in options:
        return str(value)
    listed = ", ".join(repr(option) for option in options[:-1])
    raise _error(name, f"{listed} or {options[-1]!r}", value)


def number_or_none(name: str, value: Any) -> float | None:
    """Return a finite number as float, or None."""
    if value is None:
        return None
    if isinstance(value, Real) and type(value).__name__ not in ("bool", "bool_"):
        number = math.inf
        with contextlib.suppress(OverflowError):  # a whole number beyond all floats
            number = float(value)
        if math.isfinite(number):
            return number
    raise _error(name, "a finite number or None", value)


def keeps_several(
    counts: Mapping[str, int | None], filepath: str, fields: Sequence[str]
) -> None:
    """Check that there can be several files, if a number of files is to be kept.

    Raises:
        ValueError: If there is only one file, because its name has no fields.
    """
    for name, count in counts.items():
        if count is not None and not fields:
            raise ValueError(
                f"`{name}` must be left out where `filepath` has no field, not "
                f"{count}: each save overwrites the one file {filepath!r}. Give it a "
                "field, such as {epoch:02d}."
            )


def last_is_saved(save_on_exit: bool, save_best_only: bool) -> None:
    """Check that the last model may be saved.

    Raises:
        ValueError: If only the best may be saved.
    """
    if save_on_exit and save_best_only:
        raise ValueError(
            "`save_on_exit` must be left out with `save_best_only`: the last model "
            "need not be the best. Use a second callback for it."
        )


def makes_folders(filepath: str, suffix: str, fields: Sequence[str]) -> None:
    """Check that each save has a folder of its own, on this machine.

    Raises:
        ValueError: If it does not.
    """
    if is_address(filepath):
        raise ValueError(
            f"`filepath` must be a path on this machine where it ends in {suffix}, not "
            f"{filepath!r}: a folder of many files cannot appear whole in an object "
            "store. End it in .keras or .weights.h5."
        )
    if not fields:
        raise ValueError(
            f"`filepath` must have a field, such as {{epoch:02d}}, where it ends in "
            f"{suffix}, not {filepath!r}: one folder never replaces another."
        )


def no_folder_is_a_checkpoint(filepath: str, suffixes: Sequence[str]) -> None:
    """Check that nothing is saved inside a folder that counts as one checkpoint.

    Raises:
        ValueError: If a folder in the path has the name of such a checkpoint.
    """
    *folders, _ = filepath.replace("\\", "/").split("/")
    for folder in folders:
        if folder.endswith(tuple(suffixes)):
            raise ValueError(
                "`filepath` must have no folder that is named like a checkpoint, as "
                f"{folder!r} is in {filepath!r}."
            )


def _whole(name: str, value: Any, rule: str, end: str) -> int:
    # NumPy's integers are whole numbers; 2.0 and True are not.
    number = _index(value)
    if number is None or number < 1:
        raise _error(name, rule, value, end)
    return number


def _index(value: Any, allow_bool: bool = False) -> int | None:
    if type(value).__name__ in ("bool", "bool_"):
        return int(value) if allow_bool else None
    try:
        return operator.index(value)
    except TypeError:
        return None


def _error(name: str, rule: str, value: Any, end: str = "") -> ValueError:
    shown = repr(value)
    shown = shown if len(shown) <= 80 else f"{shown[:77]}..."
    return ValueError(f"`{name}` must be {rule}, not {shown}.{end}")
