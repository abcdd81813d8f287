"""The checkpoint on which the processes of one training agree."""

from __future__ import annotations

import json
from dataclasses import dataclass

from modelcheckpoint.records import Record

__all__ = ["Choice"]


@dataclass(frozen=True)
class Choice:
    """The choice that one process makes for all that train the model with it.

    Attributes:
        run: Identifier of the run that continues.
        record: The record of the checkpoint from which it continues, or None.
        best: The record of the best checkpoint so far, or None.
        problems: One sentence for each checkpoint that could not be used.
    """

    run: str
    record: Record | None = None
    best: Record | None = None
    problems: tuple[str, ...] = ()

    def to_text(self) -> str:
        """Return the choice as a text, for another process."""
        lines = [r and r.to_line() for r in (self.record, self.best)]
        return json.dumps([self.run, *lines, self.problems])

    @classmethod
    def from_text(cls, text: str) -> Choice:
        """Return the choice from another process' text.

        Raises:
            ValueError: If this version does not understand the text.
        """
        run, record, best, problems = json.loads(text)
        return cls(run, _record(record), _record(best), tuple(problems))


def _record(line: str | None) -> Record | None:
    record = None if line is None else Record.from_line(line)
    if line is not None and record is None:
        raise ValueError(f"it has a record of another form: {line!r}")
    return record
