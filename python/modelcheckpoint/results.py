"""The result of a save, and of the files that it affected."""

from __future__ import annotations

from dataclasses import dataclass

from modelcheckpoint.records import Record

__all__ = ["Receipt", "Replaced", "Retired"]


@dataclass(frozen=True)
class Replaced:
    """A file whose name a new checkpoint has taken.

    Attributes:
        record: What the journal says of it; None where it says nothing.
        kept: Its second name; None where it is gone.
        own: Whether this run wrote it.
        better: Whether it was kept as it is better than the new one.
    """

    record: Record | None
    kept: str | None
    own: bool = False
    better: bool = False


@dataclass(frozen=True)
class Retired:
    """What became of the checkpoints that could go.

    Attributes:
        deleted: Names of those that are gone.
        undeleted: Names of those that could not be deleted, each with the reason.
    """

    deleted: tuple[str, ...] = ()
    undeleted: tuple[tuple[str, OSError], ...] = ()


@dataclass(frozen=True)
class Receipt:
    """A checkpoint that is durable under its final name.

    Attributes:
        record: Its line in the journal.
        replaced: The file that had its name before, where there was one.
        retired: What became of older checkpoints that could go.
    """

    record: Record
    replaced: Replaced | None
    retired: Retired
