"""The saves of one fit: each is started as ordered and reported when it ends."""

from __future__ import annotations

import errno
import time
from functools import partial
from typing import Any

from modelcheckpoint.decide.choice import Choice
from modelcheckpoint.decide.plan import Order, Skip
from modelcheckpoint.errors import FieldError, RestoreError, SaveError, is_interrupt
from modelcheckpoint.observe.extra_state import state_of
from modelcheckpoint.observe.fit import Fit
from modelcheckpoint.observe.processes import check_reach, saves_together
from modelcheckpoint.records import Record
from modelcheckpoint.report import messages
from modelcheckpoint.report.reporter import Reporter
from modelcheckpoint.restore import restore_weights, why_lost
from modelcheckpoint.results import Receipt
from modelcheckpoint.save.background import Background
from modelcheckpoint.save.commit import Commit
from modelcheckpoint.save.pipeline import Pipeline
from modelcheckpoint.settings import Settings
from modelcheckpoint.storage.base import NotFlushed
from modelcheckpoint.storage.patience import NOT_IN_TIME
from modelcheckpoint.timeouts import upload_timeout
from modelcheckpoint.training.agreement import Agreement
from modelcheckpoint.training.collective import CollectivePipeline
from modelcheckpoint.training.run import Run
from modelcheckpoint.training.together import Together

__all__ = ["Saves"]

_AWAY = (errno.EIO, errno.ETIMEDOUT)
"""The errors of a store that cannot be reached or does not answer in time."""


