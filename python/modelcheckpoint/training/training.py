"""The training of one model: what each hook does."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from modelcheckpoint.decide.plan import Moment
from modelcheckpoint.errors import CheckpointError
from modelcheckpoint.observe.fit import Fit
from modelcheckpoint.observe.logs import numbers
from modelcheckpoint.observe.processes import (
    check_reach,
    may_lie_in_parts,
    saves_together,
)
from modelcheckpoint.report.reporter import Reporter
from modelcheckpoint.restore import Restored
from modelcheckpoint.save.commit import Commit
from modelcheckpoint.save.replacement import Caution
from modelcheckpoint.settings import Settings
from modelcheckpoint.storage.base import Storage
from modelcheckpoint.training.agreement import Agreement, Agreements
from modelcheckpoint.training.exit import GracefulExit
from modelcheckpoint.training.folder import open_folder
from modelcheckpoint.training.resumption import Resumption
from modelcheckpoint.training.run import CopiedRun, Run
from modelcheckpoint.training.saves import Saves
from modelcheckpoint.training.together import Together

__all__ = ["Training"]


class Training:
    """One run, in one `fit` or several: counts, asks the plan, has it done, reports.

    The methods are called as Keras calls the hooks of a callback, in the same order,
    but `epoch` and `batch` count from 1.

    Args:
        settings: The callback's settings.
        reporter: Reports to the user.
        graceful_exit: Holds back signals; it outlives a run.
        copied: The state of the callback from which this one was copied, or None.

    Attributes:
        begun: Whether a fit has begun and has not ended normally.
    """

    # Set by the first `begin`, and kept after `end`, when `wait` may still be called.
    _fit: Fit
    _saves: Saves
    _together: Together

    def __init__(
        self,
        settings: Settings,
        reporter: Reporter,
        graceful_exit: GracefulExit,
        copied: CopiedRun | None = None,
    ) -> None:
        self.begun = False
        self._ever_begun = self._in_parts = self._reserved = False
        self._settings, self._reporter = settings, reporter
        self._graceful_exit = graceful_exit
        self._agreements = Agreements()
        self._run = run = Run(settings, reporter, copied)
        self._plan = run.plan
        self._resumption = Resumption(settings, reporter, run)
        self._first_batch = False
        self._logs: Mapping[str, Any] | None = None

    @property
    def best(self) -> float | None:
        """The best saved value of `monitor`, or the threshold, or None."""
        return self._plan.best

    @property
    def restored(self) -> Restored | None:
        """What was restored; None before, or if there was nothing."""
        return self._resumption.restored

    def copied(self) -> CopiedRun:
        """Return the state from which a copy of the callback continues."""
        return self._run.copied()

    # The fit

    def begin(self, model: Any, callback: Any) -> None:
        """Begin a fit: check everything that can be checked before its first batch.

        Args:
            model: The model in training; None if nobody has set one.
            callback: The callback whose hooks are called; it is not kept alive.
        """
        if self._ever_begun:  # the result of the fit's last save must not be lost
            self._saves.wait()
        self.settle(wait=False)
        if model is None:
            raise CheckpointError(
                "ModelCheckpoint has no model: call `set_model(model)` before it."
            )
        settings = self._settings
        settings.format.check(model)
        self._in_parts = settings.format.has_parts and may_lie_in_parts(model)
        if not self._in_parts:
            check_reach(model)
        fit = Fit.begin(model, callback, settings.unit)
        self._reporter.quiet = not fit.chief
        wanted = settings.resume or settings.restore_best or self._in_parts
        ends = Agreement.of(model, wanted)
        storage = ends.each(partial(open_folder, settings.template, fit.chief))
        self._plan.start(time.monotonic())
        only_epochs = not settings.counts_batches and settings.save_seconds is None
        self._reporter.begin(None if only_epochs else settings.interval)
        self._report_reservation(model)
        self._resumption.begin(fit, storage, ends)
        self._take_up(fit, storage, ends)
        self._graceful_exit.begin(settings.save_on_exit, model, callback)

    def end(self) -> None:
        """End a fit that ended normally; no save is under way when this returns."""
        restores = self.begun and self._settings.restore_best
        if restores:
            self._agreements.ends.each(self._finish, extra=self._saves.patience)
        else:
            self._finish()
        if self.begun:
            self._resumption.end(self._fit)
            if restores:
                self._saves.restore_best(self._agreements.ends)
            self._agreements.part()
            never_due = f"{self._settings.interval} had not passed yet"
            self._reporter.end(self._run.saved_ever, never_due)
        self.begun = False

    def _finish(self) -> None:
        """Save what is still unsaved, and return once everything is durable."""
        self._end_saves()
        if self.begun and self._settings.save_on_exit:
            self._save_last()
        if self._ever_begun:
            self._saves.release()

    def _end_saves(self) -> None:
        if self._ever_begun:
            self._saves.end()

    def settle(self, wait: bool) -> None:
        """Report the result of the last save, if it has ended."""
        if self._ever_begun:
            self._saves.settle(wait)

    def wait(self) -> None:
        """Return once everything that was saved is durable."""
        if self._ever_begun:
            self._saves.wait()
            # Only the training's own thread reports the result of a save.
            if self._fit.on_its_thread:
                self.settle(wait=False)

    # Its events

    def begin_epoch(self, epoch: int) -> None:
        """Note the epoch."""
        self.settle(wait=False)
        self._resumption.begin_epoch(self._fit, epoch)
        self._leave_if_asked()
        self._fit.progress.start_epoch(epoch)

    def end_epoch(self, epoch: int, logs: Mapping[str, Any] | None) -> None:
        """Save, if a save is due at the end of this epoch or was postponed to it."""
        progress = self._fit.progress
        uncounted = progress.end_epoch(epoch)
        self._report_rough_count()
        self._report_reservation(self._fit.model)
        if not progress.batch:  # no hook at a batch's end has counted it
            self._saves.unsaved = True
        self._logs = logs
        due = self._plan.due(uncounted if self._settings.counts_batches else 1)
        self.settle(wait=due or self._plan.waits)
        moment, mode = self._moment(logs)
        self._saves.carry_out(self._plan.at_epoch_end(moment, mode, due))
        self._graceful_exit.end_step(self._save_last)

    def begin_batch(self) -> None:
        """Note that a batch begins."""
        self._fit.progress.count_from_here()

    def end_batch(self, batch: int, logs: Mapping[str, Any] | None) -> None:
        """Count the batch, and save if a save is due."""
        if not self._fit.on_its_thread:
            raise CheckpointError(
                f"{self._settings.why_batches} needs the batches in order: pass the "
                "callbacks as a list, `callbacks=[...]` (in R `list(...)`)."
            )
        batches, amount = self._fit.progress.end_batch(batch, logs)
        self._saves.unsaved, self._logs = True, logs
        if self._first_batch:
            self._report_small_save_freq(amount // batches)
        counted = amount if self._settings.counts_batches else 0
        due = self._together.is_due(counted)
        self.settle(wait=due)
        if due:
            moment, mode = self._moment(logs)
            self._saves.carry_out(self._plan.in_epoch(moment, mode))
        self._graceful_exit.end_step(self._save_last)

    def end_test_batch(self) -> None:
        """Save and leave, if a signal was received."""
        if self.begun and self._fit.on_its_thread:
            self._leave_if_asked()

    def end_test(self) -> None:
        """Note that an evaluation has ended."""
        if self.begun:
            self._fit.progress.count_from_here()
            self._leave_if_asked()

    # Beginning

    def _take_up(self, fit: Fit, storage: Storage, ends: Agreement) -> None:
        settings, run = self._settings, self._run
        commit = Commit(
            storage,
            run.id,
            settings.filepath,
            settings.suffix,
            save_best_only=settings.save_best_only,
            keep=settings.keep,
            best=run.best_record,
            caution=self._caution(storage),
        )
        self._fit = fit
        parts = Agreement.of(fit.model, self._in_parts, settings.filepath)
        alike = Agreement.of(fit.model, saves_together(fit.model))
        self._agreements = Agreements(ends, alike, parts)
        self._together = together = Together(alike, self._plan)
        self._saves = Saves(settings, self._reporter, run, fit, commit, parts, together)
        self._first_batch, self._logs = settings.counts_batches, None
        self.begun = self._ever_begun = True
        if fit.chief or self._in_parts:
            self._saves.expect()

    def _caution(self, storage: Storage) -> Caution:
        if not storage.is_near:  # other machines may be saving there, unnoticed
            return Caution(unknown=True, known=True)
        resume = self._settings.resume
        return Caution(resume, resume and not self._resumption.has_earlier)

    # Saving

    def _moment(self, logs: Mapping[str, Any] | None) -> tuple[Moment, str]:
        """Return the current moment, and which direction of `monitor` is better."""
        progress = self._fit.progress
        moment = Moment(
            progress.epoch,
            progress.batch or None,
            progress.samples,
            numbers(logs),
            at_end=not (progress.within or self._settings.counts_batches),
            epochs_done=progress.epochs_done,
        )
        return moment, self._run.mode(self._fit.model, moment.logs)

    def _leave_if_asked(self) -> None:
        self._graceful_exit.if_asked(self._save_last)

    def _save_last(self) -> None:
        """Save everything trained since the last save; return when it is durable."""
        self.settle(wait=True)
        if self._saves.unsaved or not self._together.alone:
            moment, mode = self._moment(self._logs)
            decision = self._plan.at_exit(moment, mode)
            self._saves.carry_out(decision, leaving=True)
        self._end_saves()

    # Reporting

    def _report_small_save_freq(self, size: int) -> None:
        self._first_batch = False
        settings = self._settings
        if settings.unit == "samples" and size >= settings.every:
            self._reporter.small_save_freq(settings.every, size)

    def _report_reservation(self, model: Any) -> None:
        """Report what files cannot be used for; look again until the model is built."""
        if not self._reserved:
            self._reserved = bool(model.built)
            text = self._settings.format.reservation(model)
            if text is not None:
                self._reporter.problem(text, once="class")

    def _report_rough_count(self) -> None:
        problem = self._fit.progress.problem
        if problem is not None:
            self._reporter.problem(problem, once="samples")
