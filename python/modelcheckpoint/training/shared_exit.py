"""Have all processes leave after the same step when one of them receives a signal."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections import Counter
from typing import Callable

from modelcheckpoint.decide.exit_step import ExitStep
from modelcheckpoint.errors import CheckpointError
from modelcheckpoint.observe.peers import SharedStore
from modelcheckpoint.observe.store_gather import Rounds, Store, StoreGather

__all__ = ["SharedExit"]

_PAUSE = 1.0
"""Seconds between two checks for a signal in another process."""

_SHORT_PAUSE = 0.02
"""The same, while training may be held until the others answer."""

_fits: Counter[str] = Counter()


class SharedExit:
    """Makes the processes of one training leave at the end of the same step.

    A thread checks whether a signal was received, here or elsewhere, and answers for
    this process even while that waits. So a step costs only a count, and a process that
    waits in a collective of its framework delays nobody.

    Args:
        shared: The processes and their store.
        topic: Identifies this callback; it must be the same in all processes.
        seconds: How long they wait for each other to agree.
        only_together: Whether no process can save without the others.
        noted: Returns the signal that this process holds back, or None.

    Attributes:
        error: Why the processes cannot agree, or None.
    """

    def __init__(
        self,
        shared: SharedStore,
        topic: str,
        seconds: float,
        only_together: bool,
        noted: Callable[[], signal.Signals | None],
    ) -> None:
        _fits[topic] += 1
        topic = f"exit/{topic}/{_fits[topic]}"
        self._closing, self._wake = threading.Event(), threading.Event()
        self._key = f"modelcheckpoint/{topic}/signal"
        self._store = store = _UntilEnd(shared.store, topic, self._closing)
        self._only_together = only_together
        place = (shared.rank, shared.count)
        self._gather = StoreGather(store, *place, topic, Rounds())
        self._seconds, self._noted = seconds, noted
        self._step, self._changed = ExitStep(), threading.Condition()
        self._number: str | None = None
        self.error: CheckpointError | None = None
        self._thread = threading.Thread(target=self._watch, name="shared exit")
        self._thread.start()

    @property
    def signal(self) -> signal.Signals:
        """The first signal that any of the processes received."""
        assert self._number is not None  # a step was chosen
        return signal.Signals(int(self._number))

    def end_step(self) -> bool:
        """End a step; return whether to leave now, as chosen or because of `error`.

        This waits while this process has promised not to continue.
        """
        with self._changed:
            self._step.end()
            if self._noted() is not None:
                self._wake.set()
            while self._step.waits and self.error is None:
                self._changed.wait(_PAUSE)  # a signal can act between two waits
            return self._step.is_now or self.error is not None

    def part(self, seconds: float) -> None:
        """Return once all have saved or ended, so that none ends while another saves.

        Args:
            seconds: How long to wait for the others.
        """
        with contextlib.suppress(CheckpointError):
            self._gather("", seconds)
            self._gather.part()

    def end(self) -> None:
        """Release the processes that wait for this one, whose training has ended.

        No step up to its last one was chosen, or this process would have left there.
        """
        with contextlib.suppress(CheckpointError):
            self._store.end()
        self.close()

    def close(self) -> None:
        """Stop checking for signals."""
        self._closing.set()
        self._wake.set()

    def _watch(self) -> None:
        try:
            number = self._await_signal()
            if number is not None:
                self._agree(number)
        except CheckpointError as error:
            with self._changed:
                if self._only_together and isinstance(error, _EndedError):
                    self._step.give_up()
                else:
                    self.error = error
                self._changed.notify_all()

    def _await_signal(self) -> str | None:
        """Return the number of the first signal, or None if this is to stop."""
        # No hook is called if a `fit` ends by an exception, and Python waits for this
        # thread when it exits.
        while not self._closing.is_set() and _main_runs():
            noted = self._noted()
            if noted is not None:
                return self._store.put(self._key, str(int(noted)))
            number = self._store.get(self._key, 0.0)
            if number is not None:
                return number
            self._wake.wait(_PAUSE)
        return None

    def _agree(self, number: str) -> None:
        with self._changed:
            promise = self._step.promise()
        promises = self._gather(str(promise), self._seconds)
        with self._changed:
            self._number = number
            self._step.choose(map(int, promises))
            self._changed.notify_all()


class _EndedError(CheckpointError):
    """A process has ended its training and takes part in no agreement any more."""


class _UntilEnd:
    """A store in which nobody waits for a training that has ended.

    Args:
        store: The store itself.
        topic: The training's topic.
        closing: Set when this process takes part no more.
    """

    def __init__(self, store: Store, topic: str, closing: threading.Event) -> None:
        self._store, self._closing = store, closing
        self._end_key = f"modelcheckpoint/{topic}/end"
        self.put, self.delete = store.put, store.delete

    def end(self) -> None:
        """Let all processes know that this one has ended its training."""
        self.put(self._end_key, "true")

    def get(self, key: str, seconds: float) -> str | None:
        """Return the text of a key once it is set, or None.

        Raises:
            _EndedError: If a process has ended its training, or this one is about to.
        """
        ends = time.monotonic() + seconds
        while True:
            text = self._store.get(key, 0.0)
            if text is not None or time.monotonic() >= ends:
                return text
            if self._closing.wait(_SHORT_PAUSE) or not _main_runs() or self._ended():
                raise _EndedError("A process has ended its training.")

    def _ended(self) -> bool:
        return self._store.get(self._end_key, 0.0) is not None


def _main_runs() -> bool:
    """Return whether Python is not exiting yet; on exit it waits for all threads."""
    return threading.main_thread().is_alive()
