"""Which direction of the monitored quantity is better?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from modelcheckpoint.decide.monitor import direction_of
from modelcheckpoint.observe.direction import stated_direction
from modelcheckpoint.report.narrator import Narrator
from modelcheckpoint.settings import Settings

__all__ = ["Direction"]


class Direction:
    """What `mode` says; with `"auto"` what is found out once, for a whole run.

    Args:
        settings: Of the callback.
        tell: Is told where neither the metric nor its name says anything.
    """

    def __init__(self, settings: Settings, tell: Narrator) -> None:
        self._monitor = settings.monitor
        self._mode = None if settings.mode == "auto" else settings.mode
        self._tell = tell

    def of(self, model: Any, logs: Mapping[str, Any]) -> str:
        """Return `"min"` or `"max"`.

        Args:
            model: In training, whose metrics are asked first.
            logs: What is there to compare.
        """
        if self._mode is None:
            stated = stated_direction(model, self._monitor)
            mode = stated or direction_of(self._monitor)
            if mode is None and self._monitor not in logs:
                return "min"  # there is nothing to compare
            if mode is None:
                self._tell_unknown()
            self._mode = mode or "min"
        return self._mode

    def _tell_unknown(self) -> None:
        self._tell.problem(
            f"`mode='auto'` cannot tell from the name {self._monitor!r} whether more "
            "of it is better; taking 'min'. Pass `mode='min'` or 'max'."
        )
