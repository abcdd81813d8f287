"""Resume an earlier run, or report that it could be resumed."""

from __future__ import annotations

from functools import partial

from modelcheckpoint.decide.choice import Choice
from modelcheckpoint.observe.averages import take_averages_out
from modelcheckpoint.observe.first_epoch import Start, start_at, started, take_back
from modelcheckpoint.observe.fit import Fit
from modelcheckpoint.records import Record
from modelcheckpoint.report.reporter import Reporter
from modelcheckpoint.restore import Restored, restore, was_restored
from modelcheckpoint.resume_point import could_resume, others_in, resume_point
from modelcheckpoint.settings import Settings
from modelcheckpoint.storage.base import Storage
from modelcheckpoint.training.agreement import Agreement
from modelcheckpoint.training.folder import check_shared
from modelcheckpoint.training.run import Run

__all__ = ["Resumption"]


class Resumption:
    """Resumes an earlier run when a `fit` begins.

    It does not resume after a `fit` of this callback that has trained an epoch and
    ended normally, because the model is then further than any file.

    Args:
        settings: The callback's settings.
        reporter: Reports where training continues, and which files were skipped.
        run: The run that continues the earlier one.

    Attributes:
        restored: What was restored; None before, or if there was nothing.
        has_earlier: Whether an earlier run is continued.
    """

    def __init__(self, settings: Settings, reporter: Reporter, run: Run) -> None:
        self.restored: Restored | None = None
        self.has_earlier = False
        self._settings, self._reporter, self._run = settings, reporter, run
        self._may_resume = True
        self._epochs_begun = False
        self._start: Start | None = None

    def begin(self, fit: Fit, storage: Storage, agreement: Agreement) -> None:
        """Resume, if that was requested; if not, report that it would be possible.

        Args:
            fit: The fit that begins.
            storage: The storage of the template's folder.
            agreement: The processes that train the model; they all resume alike.

        Raises:
            RestoreError: If the checkpoint is of another model. The model is unchanged.
            CheckpointError: If another process has failed, or does not see the folder.
        """
        # A `fit` that ended before its first epoch has left its request.
        take_back(fit.model, self._start)
        self._start, self._epochs_begun = None, False
        if self._may_resume and self._settings.resume:
            with storage.kept_copies():
                self._resume(fit, storage, agreement)
            return
        check_shared(agreement, storage, None)
        if self._may_resume and fit.chief and not was_restored(fit.model):
            self._tell_of_earlier(storage)

    def begin_epoch(self, fit: Fit, epoch: int) -> None:
        """Check that `fit` begins where it should continue (`epoch` counts from 1)."""
        self._epochs_begun = True
        if self._start is None or self.restored is None:
            return
        ahead, record = started(fit.model), self.restored.record
        if ahead is not None and ahead is not self._start:
            fit.progress.go_on(ahead.samples)  # a later callback has restored more
        elif record is not None and epoch - 1 != record.epochs_done:
            self._reporter.wrong_epoch(record, epoch)
        take_back(fit.model, self._start)
        self._start = None

    def end(self, fit: Fit) -> None:
        """Note that a `fit` has ended normally."""
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
            self._reporter.nothing_to_resume()  # another callback may have resumed
        else:
            self._reporter.only_others(others)

    def _resume(self, fit: Fit, storage: Storage, agreement: Agreement) -> None:
        choice = agreement.chosen(partial(self._choose, fit, storage))
        check_shared(agreement, storage, choice.record)
        if not agreement.chief:
            self._reporter.problems.extend(choice.problems)
        self._take(choice)
        if choice.record is not None:
            agreement.loaded(partial(self._restore, fit, storage, choice.record))

    def _choose(self, fit: Fit, storage: Storage) -> Choice:
        """Find the checkpoint to continue from, and report unusable ones."""
        settings, reporter = self._settings, self._reporter
        known = len(reporter.problems)
        search = resume_point(storage, settings.template, settings.format.name)
        for damaged in search.damaged:
            reporter.passed_over(damaged.path, damaged.reason)
        record, best = search.record, search.best(settings.monitor)
        if record is None:
            self._tell_of_nothing(fit, storage)
        run = self._run.id if record is None else record.run
        return Choice(run, record, best, tuple(reporter.problems[known:]))

    def _take(self, choice: Choice) -> None:
        """Have the run continue from the chosen checkpoint."""
        record, best, run = choice.record, choice.best, self._run
        run.id = choice.run
        if record is not None:
            self.has_earlier = run.saved_ever = True
            run.best_record = best
            run.plan.go_on(best.value if best else None, record.mode, record.since)

    def _restore(self, fit: Fit, storage: Storage, record: Record) -> None:
        ahead = started(fit.model)
        if ahead is not None and ahead.moment >= _moment_of(record):
            # Another callback of this training has restored a newer state.
            fit.progress.go_on(ahead.samples)
            return
        self.restored = restored = restore(fit.model, storage, record.path, record)
        averaged = record.averaged is True
        if averaged and restored.optimizer:
            averaged = not take_averages_out(fit.model)
        fit.progress.go_on(record.samples)
        self._start = start_at(fit.model, record.epochs_done, record.samples)
        back = (restored.optimizer, restored.seeds, restored.states)
        note, surprise = restored.optimizer_note, restored.surprise
        self._reporter.resumed(record, *back, averaged, fit.epochs, note)
        if surprise is not None:
            reporter = self._reporter
            say = reporter.say if restored.optimizer else reporter.problem
            say(surprise)


def _moment_of(record: Record) -> tuple[int, int]:
    return record.epochs_done, record.samples or 0
