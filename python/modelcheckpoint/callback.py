"""The Keras callback `ModelCheckpoint`: its arguments, its state, and copies of it."""

from __future__ import annotations

import glob
import os
import re
from typing import Any, Callable

import keras

from modelcheckpoint.batch_hooks import no_hook
from modelcheckpoint.hooks import Hooks
from modelcheckpoint.records import Record
from modelcheckpoint.report.reporter import Reporter
from modelcheckpoint.restore import Restored
from modelcheckpoint.settings import ARGUMENTS, Settings, checked
from modelcheckpoint.training.exit import GracefulExit
from modelcheckpoint.training.run import CopiedRun

__all__ = ["ModelCheckpoint"]

_MADE_ANEW = ("_settings", "_reporter", "_graceful_exit", "_trained", "_training")
_OF_A_FIT = ("_model", "model", "params")  # as Keras 3 and Keras 2 set them
_COPIED = "_copied"


class ModelCheckpoint(Hooks, keras.callbacks.Callback):  # type: ignore[misc]
    """Save the model, or its weights, as training goes on.

    Used in `model.fit(..., callbacks=[ModelCheckpoint(...)])` of Keras 3 and tf_keras,
    or driven by hand from a custom loop (`set_model`, then the hooks in order;
    `logs["size"]` at a batch's end tells its samples; in a `fit` that key is a metric).

    Each file appears whole or not at all: on a local file system, a power cut or a kill
    leaves the file that was there before, or the new one. Training waits while its
    state is copied in memory; the file is written while it goes on, and `fit` returns
    when all are durable. The first save of a `fit`, and every save of a small model (up
    to 8 MiB and 1000 arrays), is durable when its hook returns.

    In an object store a file appears whole as well, and is durable once the store has
    confirmed it. Uploads run in the background, the first one too. A request that fails
    is repeated for up to a minute, but only until the next save is due. At its end,
    `fit` waits for the last upload for as many seconds as the environment variable
    `MODELCHECKPOINT_UPLOAD_TIMEOUT` says (600 if it is not set). An upload that has not
    ended by then is reported as `on_error` says. If another run left an object of the
    same name, that object is first copied to `<name>.run-<id><suffix>`.

    Beside the files, `modelcheckpoint.jsonl` gets one line of JSON for each save; in an
    object store, each run has journals of its own, `modelcheckpoint.*.jsonl`. What
    the files hold is what Keras itself writes; they load with plain Keras.

    Args:
        filepath: Where to save; a string or a path object. Missing folders are made,
            `~` is the home folder. It may be an address in an object store (`s3://`,
            `gs://`, `az://` or `abfs://`, then a bucket and a name), which needs the
            extra `remote`; keys and endpoint come from the environment, or from the
            machine, as the package obstore reads them. It may hold fields with a
            format for numbers, such as `weights.{epoch:02d}-{val_loss:.2f}.hdf5`:
            `epoch` (from 1), the keys in `logs` and, with an integer `save_freq`,
            `save_seconds` or `save_on_exit`, `batch` (of this epoch, from 1) and
            `samples` (since training began). Any metric can stand in a field, also `{F1
            score:.2f}` or `{out/acc:.3f}`, unless its name has `.`, `[`, `]`, `!`, `:`
            or a brace in it; only its number reaches the path. `epoch`, `batch` and
            `samples` are always the callback's own counts: a metric of such a name is
            reported once. A field that has no value when a save happens is written as
            `nan`, and told once. The suffix tells the format: `.keras` (full model),
            `.weights.h5` (weights and optimizer state, with `save_weights_only`), `.h5`
            or `.hdf5` (HDF5: full model, or weights). A symbolic link that has the name
            of the file is replaced by it; what the link points to stays as it is.
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
            value). The first save of a `fit` always raises, except if an object store
            stops answering: it may be back for the next save. What fails in the
            background is reported or raised by the next hook.
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
            written with, and that no other run has written since; of those that one run
            has kept aside for another, the best stays. One that cannot be deleted is
            told once, and tried again after each save. If two checkpoints of one run
            get the same name, the earlier one is replaced, unless it is the best or
            otherwise to be kept: then it is kept as `<name>.run-<id><suffix>`. You are
            warned once.
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
            workers save together. Under reticulate, Ctrl-C while a function of R sleeps
            (`Sys.sleep()`) is R's own: `fit` ends with an error, and saves nothing.
        resume: Whether training goes on from the newest checkpoint of this `filepath`
            that is whole; damaged ones are passed over, and told. Weights, optimizer
            (its learning rate, too), the seed generators of Dropout and of layers that
            draw without a seed, and the states of stateful layers (up to 64 KiB
            together; a line says where they are not) are restored, `best` and counters
            go on, and `fit` begins with the epoch after it, whatever `initial_epoch`
            is: the same script, run again, ends with the weights of a run that was
            never stopped, if the data come in the same order. An epoch in whose middle
            the checkpoint was saved begins anew, with generators and states as they
            were then. Where there is no checkpoint, training begins as usual; if the
            folder has others (another `filepath`, a lost journal, files written by
            Keras), a warning names the newest, and files that this run did not write
            are kept as `<name>.run-<id><suffix>` before they are overwritten. `.h5` and
            `.hdf5` with weights alone have no optimizer state. The state of another
            optimizer than the file's is not used: the optimizer starts from scratch,
            and a warning names both. The model must be as it was, as must `compile`;
            place the callback last in the list, so that it saves what others change.
            What other callbacks count, and the order of shuffled data, is not restored;
            on tf_keras the state of Dropout neither. Beside `SwapEMAWeights`, placed
            before this callback, training goes on from the trained weights, though the
            files hold the averages; from one without the optimizer it goes on from the
            averages, which is told. After a `fit` that ended as it should, a later one
            with this callback does not resume again. Several processes must see one
            folder (tested on JAX and Torch, not with `tf.distribute`).
        restore_best: Whether the model gets the weights, and only those, of the best
            checkpoint when `fit` ends; that of an earlier run that it resumed, too.
            Where its file is gone or damaged, that is told, and the model stays as it
            is. `filepath` must have a field, or `save_best_only` be set. After an error
            or an interrupt nothing is restored.

    A copy, by `copy` or `pickle`, is a callback of its own: it has the arguments,
    `best` (also for `restore_best`), what was counted since a save last fell due, and
    what a subclass has added, and nothing of a `fit`. It writes as a run of its own: it
    never deletes what the original wrote, nor overwrites a better file of it. With
    `resume` it goes on from the newest checkpoint.

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
        FormatError: In `on_train_begin`, if this model cannot be saved in this format,
            or would not load from it. A `.keras` file of a class that `load_model` does
            not rebuild is saved, and reported there.
        SampleCountError: In `on_train_begin` or at the first batch, if samples cannot
            be counted.
        SaveError: If a save fails, as `on_error` says. The file that was there before
            is untouched.
    """

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
        given = {key: value for key, value in locals().items() if key in ARGUMENTS}
        super().__init__()
        # Keras 2: hand over its tensors as they are; most hooks never look at them.
        self._supports_tf_logs = True
        settings = checked(**given)
        for argument in given:
            setattr(self, argument, getattr(settings, argument))
        self._prepare(settings)
        if settings.counts_batches and settings.period != 1:
            self._reporter.problem(
                f"`period={settings.period}` is ignored: "
                f"`save_freq={settings.save_freq}` says when to save."
            )

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ARGUMENTS and hasattr(self, "_settings"):
            raise AttributeError(
                f"`{name}` must be given when ModelCheckpoint is made, not set later: "
                "make another one."
            )
        super().__setattr__(name, value)

    # Copies, by `copy`, `pickle` and whatever rests on them

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy gets: nothing that belongs to one fit."""
        left = (*_MADE_ANEW, *_OF_A_FIT)
        kept = {
            name: value
            for name, value in vars(self).items()
            if name not in left and value is not no_hook
        }
        return {**kept, _COPIED: self._training.copied()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Become a callback that has not been used, with what the original had."""
        keras.callbacks.Callback.__init__(self)
        kept = dict(state)
        copied = kept.pop(_COPIED)
        self.__dict__.update(kept)
        self._prepare(checked(**{name: kept[name] for name in ARGUMENTS}), copied)

    # What can be read

    @property
    def best(self) -> float | None:
        """The best value of `monitor` that was saved, or the threshold, or None."""
        return self._training.best

    @property
    def problems(self) -> list[str]:
        """What went wrong so far and was told, one sentence each."""
        return list(self._reporter.problems)

    @property
    def restored(self) -> Restored | None:
        """What `resume` has restored; None before, and where there was nothing."""
        return self._training.restored

    def _get_most_recently_modified_file_matching_pattern(
        self, pattern: str
    ) -> str | None:
        # Keras' callback has this too; its subclasses call it.
        paths = glob.glob(re.sub(r"\{[^{}]*\}", "*", glob.escape(pattern)))
        return max(paths, key=lambda p: (os.path.getmtime(p), p), default=None)

    def _prepare(self, settings: Settings, copied: CopiedRun | None = None) -> None:
        self._settings = settings  # from here on the arguments stay as they are
        self._reporter = Reporter(
            settings.filepath,
            settings.template.folder,
            settings.monitor,
            settings.save_best_only,
            bool(settings.verbose),
        )
        self._trained = None
        self._graceful_exit = GracefulExit(self._reporter)
        self._start_over(copied)
