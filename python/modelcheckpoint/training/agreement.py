"""Steps that the processes of one training do together."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, field
from typing import Any, Callable, TypeVar

from modelcheckpoint.decide.choice import Choice
from modelcheckpoint.errors import CheckpointError
from modelcheckpoint.formats.reading import before_loading
from modelcheckpoint.observe.peers import Peers, peers_of
from modelcheckpoint.timeouts import peer_timeout

__all__ = ["Agreement", "Agreements"]

Value = TypeVar("Value")


class Agreement:
    """Shares the result of each step among all processes, including errors.

    A process that is alone does each step without waiting.

    Args:
        peers: The processes.
        seconds: How long they wait for each other in each step.

    Attributes:
        alone: Whether no other process takes part.
        rank: Number of this process, from 0.
        chief: Whether this is the process that chooses.
        seconds: As given.
    """

    def __init__(self, peers: Peers, seconds: float) -> None:
        self._peers, self.seconds = peers, seconds
        self.alone = peers.count == 1
        self._failed = False
        self.rank = peers.rank
        self.chief = peers.rank == 0

    @classmethod
    def of(cls, model: Any, wanted: bool, topic: str = "fit") -> Agreement:
        """Return the agreement of the processes that train a model.

        Args:
            model: The model that they train.
            wanted: Whether they need to agree; if not, each process counts as alone.
            topic: The subject; steps on another thread need a topic of their own.

        Raises:
            ValueError: If `MODELCHECKPOINT_PEER_TIMEOUT` is not a valid time.
        """
        peers = peers_of(model, topic) if wanted else Peers()
        return cls(peers, peer_timeout() if peers.count > 1 else 0.0)

    def told(self, look: Callable[[], str], extra: float = 0.0) -> list[str]:
        """Run a function in each process, and return the texts from all of them.

        Args:
            look: The function; it returns the text of this process.
            extra: Seconds that the others wait in addition to the limit.

        Raises:
            Exception: If it failed in this process: the error itself.
            CheckpointError: If it failed in another process, or if one is missing.
        """
        if self.alone:
            return [look()]
        limit = self.seconds + extra
        try:
            said = look()
        except Exception as error:
            if not self._failed:  # otherwise all know already
                with contextlib.suppress(CheckpointError):
                    self._gather("", f"{type(error).__name__}: {error}", limit)
            raise
        return self._gather(said, None, limit)

    def each(self, work: Callable[[], Value], extra: float = 0.0) -> Value:
        """Run a function in each process, and return its result in this one.

        Raises:
            Exception: If it failed, as in `told`.
        """
        values: list[Value] = []

        def look() -> str:
            values.append(work())
            return ""

        self.told(look, extra)
        return values[0]

    def loaded(self, load: Callable[[], Value]) -> Value:
        """Load a file in each process, and return the result in this one.

        No model changes until the file fits in all processes: on JAX they change their
        variables together, and would wait for a process that does not.

        Raises:
            Exception: If it failed, as in `told`.
        """
        with before_loading(lambda: self.each(lambda: None)):
            return self.each(load)

    def chosen(self, choose: Callable[[], Choice]) -> Choice:
        """Have process 0 choose, and return its choice.

        Raises:
            Exception: If it failed, as in `told`.
        """
        if self.alone:
            return choose()
        texts = self.told(lambda: choose().to_text() if self.chief else "")
        try:
            return Choice.from_text(texts[0])
        except ValueError as error:
            raise self.other_version(error) from error

    def failed(self, message: str) -> CheckpointError:
        """Return the error with which all processes end after a step.

        It returns once all have read the result of the step, like `part`, because
        process 0 may end as soon as it raises the error.
        """
        self.part()
        return CheckpointError(message)

    def other_version(self, error: ValueError) -> CheckpointError:
        """Return the error for a text of process 0 that this version cannot read."""
        return self.failed(f"Process 0 has another version of modelcheckpoint: {error}")

    def part(self) -> None:
        """Return once all have read the last result, which process 0 may hold.

        All processes call this before they end.
        """
        self._peers.part()

    def _gather(self, said: str, failure: str | None, limit: float) -> list[str]:
        """Return the texts of all; raise if any process, even this one, has failed."""
        self._failed = True  # until the round has succeeded
        texts = self._peers.gather(json.dumps([said, failure]), limit)
        answers = [json.loads(text) for text in texts]
        for rank, (_, other) in enumerate(answers):
            if other is not None:
                raise self.failed(f"Process {rank} has failed: {other}")
        self._failed = False
        return [said for said, _ in answers]


def _alone() -> Agreement:
    return Agreement(Peers(), 0.0)


@dataclass(frozen=True)
class Agreements:
    """The agreements of the processes of a fit.

    Attributes:
        ends: On the beginning and the end of the fit.
        saves: On the time of each save that needs all processes.
        parts: On the parts that each process writes, in the background.
    """

    ends: Agreement = field(default_factory=_alone)
    saves: Agreement = field(default_factory=_alone)
    parts: Agreement = field(default_factory=_alone)

    def part(self) -> None:
        """Return once all have read the last results, before the process ends."""
        for agreement in (self.ends, self.saves, self.parts):
            agreement.part()
