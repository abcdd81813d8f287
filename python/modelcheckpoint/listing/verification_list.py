"""The verifications of a folder's checkpoints, as a list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, overload

from modelcheckpoint.display.html import table_html
from modelcheckpoint.display.table import Cells, aligned
from modelcheckpoint.display.text import quantity, shown
from modelcheckpoint.journal.verify import Verification

if TYPE_CHECKING:
    from typing import SupportsIndex

__all__ = ["STATUSES", "VerificationList", "summary", "verifications_html"]

STATUSES = ("good", "damaged", "missing", "unknown")

_SHOWN = 20
"""How many verifications a printed list shows."""


class VerificationList(list[Verification]):
    """The verifications of a folder, in the order of its journal; a list in every way.

    Attributes:
        folder: Absolute path.
    """

    def __init__(self, found: Iterable[Verification] = (), folder: str = "") -> None:
        super().__init__(found)
        self.folder = folder

    @overload
    def __getitem__(self, index: SupportsIndex) -> Verification: ...
    @overload
    def __getitem__(self, index: slice) -> VerificationList: ...
    def __getitem__(self, index: Any) -> Any:
        item = super().__getitem__(index)
        return VerificationList(item, self.folder) if isinstance(index, slice) else item

    def __repr__(self) -> str:
        rows, which = _telling(self)
        head = f"<{quantity(len(self))}> {shown(self.folder)}".rstrip() + which
        lines = [head, *(aligned(_table(rows)) if rows else []), summary(self)]
        return "\n".join(line.rstrip() for line in lines if line)

    def _repr_html_(self) -> str:
        return verifications_html(self, self.folder)


def verifications_html(found: Sequence[Any], folder: str = "") -> str:
    """Return a table of verifications, followed by the number with each status.

    Args:
        found: Each has `path`, `status` and `reason`.
        folder: The folder of the checkpoints; may be empty.
    """
    rows, which = _telling(found)
    where = f" in {folder}" if folder else ""
    columns = _table(rows) if rows else []
    return table_html(columns, quantity(len(found)) + where + which, [summary(found)])


def summary(found: Sequence[Any]) -> str:
    """Return the number of verifications with each status: `3 good, 1 damaged`."""
    counts = Counter(one.status for one in found)
    return ", ".join(f"{counts[name]:,} {name}" for name in STATUSES if counts[name])


def _telling(found: Sequence[Any]) -> tuple[Sequence[Any], str]:
    """Return the rows that a table shows, and words that say which these are."""
    if len(found) <= _SHOWN:
        return found, ""
    wrong = [one for one in found if one.status != "good"]
    if not wrong:
        return found[-_SHOWN:], f", the last {_SHOWN} of them"
    if len(wrong) <= _SHOWN:
        return wrong, ", those that are not good"
    return wrong[:_SHOWN], f", the first {_SHOWN} that are not good"


def _table(rows: Sequence[Any]) -> list[Cells]:
    columns = [
        Cells("status", [row.status for row in rows]),
        Cells("path", [shown(row.path) for row in rows]),
    ]
    if any(row.reason for row in rows):
        columns.append(Cells("reason", [shown(row.reason or "") for row in rows]))
    return columns
