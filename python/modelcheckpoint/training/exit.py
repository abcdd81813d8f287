"""Exit on a signal once everything trained so far is saved."""

from __future__ import annotations

import signal
import weakref
from typing import Any, Callable

from modelcheckpoint.errors import CheckpointError
from modelcheckpoint.observe.exit_signals import ExitSignals
from modelcheckpoint.observe.peers import shared_store
from modelcheckpoint.observe.processes import saves_together
from modelcheckpoint.observe.stack import TrainingOnStack
from modelcheckpoint.report.reporter import Reporter
from modelcheckpoint.timeouts import peer_timeout, upload_timeout
from modelcheckpoint.training.shared_exit import SharedExit

__all__ = ["GracefulExit"]

_TO_ANSWER = 5.0
"""Seconds to agree within, if the chief can save without the others."""


class GracefulExit:
    """Holds back the signals that end a process, for one callback.

    Args:
        reporter: Reports a received signal, or why none is held back.
        topic: Identifies this callback, and is the same in all processes.
    """

    def __init__(self, reporter: Reporter, topic: str) -> None:
        self._reporter, self._topic = reporter, topic
        self._signals: ExitSignals | None = None
        self._shared: SharedExit | None = None
        self._needs_all, self._to_part = False, 0.0

    def begin(self, wanted: bool, model: Any, callback: Any) -> None:
        """Begin to hold signals back for the training that begins now, if wanted.

        Raises:
            ValueError: If several processes train, and `MODELCHECKPOINT_PEER_TIMEOUT`
                is not a valid time.
        """
        self._close()
        # The previous training's watcher is dropped only once the new one watches.
        self._signals = self._take_part(model, callback) if wanted else None

    def end_step(self, save: Callable[[], None]) -> None:
        """Act on a signal at the end of a step, which all processes do equally often.

        If several processes train the model, they leave only here, all at the end of
        the same step, whichever of them received the signal.

        Args:
            save: Saves, and returns when everything trained so far is durable.
        """
        shared = self._shared
        if shared is None:
            self.if_asked(save)
        elif shared.end_step():
            if shared.error is None:
                self._leave_together(shared, save)
            else:
                self._leave_alone(shared.error, save)

    def if_asked(self, save: Callable[[], None]) -> None:
        """If a signal was received since the last hook, save and let it act.

        Args:
            save: Saves, and returns when everything trained so far is durable.
        """
        signals = self._signals
        if self._shared is None and signals is not None and signals.noted is not None:
            try:
                self._save(save, signals.noted)
            finally:
                signals.hand_on()

    def end(self) -> None:
        """Stop holding signals back; a signal that was held back acts now."""
        if self._shared is not None:
            self._shared.end()
        self._close()
        signals, self._signals = self._signals, None
        if signals is not None:
            signals.stop()

    def _leave_together(self, shared: SharedExit, save: Callable[[], None]) -> None:
        signals = self._signals
        if signals is not None:
            signals.note(shared.signal)
        try:
            try:
                self._save(save, shared.signal)
            except Exception:
                shared.part(self._to_part)
                raise
            shared.part(self._to_part)
        finally:
            self._close()
            if signals is not None:
                signals.hand_on()
            else:  # `fit` is not on the main thread, which receives signals
                signal.raise_signal(shared.signal)

    def _leave_alone(self, error: CheckpointError, save: Callable[[], None]) -> None:
        """Act like a process that is alone, if it can save without the others."""
        self._close()
        if not self._needs_all:
            self.if_asked(save)
            return
        self._reporter.problem(f"Received a signal, but saved nothing: {error}")
        self.end()

    def _save(self, save: Callable[[], None], number: signal.Signals) -> None:
        try:
            save()
            self._reporter.leaves(number.name)
        except CheckpointError as error:
            # The signal may leave no time to report it later.
            self._reporter.error(str(error))
            raise

    def _close(self) -> None:
        shared, self._shared = self._shared, None
        if shared is not None:
            shared.close()

    def _take_part(self, model: Any, callback: Any) -> ExitSignals | None:
        """Hold signals back if this process can, and watch for those of the others."""
        self._needs_all = saves_together(model)
        stores = shared_store(model)
        if stores is None and self._needs_all:
            self._reporter.no_signals(
                "a save needs all workers, but a signal may reach only some"
            )
            return None
        seconds = 0.0 if stores is None else peer_timeout()
        signals = self._watch(callback)
        if stores is not None:
            self._to_part = seconds + upload_timeout()
            limit = seconds if self._needs_all else _TO_ANSWER
            noted = _noted_by(signals)
            self._shared = SharedExit(
                stores, self._topic, limit, self._needs_all, noted
            )
            weakref.finalize(self, self._shared.close).atexit = False
        return signals

    def _watch(self, callback: Any) -> ExitSignals | None:
        signals = ExitSignals(TrainingOnStack(callback).runs)
        if not signals.watch():
            self._reporter.no_signals(
                "Python handles them only on its main thread, and this is another"
            )
            return None
        return signals


def _noted_by(signals: ExitSignals | None) -> Callable[[], signal.Signals | None]:
    return lambda: None if signals is None else signals.noted
