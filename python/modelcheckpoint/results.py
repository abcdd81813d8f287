"""The result of a save, and of the files that it affected."""

from __future__ import annotations

from dataclasses import dataclass

from modelcheckpoint.records import Record

__all__ = ["Receipt", "Replaced", "Retired"]


@dataclass(frozen=True)
class Replaced:
    """A file whose name a new checkpoint has taken over.

    Attributes:
        record: Its journal line; None if it has none.
        kept: Its second name; None if it no longer exists.
        own: Whether this run wrote it.
        better: Whether it was kept because it is better than the new one.
    """

    record: Record | None
    kept: str | None
    own: bool = False
    better: bool = False


@dataclass(frozen=True)
class Retired:
    """The result of deleting the checkpoints that retention no longer keeps.

    Attributes:
        deleted: The names that were deleted.
        undeleted: The names that could not be deleted, each with the reason.
    """

    deleted: tuple[str, ...] = ()
    undeleted: tuple[tuple[str, OSError], ...] = ()


@dataclass(frozen=True)
class Receipt:
    """A checkpoint that is durable under its final name.

    Attributes:
        record: Its journal line.
        replaced: The file that had its name before, if there was one.
        retired: The older checkpoints that were deleted, or could not be.
    """

    record: Record
    replaced: Replaced | None
    retired: Retired
