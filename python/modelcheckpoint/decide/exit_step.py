"""Decide at the end of which step all processes leave, as seen from one process.

A step is anything that all processes do equally often: a batch, or the end of an epoch.
Each process that learns of a signal promises a step, which it will not pass until it
knows the promises of all. All leave at the greatest promised step: no process is beyond
it, and each one held at an earlier step continues up to it.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["ExitStep"]


class ExitStep:
    """The steps of one process, and the one at whose end it leaves.

    Attributes:
        ended: The number of steps that have ended.
        promised: The step that this process must not pass yet; None before it knows of
            a signal.
        chosen: The step at whose end all leave, from 1; None while undecided, 0 if
            there is none.
    """

    def __init__(self) -> None:
        self.ended = 0
        self.promised: int | None = None
        self.chosen: int | None = None

    def end(self) -> None:
        """Note that a step has ended."""
        self.ended += 1

    def promise(self) -> int:
        """Return the step that this process promises not to pass: the current one."""
        if self.promised is None:
            self.promised = self.ended + 1
        return self.promised

    def choose(self, promises: Iterable[int]) -> None:
        """Choose the step to leave at from the promises of all processes."""
        self.chosen = max(promises)

    def give_up(self) -> None:
        """Choose no step: this process leaves only when its training ends."""
        self.chosen = 0

    @property
    def waits(self) -> bool:
        """Whether this process must not begin another step yet."""
        if self.promised is None or self.chosen is not None:
            return False
        return self.ended >= self.promised

    @property
    def is_now(self) -> bool:
        """Whether the step that ended last is the one to leave at."""
        return self.ended == self.chosen
