"""Reports of what the callback decides and does, as its arguments ask."""

from __future__ import annotations

import os
import posixpath
import warnings
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from functools import partial

from modelcheckpoint.addresses import is_address
from modelcheckpoint.decide.naming import COUNTERS
from modelcheckpoint.decide.other_checkpoints import Others
from modelcheckpoint.decide.plan import Moment, Order, Skip
from modelcheckpoint.errors import CheckpointWarning
from modelcheckpoint.formats.snapshot import NeedsKeras
from modelcheckpoint.records import Record
from modelcheckpoint.report import caller, messages
from modelcheckpoint.report.waiting import waiting
from modelcheckpoint.results import Receipt, Replaced, Retired

__all__ = ["Reporter"]


class Reporter:
    """Prints what happened, warns of problems, and sums them up at the end.

    Call it on the thread that trains: under reticulate each line can be a call into R,
    which has one thread.

    Args:
        filepath: `filepath` as given.
        folder: Its folder, to show whole paths.
        monitor: Name of the monitored quantity.
        save_best_only: Whether saves are reported as improvements.
        verbose: Whether each decision is reported.

    Attributes:
        problems: Every problem reported so far, one sentence each.
        quiet: Whether nothing is printed, because another process reports for this one.
    """

    def __init__(
        self,
        filepath: str,
        folder: str,
        monitor: str,
        save_best_only: bool,
        verbose: bool,
    ) -> None:
        self.filepath = filepath
        self.folder = folder
        self.monitor = monitor
        self.save_best_only = save_best_only
        self.verbose = verbose
        self.problems: list[str] = []
        self.quiet = False
        self._once: set[str] = set()
        self._summed_up = 0
        self._reason: str | None = None
        self._reported_undeleted: set[str] = set()

    def path(self, name: str) -> str:
        """Return a file's path as the user would write it."""
        join = posixpath.join if is_address(self.folder) else os.path.join
        return join(self.folder, name)

    def say(self, text: str) -> None:
        """Print one line, unless another process prints it."""
        if not self.quiet:
            self.error(text)

    def error(self, text: str) -> None:
        """Print one line, in any process."""
        # Keras' progress bar leaves the cursor in its line; Keras' own callbacks also
        # begin a new line.
        print(f"\n{text}", flush=True)

    def say_once(self, text: str, once: str) -> None:
        """Print one line; if `once` names its kind, only the first of that kind."""
        if once not in self._once:
            self._once.add(once)
            self.say(text)

    def waiting(
        self, name: str, limit: float
    ) -> AbstractContextManager[Callable[[], bool]]:
        """Show, on a terminal, how long training has waited for the store.

        Args:
            name: Of the file that the store has not confirmed.
            limit: Seconds after which the wait ends.

        Returns:
            A context manager that gives a function: call it regularly; it returns
            whether the time is over.
        """
        return waiting(partial(messages.waiting, self.path(name)), limit)

    def problem(self, text: str, once: str | None = None) -> None:
        """Warn of a problem; if `once` names its kind, only of the first."""
        if once is not None and once in self._once:
            return
        if once is not None:
            self._once.add(once)
        self.problems.append(text)
        if self.quiet:
            return
        if caller.is_r():  # a Python warning would never reach an R user
            self.say(f"Warning: {text}")
        else:
            warnings.warn(text, CheckpointWarning, stacklevel=caller.stacklevel())

    def begin(self, every: str | None) -> None:
        """Begin a training, whose problems `end` sums up; say what `every` means.

        Args:
            every: The interval between saves, unless it is a plain number of epochs;
                else None.
        """
        self._summed_up = len(self.problems)
        if self.verbose and every is not None:
            self.say(f"ModelCheckpoint: saving every {every}")

    def small_save_freq(self, save_freq: int, size: int) -> None:
        """Report, always, that each batch holds as many samples as `save_freq`."""
        self.say(messages.small_save_freq(save_freq, size))

    def fallback(self, reason: NeedsKeras | None) -> None:
        """Report, once, why training waits while Keras itself saves the model.

        If this is expected for such a model, it is reported only with `verbose`.
        """
        if reason is not None and (self.verbose or not reason.expected):
            text = f"ModelCheckpoint: training waits for each save, because {reason}"
            self.say_once(text, "fallback")

    def saved(self, order: Order, receipt: Receipt, within: bool) -> None:
        """Report that a checkpoint is durable."""
        path = self.path(order.path)
        if receipt.replaced is not None:
            self._replaced(path, receipt.replaced, receipt)
        text = messages.saved(self.monitor, order, path, self.save_best_only)
        gone = [self.path(name) for name in receipt.retired.deleted]
        self._decision(order.moment, text + messages.deleted(gone), within)
        self._undeleted(receipt.retired)

    def _replaced(self, path: str, replaced: Replaced, receipt: Receipt) -> None:
        gone = replaced.kept is None or replaced.kept in receipt.retired.deleted
        kept = None if gone or replaced.kept is None else self.path(replaced.kept)
        old, new = replaced.record, receipt.record
        if replaced.own and old is not None:
            self.problem(messages.same_name(path, old, new, kept), once="same name")
        elif kept is not None and old is not None and replaced.better:
            self.say(messages.kept_aside(path, old, new, kept))
        elif kept is not None:
            self.say(messages.kept_unknown(path, kept))

    def failed(self, text: str) -> None:
        """Warn that a save failed; if none succeeds, that is why."""
        self._reason = text
        self.problem(text)

    def no_best(self, order: Order) -> None:
        """Report, once, that a checkpoint has no value to compare with the best."""
        reason = messages.no_monitor(self.monitor, order.moment.logs)
        text = f"`keep_best` does not count {self.path(order.path)}: {reason}"
        self.problem(text, once="monitor")

    def counters_in_logs(self, fields: Iterable[str], order: Order) -> None:
        """Report, once, that `logs` also has counters that the name contains."""
        filled = [name for name in fields if name not in order.missing]
        counters = [name for name in filled if name in COUNTERS]
        both = [name for name in counters if name in order.moment.logs]
        if both:
            text = messages.counters_in_logs(self.filepath, both)
            self.problem(text, once="counters")

    def unknown_direction(self) -> None:
        """Warn that it is unknown whether higher or lower `monitor` is better."""
        self.problem(
            f"`mode='auto'` cannot tell from the name {self.monitor!r} whether higher "
            "or lower is better; using 'min'. Pass `mode='min'` or `mode='max'`."
        )

    def no_signals(self, reason: str) -> None:
        """Report, once, that a signal ends training without a last checkpoint."""
        self.say_once(f"`save_on_exit` does not wait for signals: {reason}.", "signals")

    def leaves(self, signal: str) -> None:
        """Report, always, that a delayed signal takes effect now."""
        saved = "everything trained so far is saved"
        self.say(f"ModelCheckpoint: received {signal}; {saved}")

    def skipped(self, skip: Skip, within: bool) -> None:
        """Report that a save was due, and why it was skipped."""
        if skip.value is None:
            self._reason = messages.no_monitor(self.monitor, skip.moment.logs)
            self.problem(f"Not saved: {self._reason}", once="monitor")
            text = f"not saved: {self.monitor} is missing"
        else:
            text = self._reason = messages.not_better(self.monitor, skip)
        self._decision(skip.moment, text, within)

    def could_resume(self, record: Record) -> None:
        """Report, always, that an earlier run left a checkpoint to continue from."""
        text = messages.could_resume(self.path(record.path), record)
        self.say(f"ModelCheckpoint: {text}")

    def passed_over(self, path: str, reason: str | None) -> None:
        """Report that a newer checkpoint is damaged, so an older one is used."""
        self.problem(f"Not resumed from {self.path(path)}, it is damaged: {reason}")

    def nothing_to_resume(self) -> None:
        """Report that there is no checkpoint to continue from."""
        if self.verbose:
            self.say(
                f"ModelCheckpoint: nothing to resume from in {self.folder or os.curdir}"
            )

    def only_others(self, others: Others) -> None:
        """Warn that there are checkpoints, but none to continue from."""
        path = self.path(others.newest)
        self.problem(messages.only_others(self.filepath, others, path))

    def resumed(
        self,
        record: Record,
        optimizer: bool,
        seeds: bool,
        states: bool,
        averaged: bool,
        epochs: int | None,
        note: str | None = None,
    ) -> None:
        """Report, always, where training continues.

        Args:
            record: Of the checkpoint.
            optimizer: Whether the optimizer's state was restored.
            seeds: Whether the states of the seed generators were restored.
            states: Whether the states of stateful layers were restored.
            averaged: Whether training continues from averages of the weights.
            epochs: The last epoch that `fit` trains, from 1; None if unknown.
            note: Why the optimizer's state was not restored.
        """
        path = self.path(record.path)
        back = (optimizer, seeds, states, averaged)
        text = messages.resumed(path, record, *back, note)
        if self.save_best_only:
            text += "; it is the best so far: `save_best_only` keeps no newer one"
        if epochs is not None and record.epochs_done >= epochs:
            text += f"; all {epochs} epochs are done, there is nothing to train"
        self.say(f"ModelCheckpoint: {text}")

    def wrong_epoch(self, record: Record, epoch: int) -> None:
        """Say what to pass to `fit`, because it did not begin with the next epoch."""
        path = self.path(record.path)
        self.problem(messages.wrong_epoch(path, record.epochs_done, epoch))

    def best_is_back(self, record: Record) -> None:
        """Report that the model has the weights of the best checkpoint."""
        if self.verbose:
            text = f"the model has the weights of the best, {self.path(record.path)}"
            self.say(f"ModelCheckpoint: {text} (the optimizer is as training left it)")

    def best_is_lost(self, reason: str) -> None:
        """Report that the model stays as training left it."""
        self.problem(f"`restore_best`: the model stays as it is: {reason}")

    def end(self, saved: bool, never_due: str) -> None:
        """Sum up what went wrong in this training; say loudly if nothing was saved.

        Args:
            saved: Whether any checkpoint was saved, perhaps in an earlier training.
            never_due: Why none was saved, if no save was due.
        """
        nothing = None if saved else self._reason or never_due
        new = self.problems[self._summed_up :]
        text = messages.summary(self.filepath, new, nothing)
        self._reason, self._summed_up = None, len(self.problems)
        if text:
            self.say(text)

    def _undeleted(self, retired: Retired) -> None:
        new = [
            one for one in retired.undeleted if one[0] not in self._reported_undeleted
        ]
        if new:
            (name, error), *others = new
            text = messages.not_deleted(self.path(name), len(others), error)
            self._reported_undeleted.update(name for name, _ in new)
            self.problem(text)

    def _decision(self, moment: Moment, text: str, within: bool) -> None:
        if self.verbose:
            batch = f", batch {moment.batch}" if within and moment.batch else ""
            self.say(f"Epoch {moment.epoch}{batch}: {text}")
