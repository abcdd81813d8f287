"""The saves of one fit: each begun as ordered, and told once it has ended."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from modelcheckpoint.decide.plan import Order, Skip, State
from modelcheckpoint.errors import FieldError, RestoreError, SaveError, is_interrupt
from modelcheckpoint.observe.fit import Fit
from modelcheckpoint.observe.processes import check_reach, saves_together
from modelcheckpoint.observe.state import state_of
from modelcheckpoint.report import messages
from modelcheckpoint.report.reporter import Reporter
from modelcheckpoint.restore import restore_weights
from modelcheckpoint.save.pipeline import Failure, Pipeline
from modelcheckpoint.settings import Settings
from modelcheckpoint.storage.local import NotFlushed
from modelcheckpoint.training.run import RunState

__all__ = ["Saves"]


class Saves:
    """Carry out what was decided; one save is under way at most.

    Args:
        settings: Of the callback.
        reporter: Reports each save, and what goes wrong.
        run: Takes note of what was saved.
        fit: That is saved.
        pipeline: Makes the files.

    Attributes:
        pipeline: As given.
        unsaved: Whether anything was trained since the last save.
    """

    def __init__(
        self,
        settings: Settings,
        reporter: Reporter,
        run: RunState,
        fit: Fit,
        pipeline: Pipeline,
    ) -> None:
        self.pipeline = pipeline
        self.unsaved = False
        self._settings, self._reporter = settings, reporter
        self._run, self._fit = run, fit
        self._saved_in_fit = self._within = False

    def carry_out(
        self, decision: Order | Skip | None, mode: str, leaving: bool = False
    ) -> None:
        """Begin a save that was ordered, or tell why one that fell due is not made.

        Args:
            decision: Of the plan.
            mode: `"min"` or `"max"`.
            leaving: Whether training ends with it: no field is then worth an error.

        Raises:
            SaveError: If it failed at once, as `on_error` says.
            FieldError: If a field has no value, likewise.
        """
        if isinstance(decision, Order):
            self._save(decision, mode, leaving)
        elif decision is not None and self._fit.chief:
            self._reporter.skipped(decision, self._fit.progress.within)

    def settle(self, wait: bool) -> None:
        """Tell what came of the save that was begun last, if it has ended."""
        if not self.pipeline.busy:
            return
        outcome = self.pipeline.outcome(wait)
        if outcome is None:
            return
        # An interrupt may come at any line: before `forget` all of it is done once
        # more by the next hook, after it no file is told of twice.
        if isinstance(outcome, Failure):
            if isinstance(outcome.error, NotFlushed):
                # The file with this name is this one.
                self._run.plan.saved(outcome.order)
                self._run.best_record = self.pipeline.best
            self.pipeline.forget()
            self._fail(outcome)
        else:
            self._run.plan.saved(outcome.order)
            self._saved_in_fit = self._run.saved_ever = True
            self._run.best_record = self.pipeline.best
            self.pipeline.forget()
            self._reporter.saved(outcome.order, outcome, self._within)
            if self._settings.on_saved is not None:
                self._settings.on_saved(outcome.record)

    def restore_best(self) -> None:
        """Give the model the weights of the best checkpoint of the run."""
        best = self._run.best_record
        if best is None:
            monitor = self._settings.monitor
            self._reporter.best_is_lost(f"no checkpoint was the best by {monitor!r}")
            return
        try:
            restore_weights(self._fit.current_model, self.pipeline.storage.folder, best)
        except (OSError, RestoreError) as error:
            self._reporter.best_is_lost(str(error))
        else:
            self._reporter.best_is_back(best)

    def _save(self, order: Order, mode: str, leaving: bool) -> None:
        if order.missing:
            self._tell_missing(order, leaving)
        if self._settings.keep_best is not None and order.value is None:
            self._reporter.no_best(order)
        model = self._fit.current_model
        check_reach(model)
        order = replace(order, state=State(**state_of(model, self._fit.callback())))
        if self._fit.chief:
            self._write(model, order, mode)
        else:
            self._only_take_part(model, order)

    def _write(self, model: Any, order: Order, mode: str) -> None:
        self._within = self._fit.progress.within
        self._reporter.counters_in_logs(self._settings.template.fields, order)
        self.pipeline.save(model, order, mode, at_once=not self._saved_in_fit)
        self._begun()
        if not isinstance(self.pipeline.outcome(wait=False), Failure):
            self._reporter.fallback(self.pipeline.fallback)
        self.settle(wait=False)

    def _only_take_part(self, model: Any, order: Order) -> None:
        """Decide alike, as a worker whose chief writes the file."""
        if saves_together(model):
            self.pipeline.save_nowhere(model)
        self._run.plan.saved(order)
        self._begun()

    def _begun(self) -> None:
        self.unsaved = False
        self._run.plan.begun(time.monotonic())

    def _fail(self, failure: Failure) -> None:
        if is_interrupt(failure.error):
            raise failure.error  # while it saved on this thread
        self.unsaved = True
        text = messages.failed(self._reporter.path(failure.order.path), failure.error)
        if self._settings.on_error == "raise" or not self._saved_in_fit:
            self._reporter.problems.append(text)
            raise SaveError(text) from failure.error
        self._reporter.problem(text)

    def _tell_missing(self, order: Order, leaving: bool) -> None:
        text = messages.no_field(self._settings.filepath, order)
        if self._settings.on_error == "raise" and not leaving:
            self._reporter.problems.append(text)
            raise FieldError(text)
        self._reporter.problem(
            f"{text} Written as nan.", once=f"fields {order.missing}"
        )
