"""A list of checkpoints as a pandas data frame, and its columns for R too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["COLUMNS", "frame_of", "metric_columns"]

COLUMNS = {
    "path": "str",
    "name": "str",
    "status": "str",
    "epoch": "Int64",
    "batch": "Int64",
    "samples": "Int64",
    "monitor": "str",
    "value": "float64",
    "mode": "str",
    "best": "bool",
    "format": "str",
    "bytes": "int64",
    "crc32": "str",
    "time": "time",
    "run": "str",
    "aside": "bool",
}
"""The columns that are always there, and what they hold."""


def frame_of(found: Sequence[Any]) -> DataFrame:
    """Return a data frame with one row for each checkpoint.

    Raises:
        ImportError: If there is no pandas.
    """
    try:
        import pandas
    except ImportError as error:
        raise ImportError(
            "`to_dataframe()` needs the package 'pandas': pip install pandas"
        ) from error
    columns = {}
    for name, kind in COLUMNS.items():
        values = [getattr(one, name) for one in found]
        if kind == "time":
            columns[name] = _times(pandas, values)
        else:
            dtype = "object" if kind == "str" else kind
            columns[name] = pandas.Series(values, dtype=dtype)
    for name, numbers in metric_columns(found).items():
        columns[name] = pandas.Series(numbers, dtype="float64")
    return pandas.DataFrame(columns)


def _times(pandas: Any, values: list[Any]) -> Any:
    objects = pandas.Series(values, dtype="object")
    times = pandas.to_datetime(objects, utc=True, errors="coerce")
    # From pandas 2 on the unit depends on the values, if there are any.
    return times.dt.as_unit("us") if hasattr(times.dt, "as_unit") else times


def metric_columns(found: Sequence[Any]) -> dict[str, list[float | None]]:
    """Return the values of each metric, None where a checkpoint has none.

    A metric that has the name of another column gets `logs.` before it.
    """
    columns: dict[str, list[float | None]] = {}
    names = dict.fromkeys(name for one in found for name in one.logs)
    taken = set(COLUMNS)
    for name in names:
        column = name
        while column in taken:
            column = f"logs.{column}"
        taken.add(column)
        values = [one.logs.get(name) for one in found]
        columns[column] = [None if value is None else float(value) for value in values]
    return columns
