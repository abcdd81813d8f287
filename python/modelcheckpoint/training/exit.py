"""Exit on a signal once everything trained so far is saved."""

from __future__ import annotations

from typing import Any, Callable

from modelcheckpoint.errors import CheckpointError
from modelcheckpoint.observe.exit_signals import ExitSignals
from modelcheckpoint.observe.processes import saves_together
from modelcheckpoint.observe.stack import TrainingOnStack
from modelcheckpoint.report.reporter import Reporter

__all__ = ["GracefulExit"]


class GracefulExit:
    """Holds back the signals that end a process, for one callback.

    Args:
        reporter: Reports a signal that came, or why none is held back.
    """

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._signals: ExitSignals | None = None

    def begin(self, wanted: bool, model: Any, callback: Any) -> None:
        """Begin to hold signals back for the training that begins now, if wanted."""
        self._signals = self._watch(model, callback) if wanted else None

    def if_asked(self, save: Callable[[], None]) -> None:
        """Save and let the signal act that came since the last hook, if one did.

        Args:
            save: Returns when all that was trained is durable.
        """
        if self._signals is None or self._signals.noted is None:
            return
        signals, name = self._signals, self._signals.noted.name
        try:
            save()
            self._reporter.leaves(name)
        except CheckpointError as error:
            # The signal may leave no time to report it later.
            self._reporter.say(str(error))
            raise
        finally:
            signals.hand_on()

    def end(self) -> None:
        """Hold nothing back any more; a signal that waits acts now."""
        signals, self._signals = self._signals, None
        if signals is not None:
            signals.stop()

    def _watch(self, model: Any, callback: Any) -> ExitSignals | None:
        if saves_together(model):
            self._reporter.no_signals(
                "a save takes all workers, not only those it reaches"
            )
            return None
        signals = ExitSignals(TrainingOnStack(callback).runs)
        if not signals.watch():
            self._reporter.no_signals(
                "Python takes them on its main thread, not on this"
            )
            return None
        return signals
