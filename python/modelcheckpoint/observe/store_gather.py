"""Gather texts over a key-value store that all processes reach."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Protocol

from modelcheckpoint.errors import CheckpointError

__all__ = ["Rounds", "Store", "StoreGather", "not_here"]

_GRACE = 5.0
"""Seconds beyond its limit that a process waits for the answer of process 0."""

_SHOWN = 10
"""How many missing processes an error lists."""


class Store(Protocol):
    """Keys and texts, shared by all processes; usable on any thread."""

    def put(self, key: str, text: str) -> str:
        """Set a key, unless somebody has set it; return the text that it has now."""

    def get(self, key: str, seconds: float) -> str | None:
        """Return the text of a key once it is set, or None if that takes too long."""

    def delete(self, folder: str, names: Iterable[str]) -> None:
        """Delete the keys `<folder>/<name>`, if the store can."""


class Rounds:
    """Counts the rounds of each topic; a process has one such object."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._left: dict[str, list[int]] = {}
        self._lock = threading.Lock()

    def begin(self, topic: str) -> int:
        """Begin a round, and return its number."""
        with self._lock:
            self._counts[topic] += 1
            self._left.setdefault(topic, []).append(self._counts[topic])
            return self._counts[topic]

    def current(self, topic: str) -> int:
        """Return the number of the newest round."""
        with self._lock:
            return self._counts[topic]

    def finished(self, topic: str, number: int) -> list[int]:
        """Return the earlier rounds, which nobody reads any more, each only once."""
        with self._lock:
            left = self._left[topic]
            self._left[topic] = [other for other in left if other >= number]
            return [other for other in left if other < number]


class StoreGather:
    """Gather one text of each process: process 0 collects, and all read its answer.

    A round takes three requests in each process, and in process 0 one for each process.
    The answer is set only once, by process 0 or by the first process that times out, so
    either all get the texts, or all get the same error. Each process notes that it has
    read the answer: process 0 may hold the store, and must not end before (`part`).

    Args:
        store: A store that all processes can reach.
        rank: Number of this process.
        count: The number of processes.
        topic: The topic; each has its own rounds.
        rounds: Counts the rounds.
    """

    def __init__(
        self, store: Store, rank: int, count: int, topic: str, rounds: Rounds
    ) -> None:
        self._store, self._rounds, self._topic = store, rounds, topic
        self._rank, self._count = rank, count

    def __call__(self, text: str, seconds: float) -> list[str]:
        """Return the texts of all processes, in the order of their ranks.

        Raises:
            CheckpointError: If some are missing after `seconds`, with their ranks.
        """
        number = self._rounds.begin(self._topic)
        folder = self._folder(number)
        ends = time.monotonic() + seconds
        # JSON is ASCII and never empty, so any store can hold it.
        self._store.put(f"{folder}/{self._rank}", json.dumps(text))
        if self._rank == 0:
            texts = self._collect(folder, ends)
        else:
            texts = self._await(folder, ends + min(seconds, _GRACE))
            self._note_read(folder)
        missing = [rank for rank, text in enumerate(texts) if text is None]
        if missing:
            self._await_readers(folder, missing)
            raise CheckpointError(not_here(missing, self._count, seconds))
        self._tidy(number)
        return [str(text) for text in texts]

    def part(self) -> None:
        """Return once the others have read the last answer, or after some seconds.

        Call it before this process ends.
        """
        number = self._rounds.current(self._topic)
        if number > 0:
            self._await_readers(self._folder(number), [])

    def _folder(self, number: int) -> str:
        return f"modelcheckpoint/{self._topic}/{number}"

    def _collect(self, folder: str, ends: float) -> Sequence[str | None]:
        """Answer with the texts of all, and None for each missing one."""
        texts = [self._text(folder, rank, ends) for rank in range(self._count)]
        return self._answer(folder, texts)

    def _await(self, folder: str, ends: float) -> Sequence[str | None]:
        """Return the answer of process 0, or answer who is missing."""
        answer = self._store.get(f"{folder}/all", ends - time.monotonic())
        if answer is not None:
            texts: Sequence[str | None] = json.loads(answer)
            return texts
        texts = [self._text(folder, rank, 0) for rank in range(self._count)]
        # If all have arrived by now, process 0 was so late that it still collects.
        return self._answer(folder, texts if None in texts else [None, *texts[1:]])

    def _answer(self, folder: str, texts: Sequence[str | None]) -> Sequence[str | None]:
        answer: Sequence[str | None]
        answer = json.loads(self._store.put(f"{folder}/all", json.dumps(texts)))
        return answer

    def _text(self, folder: str, rank: int, ends: float) -> str | None:
        text = self._store.get(f"{folder}/{rank}", max(ends - time.monotonic(), 0))
        return None if text is None else json.loads(text)

    def _note_read(self, folder: str) -> None:
        # Process 0 may end as soon as this is set; no reply is needed then.
        with contextlib.suppress(CheckpointError, RuntimeError):
            self._store.put(f"{folder}/read/{self._rank}", "true")

    def _await_readers(self, folder: str, missing: Sequence[int]) -> None:
        """Wait in process 0 until the others have read the answer."""
        if self._rank != 0:
            return
        ends = time.monotonic() + _GRACE
        # A store that is gone by now, with a launcher say, leaves nothing to wait for.
        with contextlib.suppress(CheckpointError, RuntimeError):
            for rank in range(1, self._count):
                if rank not in missing:
                    self._text(f"{folder}/read", rank, ends)

    def _tidy(self, number: int) -> None:
        """Delete the earlier rounds; all have read them, since all are in this one."""
        ranks = [str(rank) for rank in range(self._count)]
        earlier_rounds = self._rounds.finished(self._topic, number)
        for earlier in earlier_rounds if self._rank == 0 else ():
            names = ["all", *ranks, *(f"read/{rank}" for rank in ranks)]
            self._store.delete(self._folder(earlier), names)


def not_here(missing: Sequence[int], count: int, seconds: float) -> str:
    """Return a message on which processes are missing, and what to do."""
    shown = ", ".join(str(rank) for rank in missing[:_SHOWN])
    more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
    who = f"Process{'es' if len(missing) > 1 else ''} {shown}{more}"
    return (
        f"{who} of {count} did not arrive within {seconds:g} seconds. All processes "
        "that train a model must call `fit` with the same callbacks; the environment "
        "variable MODELCHECKPOINT_PEER_TIMEOUT says how many seconds they wait for "
        "each other."
    )
