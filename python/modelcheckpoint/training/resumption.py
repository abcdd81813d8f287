"""Resume an earlier run, or report that it could be resumed."""

from __future__ import annotations

from modelcheckpoint.observe.averages import take_averages_out
from modelcheckpoint.observe.first_epoch import Start, start_at, started, take_back
from modelcheckpoint.observe.fit import Fit
from modelcheckpoint.records import Record
from modelcheckpoint.report.reporter import Reporter
from modelcheckpoint.restore import Restored, restore, was_restored
from modelcheckpoint.resume_point import could_resume, others_in, resume_point
from modelcheckpoint.settings import Settings
from modelcheckpoint.storage.base import Storage
from modelcheckpoint.training.run import Run

__all__ = ["Resumption"]


class Resumption:
    """Where a run goes on.

    Not where an epoch was trained since, in a `fit` that ended as it should: the model
    is then further than any file.

    Args:
        settings: Of the callback.
        reporter: Reports from where training goes on, and what was passed over.
        run: Takes up what is found of the earlier run.

    Attributes:
        restored: What was restored; None before, and where there was nothing.
        has_earlier: Whether there is an earlier run to go on from.
    """

    def __init__(self, settings: Settings, reporter: Reporter, run: Run) -> None:
        self.restored: Restored | None = None
        self.has_earlier = False
        self._settings, self._reporter, self._run = settings, reporter, run
        self._may_resume = True
        self._epochs_begun = False
        self._start: Start | None = None

    def begin(self, fit: Fit, storage: Storage) -> None:
        """Resume, if that was asked for, or report that it could be.

        Args:
            fit: That begins.
            storage: Of the template's folder.

        Raises:
            RestoreError: If the checkpoint is of another model, which is as it was.
        """
        # A `fit` that never came so far has left it.
        take_back(fit.model, self._start)
        self._start, self._epochs_begun = None, False
        if self._may_resume and self._settings.resume:
            with storage.kept_copies():
                self._resume(fit, storage)
        elif self._may_resume and fit.chief and not was_restored(fit.model):
            self._tell_of_earlier(storage)

    def begin_epoch(self, fit: Fit, epoch: int) -> None:
        """Look whether `fit` begins where training goes on (`epoch` counts from 1)."""
        self._epochs_begun = True
        if self._start is None or self.restored is None:
            return
        ahead, record = started(fit.model), self.restored.record
        if ahead is not None and ahead is not self._start:
            fit.progress.go_on(ahead.samples)  # a later callback has restored more
        elif record is not None and epoch - 1 != record.epochs_done and fit.chief:
            self._reporter.wrong_epoch(record, epoch)
        take_back(fit.model, self._start)
        self._start = None

    def end(self, fit: Fit) -> None:
        """A `fit` has ended as it should."""
        take_back(fit.model, self._start)
        self._may_resume = self._may_resume and not self._epochs_begun

    def _tell_of_earlier(self, storage: Storage) -> None:
        template, format = self._settings.template, self._settings.format
        record = could_resume(storage, template, format.name)
        if record is not None and record.run != self._run.id:
            self._reporter.could_resume(record)

    def _tell_of_nothing(self, fit: Fit, storage: Storage) -> None:
        settings = self._settings
        others = others_in(storage, settings.template, settings.format.name)
        if others is None or started(fit.model) is not None:
            self._reporter.nothing_to_resume()  # or another callback has restored it
        else:
            self._reporter.only_others(others)

    def _resume(self, fit: Fit, storage: Storage) -> None:
        record = self._search(fit, storage)
        if record is None:
            if fit.chief:
                self._tell_of_nothing(fit, storage)
            return
        ahead = started(fit.model)
        if ahead is not None and ahead.moment >= _moment_of(record):
            # Another callback of this training has a newer state, and restored it.
            fit.progress.go_on(ahead.samples)
            return
        self.restored = restored = restore(fit.model, storage, record.path, record)
        averaged = record.averaged is True
        if averaged and restored.optimizer:
            averaged = not take_averages_out(fit.model)
        fit.progress.go_on(record.samples)
        self._start = start_at(fit.model, record.epochs_done, record.samples)
        if fit.chief:
            back = (restored.optimizer, restored.seeds, restored.states)
            note, surprise = restored.optimizer_note, restored.surprise
            self._reporter.resumed(record, *back, averaged, fit.epochs, note)
            if surprise is not None:
                reporter = self._reporter
                say = reporter.say if restored.optimizer else reporter.problem
                say(surprise)

    def _search(self, fit: Fit, storage: Storage) -> Record | None:
        """Find the checkpoint to go on from, and let the run take up from there."""
        search = resume_point(
            storage, self._settings.template, self._settings.format.name
        )
        record, run = search.record, self._run
        for damaged in search.damaged if fit.chief else ():
            self._reporter.passed_over(damaged.path, damaged.reason)
        if record is not None:
            self.has_earlier = True
            run.id, run.saved_ever = record.run, True
            run.best_record = best = search.best(self._settings.monitor)
            run.plan.go_on(best.value if best else None, record.mode, record.since)
        return record


def _moment_of(record: Record) -> tuple[int, int]:
    return record.epochs_done, record.samples or 0
