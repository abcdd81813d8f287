"""The saves of one fit: each starts as ordered and is reported when it ends."""

from __future__ import annotations

import errno
import time
from typing import Any

from modelcheckpoint.decide.plan import Order, Skip
from modelcheckpoint.errors import FieldError, RestoreError, SaveError, is_interrupt
from modelcheckpoint.observe.extra_state import state_of
from modelcheckpoint.observe.fit import Fit
from modelcheckpoint.observe.processes import check_reach, saves_together
from modelcheckpoint.records import Record
from modelcheckpoint.report import messages
from modelcheckpoint.report.reporter import Reporter
from modelcheckpoint.restore import restore_weights
from modelcheckpoint.results import Receipt
from modelcheckpoint.save.background import Background
from modelcheckpoint.save.commit import Commit
from modelcheckpoint.save.pipeline import Pipeline
from modelcheckpoint.settings import Settings
from modelcheckpoint.storage.base import NotFlushed
from modelcheckpoint.training.run import Run

__all__ = ["Saves"]

_NOT_IN_TIME = (
    "the store did not confirm it in the time that MODELCHECKPOINT_UPLOAD_TIMEOUT "
    "allows"
)

_AWAY = (errno.EIO, errno.ETIMEDOUT)
"""What a store that cannot be reached, or does not answer in time, is reported as."""


