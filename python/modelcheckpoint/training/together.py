"""Have process 0 decide for all processes that can only save together."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from modelcheckpoint.decide.decision_text import decision_from, text_of
from modelcheckpoint.decide.plan import Order, Plan, Skip
from modelcheckpoint.decide.triggers import steps_until
from modelcheckpoint.training.agreement import Agreement

__all__ = ["Together"]


class Together:
    """Makes all processes begin the same saves at the same steps.

    A process that saved alone would wait for the others for ever, and they for it in
    their next batch. All count the same steps, but only process 0 knows whether its
    last save failed, and each has its own clock. A process that is alone decides by
    itself.

    Args:
        agreement: The agreement of the processes.
        plan: This process' plan, which takes over the best value of process 0.

    Attributes:
        alone: Whether no other process takes part.
    """

    def __init__(self, agreement: Agreement, plan: Plan) -> None:
        self.alone = agreement.alone
        self._agreement, self._plan = agreement, plan
        self._steps = self._left = 1
        self._looked = time.monotonic()

    def is_due(self, amount: int) -> bool:
        """Count a batch, and return whether a save is due, by count or by time.

        Raises:
            CheckpointError: If a process is missing when the time is compared.
        """
        if self.alone:
            return self._plan.due(amount, time.monotonic())
        counted = self._plan.due(amount)
        return self._is_time() or counted

    def decided(
        self, decision: Order | Skip, possible: Callable[[], Order | Skip | None]
    ) -> Order | Skip | None:
        """Return the decision for all processes.

        Args:
            decision: This process' own decision.
            possible: Returns the decision as far as it is possible; process 0 calls it.

        Raises:
            CheckpointError: If a process is missing.
        """
        if self.alone:
            return possible()
        texts = self._agreement.told(
            lambda: text_of(possible()) if self._agreement.chief else ""
        )
        try:
            common = decision_from(texts[0], decision.moment)
        except ValueError as error:
            raise self._agreement.other_version(error) from error
        if common is not None:
            self._plan.best = common.best
        return common

    def _is_time(self) -> bool:
        if self._plan.seconds is None:
            return False
        self._left -= 1
        if self._left > 0:
            return False
        due, self._steps = json.loads(self._agreement.told(self._look)[0])
        self._left = self._steps
        return bool(due)

    def _look(self) -> str:
        seconds, now = self._plan.seconds, time.monotonic()
        assert seconds is not None
        passed, self._looked = now - self._looked, now
        due = seconds.is_due(now)
        return json.dumps([due, steps_until(seconds.left(now), self._steps, passed)])
