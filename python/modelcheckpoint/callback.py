"""The door for Keras: hooks ask the plan, hand orders on, and tell the user."""

from __future__ import annotations

import glob
import os
import re
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Callable

import keras

from modelcheckpoint import __version__
from modelcheckpoint.decide import arguments
from modelcheckpoint.decide.monitor import direction_of
from modelcheckpoint.decide.naming import Template
from modelcheckpoint.decide.plan import Moment, Order, Plan, Skip, State
from modelcheckpoint.decide.retention import Keep
from modelcheckpoint.decide.triggers import Every, Seconds
from modelcheckpoint.errors import (
    CheckpointError,
    FieldError,
    RestoreError,
    SaveError,
    is_interrupt,
)
from modelcheckpoint.observe.building import build_config_of
from modelcheckpoint.observe.chief import (
    check_reach,
    is_alone,
    is_chief,
    saves_together,
)
from modelcheckpoint.observe.direction import stated_direction
from modelcheckpoint.observe.exit_signals import ExitSignals
from modelcheckpoint.observe.first_epoch import Start, start_at, started, take_back
from modelcheckpoint.observe.keras_models import versions_of
from modelcheckpoint.observe.logs import numbers
from modelcheckpoint.observe.progress import Progress
from modelcheckpoint.observe.seeds import random_of, seeds_of
from modelcheckpoint.observe.stack import TrainingOnStack, fits_that_call
from modelcheckpoint.records import Record
from modelcheckpoint.resume import (
    Restored,
    could_resume,
    find,
    restore,
    restore_weights,
)
from modelcheckpoint.save.formats import format_of
from modelcheckpoint.save.pipeline import Failure, Pipeline, Run
from modelcheckpoint.storage.local import LocalStorage, NotFlushed
from modelcheckpoint.storage.sweep import sweep
from modelcheckpoint.tell import messages
from modelcheckpoint.tell.narrator import Narrator

__all__ = ["ModelCheckpoint"]

_KEEP = ("keep_latest", "keep_best", "keep_every")
_ONE_FIT = (
    "ModelCheckpoint serves one `fit` at a time, and one that is running has this "
    "callback: give the `fit`, or `evaluate`, inside it a callback of its own."
)


class _BatchHook:
    """A batch hook that is Keras' own empty one where no batch is watched.

    Keras dispatches hooks asynchronously on JAX and Torch only if no callback has a
    batch hook; it asks the method, which says so by `_is_default`.
    """

    needed_for = "_watches_batches"

    def __init__(self, hook: Callable[..., None]) -> None:
        self.hook = hook
        self.__doc__ = hook.__doc__

    def __get__(self, callback: Any, owner: type | None = None) -> Any:
        if callback is None:
            return self.hook
        hook = self.hook if getattr(callback, self.needed_for) else _no_hook
        return hook.__get__(callback, owner)


class _TestBatchHook(_BatchHook):
    """The same, for the batches of a validation."""

    needed_for = "save_on_exit"


def _no_hook(self: Any, batch: int, logs: Any = None) -> None:
    """Do nothing; pool threads may call this at each batch."""


_no_hook._is_default = True  # type: ignore[attr-defined]


