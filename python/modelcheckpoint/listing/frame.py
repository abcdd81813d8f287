"""A list of checkpoints as a pandas data frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from modelcheckpoint.listing.checkpoint import COLUMNS, Checkpoint, metric_columns

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["frame_of"]


def frame_of(rows: Sequence[Checkpoint]) -> DataFrame:
    """Return a data frame with one row for each checkpoint.

    Raises:
        ImportError: If pandas is not installed.
    """
    try:
        import pandas
    except ImportError as error:
        raise ImportError(
            "`to_dataframe()` needs the package 'pandas': pip install pandas"
        ) from error
    columns = {}
    for column in COLUMNS:
        values = [getattr(row, column.name) for row in rows]
        if column.dtype is None:
            columns[column.name] = _times(pandas, values)
        else:
            columns[column.name] = pandas.Series(values, dtype=column.dtype)
    for name, numbers in metric_columns(rows).items():
        columns[name] = pandas.Series(numbers, dtype="float64")
    return pandas.DataFrame(columns)


def _times(pandas: Any, values: list[Any]) -> Any:
    objects = pandas.Series(values, dtype="object")
    times = pandas.to_datetime(objects, utc=True, errors="coerce")
    # From pandas 2 on the unit depends on the values, if there are any.
    return times.dt.as_unit("us") if hasattr(times.dt, "as_unit") else times