class Saves:
    """Carry out what was decided; one save is under way at most, and it is owned here.

    Args:
        settings: Of the callback.
        reporter: Reports each save, and what goes wrong.
        run: Takes note of what was saved.
        fit: That is saved.
        commit: Makes files checkpoints of the run.

    Attributes:
        unsaved: Whether anything was trained since the last save.
    """

    def __init__(
        self,
        settings: Settings,
        reporter: Reporter,
        run: Run,
        fit: Fit,
        commit: Commit,
    ) -> None:
        self.unsaved = False
        self._settings, self._reporter = settings, reporter
        self._run, self._fit, self._commit = run, fit, commit
        self._background = Background()
        self._pipeline = Pipeline(settings.format, commit, self._background)
        self._order: Order | None = None
        self._saved_in_fit = self._within = False

    def expect(self) -> None:
        """Prepare for the saves of the model that is about to be trained."""
        self._pipeline.expect(self._fit.model)

    def carry_out(self, decision: Order | Skip | None, leaving: bool = False) -> None:
        """Begin a save that was ordered, or report why one that fell due is not made.

        Args:
            decision: Of the plan.
            leaving: Whether training ends with it: no field is then worth an error.

        Raises:
            SaveError: If it failed at once, as `on_error` says.
            FieldError: If a field has no value, likewise.
        """
        if isinstance(decision, Order):
            if self._background.busy:
                self._skip(decision)
            else:
                self._save(decision, leaving)
        elif decision is not None and self._fit.chief:
            self._reporter.skipped(decision, self._fit.progress.within)

    def settle(self, wait: bool) -> None:
        """Report what came of the save that was begun last, if it has ended.

        Args:
            wait: Whether to wait for its end, unless the storage is stuck.
        """
        storage = self._commit.storage
        if wait:
            storage.hurry()
            self._background.wait(storage.is_stuck)
        outcome = self._background.outcome()
        if outcome is None:
            return
        assert self._order is not None  # of which this came
        receipt, error = outcome
        if receipt is None and error is None:
            # An interrupt ended the save before Keras wrote anything.
            self._background.forget()
            return
        # An interrupt may come at any line: before `forget` all of it is done once
        # more by the next hook, after it no file is reported twice.
        if error is None or isinstance(error, NotFlushed):
            # The file with this name is this one.
            self._run.plan.saved(self._order)
            self._run.best_record = self._commit.best
        if error is None:
            self._saved_in_fit = self._run.saved_ever = True
        self._background.forget()
        if error is None:
            self._report(self._order, receipt)
        else:
            self._fail(self._order, error)

    def wait(self) -> None:
        """Return when no save is under way, however long that takes."""
        self._background.wait()

    def end(self) -> None:
        """Report what came of the last save, once it has ended or its time is over."""
        seconds = self._commit.storage.end_in_time()
        if seconds is not None and self._order is not None:
            with self._reporter.waiting(self._order.path, seconds) as is_over:
                self._background.wait(is_over)
            if self._background.busy and self._background.outcome() is None:
                self._fail(self._order, TimeoutError(errno.ETIMEDOUT, _NOT_IN_TIME))
                return
        self.settle(wait=True)

    def release(self) -> None:
        """Give back what was kept for the next save, and tidy up."""
        self._pipeline.release()

    def restore_best(self) -> None:
        """Give the model the weights of the best checkpoint of the run."""
        best = self._run.best_record
        if best is None:
            monitor = self._settings.monitor
            self._reporter.best_is_lost(f"no checkpoint was the best by {monitor!r}")
            return
        try:
            restore_weights(self._fit.current_model, self._commit.storage, best)
        except (OSError, RestoreError) as error:
            self._reporter.best_is_lost(str(error))
        else:
            self._reporter.best_is_back(best)

    def _save(self, order: Order, leaving: bool) -> None:
        if order.missing:
            self._report_missing(order, leaving)
        if self._settings.keep_best is not None and order.value is None:
            self._reporter.no_best(order)
        model = self._fit.current_model
        check_reach(model)
        state = state_of(model, self._fit.callback())
        if self._fit.chief:
            self._write(model, order, self._run.record(order, state, model))
        else:
            self._only_take_part(model, order)

    def _skip(self, order: Order) -> None:
        assert self._order is not None  # it is under way
        path, before = map(self._reporter.path, (order.path, self._order.path))
        self._reporter.failed(messages.stuck(path, before))
        self.unsaved = True

    def _write(self, model: Any, order: Order, record: Record) -> None:
        self._within = self._fit.progress.within
        self._reporter.counters_in_logs(self._settings.template.fields, order)
        self._order = order
        soon = self._pipeline.begin(model, record)
        if self._waits(soon):
            self._background.wait()
        self._begun()
        outcome = self._background.outcome()
        if outcome is None or outcome[1] is None:
            self._reporter.fallback(self._pipeline.fallback)
        self.settle(wait=False)

    def _waits(self, soon: bool) -> bool:
        """Return whether training waits until the save has ended."""
        if not self._settings.background:
            return True
        # What is not near was tried before the first batch, and takes its time.
        return self._commit.storage.is_near and (soon or not self._saved_in_fit)

    def _only_take_part(self, model: Any, order: Order) -> None:
        """Decide alike, as a worker whose chief writes the file."""
        if saves_together(model):
            self._pipeline.save_nowhere(model)
        self._run.plan.saved(order)
        self._begun()

    def _begun(self) -> None:
        self.unsaved = False
        self._run.plan.begun(time.monotonic())

    def _report(self, order: Order, receipt: Receipt) -> None:
        self._reporter.saved(order, receipt, self._within)
        if self._settings.on_saved is not None:
            self._settings.on_saved(receipt.record)

    def _fail(self, order: Order, error: BaseException) -> None:
        if is_interrupt(error):
            raise error  # while it saved on this thread
        self.unsaved = True
        text = messages.failed(self._reporter.path(order.path), error)
        first = not self._saved_in_fit and not self._may_pass(error)
        if self._settings.on_error == "raise" or first:
            self._reporter.problems.append(text)
            raise SaveError(text) from error
        self._reporter.failed(text)

    def _may_pass(self, error: BaseException) -> bool:
        """Return whether the next save can succeed, as a store is back by then."""
        away = isinstance(error, OSError) and error.errno in _AWAY
        return away and not self._commit.storage.is_near

    def _report_missing(self, order: Order, leaving: bool) -> None:
        text = messages.no_field(self._settings.filepath, order)
        if self._settings.on_error == "raise" and not leaving:
            self._reporter.problems.append(text)
            raise FieldError(text)
        self._reporter.problem(
            f"{text} Written as nan.", once=f"fields {order.missing}"
        )