class ModelCheckpoint(keras.callbacks.Callback):  # type: ignore[misc]
    """Save the model, or its weights, as training goes on.

    Used in `model.fit(..., callbacks=[ModelCheckpoint(...)])` of Keras 3 and tf_keras,
    or driven by hand from a custom loop (`set_model`, then the hooks in order;
    `logs["size"]` at a batch's end tells its samples).

    Each file appears whole or not at all: on a local file system, a power cut or a kill
    leaves the file that was there before, or the new one. Training waits while its
    state is copied in memory; the file is written while it goes on, and `fit` returns
    when all are durable. The first save of a `fit`, and every save of a small model (up
    to 8 MiB and 1000 arrays), is durable when its hook returns.

    Beside the files, `modelcheckpoint.jsonl` gets one line of JSON for each save. What
    the files hold is what Keras itself writes; they load with plain Keras.

    Args:
        filepath: Where to save; a string or a path object. Missing folders are made,
            `~` is the home folder. May hold named fields with a format for numbers,
            such as `weights.{epoch:02d}-{val_loss:.2f}.hdf5`: `epoch` (from 1), the
            keys in `logs` and, with an integer `save_freq`, `save_seconds` or
            `save_on_exit`, `batch` (of this epoch, from 1) and `samples` (since
            training began). A field that has no value when a save happens is written
            as `nan`, and told once. The suffix tells the format: `.keras` (full model),
            `.weights.h5` (weights and optimizer state, with `save_weights_only`), `.h5`
            or `.hdf5` (HDF5: full model, or weights).
        monitor: Key in `logs` that decides what is best.
        verbose: 0 is silent, 1 prints one line for each decision.
        save_best_only: Save only when `monitor` is better than ever before. NaN never
            is; where `logs` lacks `monitor` nothing is saved, which is told once.
        save_weights_only: Save the weights only, else the full model.
        mode: `"min"` or `"max"`: which direction of `monitor` is better; `"auto"`
            infers it from the compiled metric and from the name.
        period: Epochs between saves, a whole number >= 1 (None means 1), counted since
            a save last fell due. Ignored, with a warning, with an integer `save_freq`.
        save_freq: `"epoch"`, or a whole number >= 1 of **samples**: save at the end of
            the batch at which that many samples have been seen since a save last fell
            due. Metrics start anew every epoch, so in the middle of one they can rest
            on as little as one batch; what there is only at the epoch's end
            (`val_loss`), in `monitor` or in a field, moves the save to that end.
        save_freq_unit: `"samples"`, or `"batches"`: what an integer `save_freq` counts.
            Keras' own callback counts batches since TensorFlow 2.2.
        initial_value_threshold: The value that `monitor` must beat to be the best; a
            finite number, or None.
        on_error: What a save that fails in mid-training does: `"warn"` tells it,
            training goes on, and the next save that falls due is tried; `"raise"`
            raises `SaveError` (and `FieldError`, a `KeyError`, for a field without a
            value). The first save of a `fit` always raises. What fails in the
            background is told or raised by the next hook.
        background: Whether files are written on a thread of their own while training
            goes on. One save is in flight at most: the next waits for it. The copy
            takes as much memory as the model's state. Models of Keras before 3.4, of
            `tf.distribute`, and those with a `save` of their own are saved while
            training waits; so are those whose copy would not fit in memory, which is
            told.
        on_saved: A function that is called with the `Record` of each checkpoint once
            it is durable, on the thread that trains, by the next hook; or None.
        keep_latest: How many of the newest checkpoints are kept, or None. With any of
            `keep_latest`, `keep_best` and `keep_every` all that none of them asks for
            is deleted, once the new one is durable; the newest and the best never are.
            Only files are touched that this run wrote, that have the size they were
            written with, and that no other run has written since. One that cannot be
            deleted is told once, and tried again after each save.
        keep_best: How many of the best by `monitor`, or None. Of equal values the
            earlier is the better; one without a finite value is never among them.
        keep_every: A number of epochs, or None: the last checkpoint of each epoch that
            is a multiple of it is kept for good.
        save_seconds: Seconds > 0, or a `timedelta`, or None: a save falls due, too, at
            the end of the batch at which so much time has passed since this callback
            last saved, or since training began. Read from a clock that is never set
            back. `{batch}` and `{samples}` may then stand in `filepath`; what there is
            only at the epoch's end moves the save to that end, as above.
        save_on_exit: Whether a last checkpoint is saved when training ends, if anything
            was trained since the last save: at the end of `fit`, and, where `fit` runs
            on the main thread, when SIGINT (Ctrl-C) or SIGTERM comes, at the end of the
            batch in flight. The signal then does what it would have done; a second one
            acts at once. A field that there is only at the epoch's end is written as
            `nan`. Not with `save_best_only`. Signals are not waited for where several
            workers save together.
        resume: Whether training goes on from the newest checkpoint of this `filepath`
            that is whole; damaged ones are passed over, and told. Weights, optimizer
            (its learning rate, too) and the seed generators of Dropout are restored,
            `best` and counters go on, and `fit` begins with the epoch after it,
            whatever `initial_epoch` is: the same script, run again, ends with the
            weights of a run that was never stopped, if the data come in the same
            order. An epoch in whose middle the checkpoint was saved begins anew. Where
            there is no checkpoint, training begins as ever. `.h5` and `.hdf5` with
            weights alone have no optimizer state. The model must be as it was, as must
            `compile`; place the callback last in the list, so that it saves what others
            change. What other callbacks count, and the order of shuffled data, is not
            restored; on tf_keras the state of Dropout neither. After a `fit` that ended
            as it should, a later one with this callback does not resume again. Several
            processes must see one folder (tested on JAX and Torch, not with
            `tf.distribute`).
        restore_best: Whether the model gets the weights, and only those, of the best
            checkpoint when `fit` ends; that of an earlier run that it resumed, too.
            Where its file is gone or damaged, that is told, and the model stays as it
            is. `filepath` must have a field, or `save_best_only` be set. After an error
            or an interrupt nothing is restored.

    Attributes:
        best: The best value of `monitor` that was saved; None before.
        restored: What `resume` has restored (`Restored`); None before, and where there
            was nothing. A training loop of one's own asks it where to go on.
        problems: What went wrong and was told, one sentence each.

    Raises:
        ValueError: If an argument is invalid, or the suffix does not fit.
        KeyboardInterrupt: By the hook that saved, with `save_on_exit`, where SIGINT has
            Python's own handler.
        OSError: In `on_train_begin`, if `filepath` cannot be written to.
        CheckpointError: In `on_train_begin`, if a variable is spread over several
            processes, if a `fit` with this callback is running already, or if several
            processes train the model and `restore_best` is set.
        RestoreError: In `on_train_begin`, if the checkpoint to resume from is of
            another model; the model is as it was.
        FormatError: In `on_train_begin`, if this model would not load from this format.
        SampleCountError: In `on_train_begin` or at the first batch, if samples cannot
            be counted.
        SaveError: If a save fails, as `on_error` says. The file that was there before
            is untouched.
    """

    _begun: bool
    _saved_ever: bool
    _may_resume: bool
    _epochs_begun: bool
    _start: Start | None = None

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        period: int | None = 1,
        save_freq: int | str = "epoch",
        *,
        save_freq_unit: str = "samples",
        initial_value_threshold: float | None = None,
        on_error: str = "warn",
        background: bool = True,
        on_saved: Callable[[Record], Any] | None = None,
        keep_latest: int | None = None,
        keep_best: int | None = None,
        keep_every: int | None = None,
        save_seconds: float | None = None,
        save_on_exit: bool = False,
        resume: bool = False,
        restore_best: bool = False,
    ) -> None:
        super().__init__()
        # Keras 2: hand over its tensors as they are; most hooks never look at them.
        self._supports_tf_logs = True
        self.filepath = arguments.path("filepath", filepath)
        self.monitor = arguments.text("monitor", monitor)
        self.verbose = arguments.verbosity("verbose", verbose)
        self.save_best_only = arguments.flag("save_best_only", save_best_only)
        self.save_weights_only = arguments.flag("save_weights_only", save_weights_only)
        self.mode = arguments.choice("mode", mode, ("auto", "min", "max"))
        self.period = arguments.period(period)
        self.save_freq = arguments.save_freq(save_freq)
        self.save_freq_unit = arguments.choice(
            "save_freq_unit", save_freq_unit, ("samples", "batches")
        )
        self.initial_value_threshold = arguments.number_or_none(
            "initial_value_threshold", initial_value_threshold
        )
        self.on_error = arguments.choice("on_error", on_error, ("warn", "raise"))
        self.background = arguments.flag("background", background)
        self.on_saved = arguments.function_or_none("on_saved", on_saved)
        self.keep_latest = arguments.count_or_none("keep_latest", keep_latest)
        self.keep_best = arguments.count_or_none("keep_best", keep_best)
        self.keep_every = arguments.count_or_none("keep_every", keep_every)
        self.save_seconds = arguments.seconds_or_none("save_seconds", save_seconds)
        self.save_on_exit = arguments.flag("save_on_exit", save_on_exit)
        arguments.last_is_saved(self.save_on_exit, self.save_best_only)
        self.resume = arguments.flag("resume", resume)
        self._template = Template(self.filepath, self._watches_batches)
        self.restore_best = arguments.restore_best(
            restore_best, self.filepath, self._template.fields, self.save_best_only
        )
        self._format = format_of(
            self.filepath, self._template.tail, self.save_weights_only
        )
        self._tell = Narrator(
            self.filepath,
            self._template.folder,
            self.monitor,
            self.save_best_only,
            bool(self.verbose),
        )
        arguments.keeps_several(
            {name: getattr(self, name) for name in _KEEP},
            self.filepath,
            self._template.fields,
        )
        self._trained: Any = None
        self._pipeline: Pipeline | None = None
        self._exit: ExitSignals | None = None
        self._start_over()
        if self._counts_batches and self.period != 1:
            self._tell.problem(
                f"`period={self.period}` is ignored: `save_freq={self.save_freq}` "
                "says when to save."
            )

    # What can be read

    @property
    def best(self) -> float | None:
        """The best value of `monitor` that was saved, or the threshold, or None."""
        return self._plan.best

    @property
    def problems(self) -> list[str]:
        """What went wrong so far and was told, one sentence each."""
        return list(self._tell.problems)

    @property
    def restored(self) -> Restored | None:
        """What `resume` has restored; None before, and where there was nothing."""
        return self._restored

    # Hooks

    def set_model(self, model: Any) -> None:
        """Take the model that is going to be trained.

        Another model than before is another run: the best so far starts anew.

        Raises:
            CheckpointError: If a `fit` of another model is running with this callback.
        """
        another = self._trained is not None and self._trained is not model
        if another and fits_that_call(self) > 0:
            raise CheckpointError(_ONE_FIT)
        super().set_model(model)
        if another:
            self._settle(wait=True)
            self._start_over()
        self._trained = model

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Check all that can be known before the first batch, and sweep leftovers.

        Raises:
            CheckpointError: If a `fit` is running already with this callback.
        """
        if fits_that_call(self) > 1:
            raise CheckpointError(_ONE_FIT)
        self._begin()

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Wait for what is being saved, and sum up what went wrong.

        Where nothing was ever saved, it says so loudly.
        """
        try:
            self._end()
        finally:
            exit, self._exit = self._exit, None
            if exit is not None:
                exit.stop()

    def _end(self) -> None:
        self._settle(wait=True)
        if self._begun and self.save_on_exit:
            self._save_last()
        if self._pipeline is not None:
            self._pipeline.release()
        if self._begun:
            take_back(self._trained, self._start)
            self._may_resume = self._may_resume and not self._epochs_begun
            self._give_back_best()
        if self._begun and self._chief:
            self._tell.end(self._saved_ever, f"{self._interval} had not passed yet")
        self._begun = False

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Note the epoch (`epoch` counts from 0)."""
        self._begin_if_driven_by_hand()
        self._settle(wait=False)
        self._check_first_epoch(int(epoch))
        self._leave_if_asked()
        self._progress.start_epoch(int(epoch) + 1)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Save, if a save is due at the end of this epoch or waited for it."""
        self._begin_if_driven_by_hand()
        uncounted = self._progress.end_epoch(int(epoch) + 1)
        self._tell_rough_count()
        if not self._progress.batch:  # no batch's end has told that it was trained
            self._unsaved = True
        self._logs = logs
        due = self._plan.due(uncounted if self._counts_batches else 1)
        self._settle(wait=due or self._plan.waits)
        moment = self._moment(logs)
        self._follow(self._plan.at_epoch_end(moment, self._direction(moment), due))
        self._leave_if_asked()

    @_BatchHook
    def on_batch_begin(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Take note that a batch begins (`batch` counts from 0)."""
        self._begin_if_driven_by_hand()
        self._progress.begin_batch()

    @_BatchHook
    def on_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Count the batch (`batch` counts from 0), and save if a save is due."""
        self._begin_if_driven_by_hand()
        if threading.get_ident() != self._thread:
            raise CheckpointError(
                f"{self._why_batches} needs the batches in order: pass the callbacks "
                "as a list, `callbacks=[...]` (in R `list(...)`)."
            )
        batches, amount = self._progress.end_batch(batch + 1, logs)
        self._unsaved, self._logs = True, logs
        if self._first_batch:
            self._tell_small_save_freq(amount // batches)
        due = self._plan.due(amount if self._counts_batches else 0, time.monotonic())
        self._settle(wait=due)
        if due:
            moment = self._moment(logs)
            self._follow(self._plan.in_epoch(moment, self._direction(moment)))
        self._leave_if_asked()

    @_TestBatchHook
    def on_test_batch_end(
        self, batch: int, logs: Mapping[str, Any] | None = None
    ) -> None:
        """Save and leave, if a signal came that asks for it."""
        if self._begun and threading.get_ident() == self._thread:
            self._leave_if_asked()

    def on_test_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Take note that Keras' metrics now hold what an evaluation put into them."""
        if self._begun:
            self._progress.end_test()
            self._leave_if_asked()

    def wait(self) -> None:
        """Return once everything that was saved is durable, and tell what came of it.

        For code that needs the files while training goes on, or after a `fit` that
        ended by an exception: of such an end Keras tells no callback.

        Raises:
            SaveError: If the save failed and `on_error` is `"raise"`.
        """
        if self._pipeline is not None and threading.get_ident() != self._thread:
            self._pipeline.wait()  # the training's own thread is the one that tells
        else:
            self._settle(wait=True)

    # tf_keras asks these; Keras 3 looks at the methods.

    def _implements_train_batch_hooks(self) -> bool:
        return self._watches_batches or self._subclass_has("batch", "train_batch")

    def _implements_test_batch_hooks(self) -> bool:
        return self.save_on_exit or self._subclass_has("test_batch")

    def _implements_predict_batch_hooks(self) -> bool:
        return self._subclass_has("predict_batch")

    def _subclass_has(self, *kinds: str) -> bool:
        hooks = {f"on_{kind}_{end}" for kind in kinds for end in ("begin", "end")}
        classes = type(self).__mro__
        below = classes[: classes.index(ModelCheckpoint)]
        return any(hooks & set(vars(cls)) for cls in below)

    def _get_most_recently_modified_file_matching_pattern(
        self, pattern: str
    ) -> str | None:
        # Keras' callback has this too; its subclasses call it.
        found = glob.glob(re.sub(r"\{[^{}]*\}", "*", glob.escape(pattern)))
        return max(found, key=lambda p: (os.path.getmtime(p), p), default=None)

    # Beginning

    @property
    def _counts_batches(self) -> bool:
        return self.save_freq != "epoch"

    @property
    def _watches_batches(self) -> bool:
        timed = self.save_seconds is not None
        return self._counts_batches or timed or self.save_on_exit

    @property
    def _why_batches(self) -> str:
        if self._counts_batches:
            return "`save_freq` as a number"
        return "`save_on_exit`" if self.save_seconds is None else "`save_seconds`"

    @property
    def _unit(self) -> str:
        return self.save_freq_unit if self._counts_batches else "epochs"

    @property
    def _interval(self) -> str:
        every = self.save_freq if self._counts_batches else self.period
        unit = self._unit if every != 1 or self._counts_batches else "epoch"
        seconds = self.save_seconds
        timed = "" if seconds is None else f" or {seconds:g} seconds"
        return f"{every} {unit}{timed}"

    def _start_over(self) -> None:
        every = self.save_freq if self._counts_batches else self.period
        self._plan = Plan(
            self._template,
            Every(int(every)),
            self.monitor,
            self.save_best_only,
            self.initial_value_threshold,
            None if self.save_seconds is None else Seconds(self.save_seconds),
        )
        began = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
        self._run_id = f"{began}-{secrets.token_hex(3)}"
        self._inferred_mode: str | None = None
        self._begun = self._saved_ever = self._unsaved = self._leaving = False
        self._restored: Restored | None = None
        self._best_record: Record | None = None
        self._may_resume = True

    def _begin_if_driven_by_hand(self) -> None:
        if not self._begun:
            self._begin()

    def _begin(self) -> None:
        self._settle(wait=True)
        model = self._trained
        if model is None:
            raise CheckpointError(
                "ModelCheckpoint has no model: call `set_model(model)` before it."
            )
        self._thread = threading.get_ident()
        self._chief = is_chief(model)
        self._format.check(model)
        check_reach(model)
        # Keras' fit hands over its parameters. A loop that drives the hooks by hand
        # may train as it likes, so there only the loop itself knows the sizes.
        params = getattr(self, "params", None) or {}
        in_fit = "steps" in params
        self._progress = Progress(model, in_fit, self._unit, params.get("steps"))
        if self.restore_best and not is_alone(model):
            raise CheckpointError(
                "`restore_best` is for a training in one process, and several train "
                "this model: load the best checkpoint after it."
            )
        storage = self._storage()
        self._plan.start(time.monotonic())
        told = self._counts_batches or self.save_seconds is not None
        if self._chief:
            self._tell.begin(self._interval if told else None)
        self._go_on(model, storage.folder, params.get("epochs") if in_fit else None)
        self._pipeline = Pipeline(
            storage,
            self._format,
            self._run(model),
            self.background,
            Keep(self.keep_latest, self.keep_best, self.keep_every),
        )
        self._saved_in_fit, self._first_batch = False, self._counts_batches
        self._unsaved, self._logs = False, None
        self._begun = True
        if self._chief:
            self._pipeline.expect(model)
        self._exit = self._exit_signals(model) if self.save_on_exit else None

    def _exit_signals(self, model: Any) -> ExitSignals | None:
        if saves_together(model):
            self._tell.no_signals("a save takes all workers, not only those it reaches")
            return None
        exit = ExitSignals(TrainingOnStack(self).runs)
        if not exit.watch():
            self._tell.no_signals("Python takes them on its main thread, not on this")
            return None
        return exit

    # Going on where an earlier run stopped

    def _go_on(self, model: Any, folder: str, epochs: int | None) -> None:
        """Resume, if that was asked for, or tell that it could be.

        Not where an epoch was trained since, in a `fit` that ended as it should: the
        model is then further than any file.
        """
        take_back(model, self._start)  # a `fit` that never came so far has left it
        self._start, self._epochs_begun = None, False
        if self._may_resume and self.resume:
            self._resume(model, folder, epochs)
        elif self._may_resume and self._chief:
            record = could_resume(folder, self._template, self._format.name)
            if record is not None and record.run != self._run_id:
                self._tell.could_resume(record)

    def _resume(self, model: Any, folder: str, epochs: int | None) -> None:
        found = find(folder, self._template, self._format.name)
        record = found.record
        for one in found.damaged if self._chief else ():
            self._tell.passed_over(one.path, one.reason)
        if record is None:
            if self._chief:
                self._tell.nothing_to_resume()
            return
        self._run_id, self._saved_ever = record.run, True
        self._best_record = best = found.best(self.monitor)
        self._plan.go_on(best.value if best else None, record.mode, record.since)
        ahead = started(model)
        if ahead is not None and ahead.moment >= _moment_of(record):
            # Another callback of this training has a newer state, and restored it.
            self._progress.go_on(ahead.samples)
            return
        path = os.path.join(folder, *record.path.split("/"))
        self._restored = restored = restore(model, path, record)
        self._progress.go_on(record.samples)
        self._start = start_at(model, record.epochs_done, record.samples)
        if self._chief:
            self._tell.resumed(record, restored.optimizer, restored.seeds, epochs)

    def _check_first_epoch(self, epoch: int) -> None:
        self._epochs_begun = True
        if self._start is None or self._restored is None:
            return
        ahead, record = started(self._trained), self._restored.record
        if ahead is not None and ahead is not self._start:
            self._progress.go_on(ahead.samples)  # a later callback has restored more
        elif record is not None and epoch != record.epochs_done and self._chief:
            self._tell.wrong_epoch(record, epoch + 1)
        take_back(self._trained, self._start)
        self._start = None

    def _give_back_best(self) -> None:
        if not self.restore_best:
            return
        assert self._pipeline is not None  # there is one since `_begin`
        best = self._best_record
        if best is None:
            self._tell.best_is_lost(f"no checkpoint was the best by {self.monitor!r}")
            return
        try:
            restore_weights(self.model, self._pipeline.storage.folder, best)
        except (OSError, RestoreError) as error:
            self._tell.best_is_lost(str(error))
        else:
            self._tell.best_is_back(best)

    def _storage(self) -> LocalStorage:
        folder = os.path.abspath(self._template.folder)
        storage = LocalStorage(folder, self._template.depth)
        if self._chief:
            known = None if self._template.fields else self._template.fill({}).path
            storage.check(known)
            sweep(storage)
        return storage

    def _run(self, model: Any) -> Run:
        return Run(
            self._run_id,
            self.filepath,
            self.monitor,
            self.save_best_only,
            {"modelcheckpoint": __version__, **versions_of(model)},
        )

    # Saving

    def _moment(self, logs: Mapping[str, Any] | None) -> Moment:
        progress = self._progress
        return Moment(
            progress.epoch,
            progress.batch or None,
            progress.samples,
            numbers(logs),
            at_end=not (progress.within or self._counts_batches),
            epochs_done=progress.epochs_done,
        )

    def _direction(self, moment: Moment) -> str:
        if self.mode != "auto":
            return self.mode
        if self._inferred_mode is None:
            stated = stated_direction(self._trained, self.monitor)
            mode = stated or direction_of(self.monitor)
            if mode is None and self.monitor not in moment.logs:
                return "min"  # there is nothing to compare
            if mode is None:
                self._tell.problem(
                    f"`mode='auto'` cannot tell from the name {self.monitor!r} whether "
                    "more of it is better; taking 'min'. Pass `mode='min'` or 'max'."
                )
            self._inferred_mode = mode or "min"
        return self._inferred_mode

    def _follow(self, decision: Order | Skip | None) -> None:
        if isinstance(decision, Order):
            self._save(decision)
        elif decision is not None and self._chief:
            self._tell.skipped(decision, self._progress.within)

    def _save(self, order: Order) -> None:
        assert self._pipeline is not None  # there is one since `_begin`
        if order.missing:
            self._tell_missing(order)
        if self.keep_best is not None and order.value is None:
            self._tell.no_best(order)
        model = self.model
        check_reach(model)
        state = State(seeds_of(model), random_of(model), build_config_of(model))
        order = replace(order, state=state)
        if not self._chief:
            if saves_together(model):
                self._pipeline.save_nowhere(model)
            self._plan.saved(order)
            self._unsaved = False
            self._plan.begun(time.monotonic())
            return
        self._within = self._progress.within
        mode = self._direction(order.moment)
        self._pipeline.save(model, order, mode, at_once=not self._saved_in_fit)
        self._unsaved = False
        self._plan.begun(time.monotonic())
        self._tell.detour(self._pipeline.detour)
        self._settle(wait=False)

    def _save_last(self) -> None:
        """Save what was trained since the last save, and return when it is durable."""
        self._settle(wait=True)
        if self._unsaved:
            moment = self._moment(self._logs)
            self._leaving = True
            try:
                self._follow(self._plan.at_exit(moment, self._direction(moment)))
            finally:
                self._leaving = False
        self._settle(wait=True)

    def _leave_if_asked(self) -> None:
        """Save and let the signal act that came since the last hook, if one did."""
        if self._exit is None or self._exit.noted is None:
            return
        exit, name = self._exit, self._exit.noted.name
        try:
            self._save_last()
            self._tell.leaves(name)
        except CheckpointError as error:
            self._tell.say(str(error))  # the signal may leave no time to tell it later
            raise
        finally:
            exit.hand_on()

    def _settle(self, wait: bool) -> None:
        """Tell what came of the save that was begun last, if it has ended."""
        if self._pipeline is None or not self._pipeline.busy:
            return
        outcome = self._pipeline.outcome(wait)
        if outcome is None:
            return
        # An interrupt may come at any line: before `forget` all of it is done once
        # more by the next hook, after it no file is told of twice.
        if isinstance(outcome, Failure):
            if isinstance(outcome.error, NotFlushed):
                self._plan.saved(outcome.order)  # the file with this name is this one
            self._pipeline.forget()
            self._fail(outcome)
        else:
            self._plan.saved(outcome.order)
            self._saved_in_fit = self._saved_ever = True
            if outcome.order.improved:
                self._best_record = outcome.record
            self._pipeline.forget()
            self._tell.saved(outcome.order, outcome, self._within)
            if self.on_saved is not None:
                self.on_saved(outcome.record)

    def _fail(self, failure: Failure) -> None:
        if is_interrupt(failure.error):
            raise failure.error  # while it saved on this thread
        self._unsaved = True
        text = messages.failed(self._tell.path(failure.order.path), failure.error)
        if self.on_error == "raise" or not self._saved_in_fit:
            self._tell.problems.append(text)
            raise SaveError(text) from failure.error
        self._tell.problem(text)

    # Telling

    def _tell_missing(self, order: Order) -> None:
        text = messages.no_field(self.filepath, order)
        if self.on_error == "raise" and not self._leaving:
            self._tell.problems.append(text)
            raise FieldError(text)
        self._tell.problem(f"{text} Written as nan.", once=f"fields {order.missing}")

    def _tell_small_save_freq(self, size: int) -> None:
        self._first_batch = False
        if self._unit == "samples" and size >= int(self.save_freq) and self._chief:
            self._tell.small_save_freq(int(self.save_freq), size)

    def _tell_rough_count(self) -> None:
        problem = self._progress.problem
        if problem is not None and self._chief:
            self._tell.problem(problem, once="samples")


def _moment_of(record: Record) -> tuple[int, int]:
    return record.epochs_done, record.samples or 0