class Saves:
    """Carries out decisions; owns the save under way, of which there is at most one.

    Args:
        settings: The callback's settings.
        reporter: Reports each save and each problem.
        run: Remembers what was saved.
        fit: The fit whose model is saved.
        commit: Makes files checkpoints of the run.
        parts: The agreement of the processes that each save a part of the model.
        together: Coordinates the processes that must save together.

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
        parts: Agreement,
        together: Together,
    ) -> None:
        self.unsaved = False
        self._settings, self._reporter = settings, reporter
        self._run, self._fit, self._commit = run, fit, commit
        self._background = Background()
        self._together, self._in_parts = together, not parts.alone
        self._pipeline: Pipeline | CollectivePipeline
        if self._in_parts:
            self._pipeline = CollectivePipeline(
                settings.format, commit, self._background, parts
            )
        else:
            self._pipeline = Pipeline(settings.format, commit, self._background)
        self._order: Order | None = None
        self._saved_in_fit = self._within = False

    @property
    def patience(self) -> float:
        """The seconds for which the end of a training may wait for the storage."""
        return 0.0 if self._commit.storage.is_near else upload_timeout()

    def expect(self) -> None:
        """Prepare for the saves of the model that is about to be trained."""
        self._pipeline.expect(self._fit.model)

    def carry_out(self, decision: Order | Skip | None, leaving: bool = False) -> None:
        """Begin a save that was ordered, or report why a due save is skipped.

        Args:
            decision: The plan's decision; None if nothing is due, in all processes.
            leaving: Whether training ends with it; a missing field then never raises.

        Raises:
            SaveError: If it failed at once, as `on_error` says.
            FieldError: If a field has no value, as `on_error` says.
            CheckpointError: If a process that must save with this one is missing.
        """
        if decision is None:
            return
        possible = partial(self._possible, decision, leaving)
        decision = self._together.decided(decision, possible)
        if isinstance(decision, Order):
            self._save(decision, leaving)
        elif decision is not None:
            self._reporter.skipped(decision, self._fit.progress.within)

    def settle(self, wait: bool) -> None:
        """Report the result of the last save, if it has ended.

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
        assert self._order is not None  # the order of this save
        receipt, error = outcome
        if receipt is None and error is None:
            # An interrupt ended the save before Keras wrote anything.
            self._background.forget()
            return
        # An interrupt may hit any line. Before `forget`, the next hook repeats all of
        # this; after it, no file is reported twice.
        if error is None or isinstance(error, NotFlushed):
            # The new file has the name.
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
        """Wait until no save is under way, however long that takes."""
        self._background.wait()

    def end(self) -> None:
        """Report the result of the last save once it has ended or its time is over."""
        seconds = self._commit.storage.end_in_time()
        if seconds is not None and self._order is not None:
            with self._reporter.waiting(self._order.path, seconds) as is_over:
                self._background.wait(is_over)
            if self._background.busy and self._background.outcome() is None:
                self._fail(self._order, TimeoutError(errno.ETIMEDOUT, NOT_IN_TIME))
                return
        self.settle(wait=True)

    def release(self) -> None:
        """Release the memory kept for the next save, and tidy up."""
        self._pipeline.release()

    def restore_best(self, agreement: Agreement) -> None:
        """Give the model the weights of the best checkpoint of the run.

        Args:
            agreement: The agreement of the processes that train the model; all of them
                do this, or none.
        """
        run, storage = self._run, self._commit.storage
        best = agreement.chosen(lambda: Choice(run.id, best=run.best_record)).best
        if best is None:
            monitor = self._settings.monitor
            self._reporter.best_is_lost(f"no checkpoint was the best by {monitor!r}")
            return
        with storage.kept_copies():
            lost = agreement.told(partial(why_lost, storage, best))
            reason = next(filter(None, lost), None) or self._load(best, agreement)
        if reason is not None:
            self._reporter.best_is_lost(reason)
        else:
            self._reporter.best_is_back(best)

    def _load(self, best: Record, agreement: Agreement) -> str | None:
        """Load the weights, or return why the model was left unchanged."""
        model, storage = self._fit.current_model, self._commit.storage
        try:
            agreement.loaded(partial(restore_weights, model, storage, best))
        except (OSError, RestoreError) as error:
            if not agreement.alone:
                raise  # the models of the other processes have other weights now
            return str(error)
        return None

    def _possible(self, decision: Order | Skip, leaving: bool) -> Order | Skip | None:
        """Return a decision, or None if nothing can or need be saved."""
        if leaving and not self.unsaved:
            return None
        if isinstance(decision, Order) and self._background.busy:
            self._skip(decision)
            return None
        return decision

    def _save(self, order: Order, leaving: bool) -> None:
        if order.missing:
            self._report_missing(order, leaving)
        if self._settings.keep_best is not None and order.value is None:
            self._reporter.no_best(order)
        model = self._fit.current_model
        if not self._in_parts:
            check_reach(model)
        state = state_of(model, self._fit.swappers)
        if self._fit.chief or self._in_parts:
            self._write(model, order, self._run.record(order, state, model))
        else:
            self._only_take_part(model, order)

    def _skip(self, order: Order) -> None:
        assert self._order is not None  # its save is under way
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
        # A remote store was tried before the first batch, and is slow.
        return self._commit.storage.is_near and (soon or not self._saved_in_fit)

    def _only_take_part(self, model: Any, order: Order) -> None:
        """Decide as the chief does, in a process whose chief writes the file."""
        if saves_together(model):
            self._pipeline.save_nowhere(model)
        self._run.plan.saved(order)
        self._begun()

    def _begun(self) -> None:
        self.unsaved = False
        self._run.plan.begun(time.monotonic())

    def _report(self, order: Order, receipt: Receipt) -> None:
        self._reporter.saved(order, receipt, self._within)
        if self._settings.on_saved is not None and self._fit.chief:
            self._settings.on_saved(receipt.record)

    def _fail(self, order: Order, error: BaseException) -> None:
        if is_interrupt(error):
            raise error  # raised while saving on this thread
        self.unsaved = True
        text = messages.failed(self._reporter.path(order.path), error)
        first = not self._saved_in_fit and not self._may_pass(error)
        if self._settings.on_error == "raise" or first:
            self._reporter.problems.append(text)
            raise SaveError(text) from error
        self._reporter.failed(text)

    def _may_pass(self, error: BaseException) -> bool:
        """Return whether the next save may succeed, because the store may be back."""
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
