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
    """Save the model, or its weights, while it trains.

    Use it in `model.fit(..., callbacks=[ModelCheckpoint(...)])` of Keras 3 or tf_keras.
    In a custom loop, call `set_model`, then the hooks in order; `logs["size"]` at a
    batch's end is its number of samples (in a `fit` that key is a metric).

    Every checkpoint is written atomically: on a local file system, a power cut or a
    kill leaves the complete file or the previous one, never half of one. On JAX, Torch
    and GPUs, training waits while its state is copied in memory; on TensorFlow's CPU it
    does not. The file is written while training continues, and `fit` returns when all
    files are durable. The first save of a `fit`, and every save of a small model (up to
    8 MiB and 1000 arrays), is durable when its hook returns. In an object store, a file
    is durable once the store has confirmed it, and the first upload runs in the
    background too.

    A journal, `modelcheckpoint.jsonl` (in an object store `modelcheckpoint.*.jsonl`),
    gets one line of JSON per save. The files load with plain Keras.

    The guides are in the folder `vignettes` of the project, and on its site:
    `modelcheckpoint` (get started), `resume`, `retention`, `object-storage`,
    `several-machines`, `crash-safety`, `journal`, and `coming-from`, which lists what
    differs from Keras' own callback.

    Args:
        filepath: Where to save; a string or a path object. Missing folders are created,
            `~` is the home folder. An address in an object store (`s3://`, `gs://`,
            `az://` or `abfs://`, then a bucket and a name) needs the extra `remote`;
            keys and endpoint come from the environment or from the machine. It may
            contain fields with a format for numbers, such as
            `weights.{epoch:02d}-{val_loss:.2f}.hdf5`: `epoch` (from 1), the keys of
            `logs` and, with an integer `save_freq`, `save_seconds` or `save_on_exit`,
            `batch` (of this epoch, from 1) and `samples` (since training began). Any
            metric can be a field, also `{F1 score:.2f}` or `{out/acc:.3f}`, unless its
            name contains `.`, `[`, `]`, `!`, `:` or a brace; only its number reaches
            the path. `epoch`, `batch` and `samples` are always the callback's own
            counts; if a metric has the same name, you are warned once. A field without
            a value is written as `nan`; you are warned once. The format follows from
            the suffix: `.keras` (full model), `.weights.h5` (weights and optimizer
            state, with `save_weights_only`), `.h5` or `.hdf5` (HDF5: full model, or
            weights), `.orbax` (full model, or weights and optimizer state). A `.orbax`
            checkpoint is a folder that Orbax writes, and counts as one file. It needs a
            field in `filepath`, a path on this machine, Keras 3.4 or newer and the
            extra `orbax`; plain Keras loads it from 3.15 on. If several processes of
            JAX train the model, each writes its part into that folder, which all must
            share.
        monitor: Key in `logs` that decides what is best.
        verbose: 0 is silent, 1 prints one line per decision. Problems are reported in
            either case.
        save_best_only: Save only if `monitor` is better than ever before. NaN never is;
            if `logs` lacks `monitor`, nothing is saved, and you are warned once.
        save_weights_only: Save only the weights, else the full model.
        mode: `"min"` or `"max"`: which direction of `monitor` is better; `"auto"`
            infers it from the compiled metric and from the name.
        period: Epochs between saves, a whole number >= 1 (None means 1), counted since
            the last due save. Ignored, with a warning, with an integer `save_freq`.
        save_freq: `"epoch"`, or a whole number >= 1 of **samples**: save after the
            batch that brings the count to this many samples or more, and then count
            from 0 again. A new epoch does not reset the count. Within an epoch, a
            metric can rest on as little as one batch; if `monitor` or a field exists
            only at the epoch's end (`val_loss`), the save moves to that end.
        save_freq_unit: `"samples"`, or `"batches"`: what an integer `save_freq` counts.
        initial_value_threshold: The value that `monitor` must beat to be the best; a
            finite number, or None.
        on_error: What happens if a save fails in the middle of training: `"warn"`
            reports it, training continues, and the next due save is tried; `"raise"`
            raises `SaveError` (and `FieldError`, a `KeyError`, for a field without a
            value). The first save of a `fit` always raises, unless an object store
            stops answering: it may be back for the next save. A failure in the
            background is reported or raised by the next hook.
        background: Whether files are written on a separate thread while training
            continues. At most one save is in progress: the next waits for it. The copy
            takes as much memory as the model's state; on TensorFlow's CPU, training may
            take as much again until it is made. Training always waits with Keras
            before 3.4 and tf_keras, with models of `tf.distribute` or of several
            processes of JAX (except in `.orbax`), with models that have their own
            `save`, and if the copy does not fit in memory.
        on_saved: A function that is called with the `Record` of each checkpoint once it
            is durable, by the next hook, on the thread that trains; or None.
        keep_latest: How many of the newest checkpoints to keep, or None. If any of
            `keep_latest`, `keep_best` and `keep_every` is set, all checkpoints that
            none of them selects are deleted once the new one is durable. The newest and
            the best are never deleted. Only files of this run are deleted that still
            have their size and that no other run has written since. If a file cannot be
            deleted, you are told once, and deletion is retried after each save. See the
            guide `retention`, also for what happens if two checkpoints get one name.
        keep_best: How many of the best by `monitor`, or None. Among equal values, the
            earlier one counts as better; a checkpoint without a finite value is never
            one of them.
        keep_every: A number of epochs, or None: the last checkpoint of each epoch that
            is a multiple of it is kept permanently.
        save_seconds: Seconds > 0, a `timedelta`, or None: also save at the end of the
            first batch after this many seconds since this callback's last save, or
            since training began; if several processes save together, up to a second
            later. As above, the save moves to the epoch's end if something exists only
            there.
        save_on_exit: Whether to save a last checkpoint when training ends, if anything
            was trained since the last save: at the end of `fit`, and, if `fit` runs on
            the main thread, on SIGINT (Ctrl-C) or SIGTERM, at the end of the current
            batch. The signal then takes effect as usual; a second one takes effect at
            once. A field that exists only at the epoch's end is written as `nan`. Not
            with `save_best_only`. If several processes train the model, a signal to one
            of them makes all save and leave at the end of the same batch or epoch.
        resume: Whether to continue from the newest intact checkpoint of this
            `filepath`; damaged ones are reported and skipped. The same script, run
            again, ends with the weights of an uninterrupted run if seeds and the order
            of data are fixed and the checkpoint was taken at the end of an epoch. `fit`
            begins with the next epoch, whatever `initial_epoch` is. If the checkpoint
            was taken mid-epoch, that epoch is repeated from its first batch, so the
            model sees the batches before the save twice. The model must be as it was,
            as must `compile`; place the callback last in the list, so that it saves
            what others change. The state of other callbacks and the shuffling order are
            not restored. If there is no checkpoint, training starts from the beginning;
            if the folder has others, a warning names the newest, and files that this
            run did not write are kept under another name before they are overwritten.
            Several processes must share the folder: process 0 chooses the checkpoint
            and all load it, and they wait for each other for at most
            `MODELCHECKPOINT_PEER_TIMEOUT` seconds (an environment variable, 600 if it
            is not set). See the guide `resume` for everything that is restored and
            what is not.
        restore_best: Whether the model gets the weights, and only the weights, of the
            best checkpoint when `fit` ends; this can be a checkpoint of an earlier run
            that this one resumed. If that file is gone or damaged, this is reported,
            and the model stays as it is. `filepath` must have a field, or
            `save_best_only` be set. After an error or an interrupt nothing is restored.
            Several processes must share the folder.

    A copy, by `copy` or `pickle`, is an independent callback: it has the arguments,
    `best` (also for `restore_best`), the counts since the last due save, and what a
    subclass has added, but nothing of a `fit`. It writes as a run of its own: it never
    deletes files of the original, nor overwrites a better one. With `resume` it
    continues from the newest checkpoint.

    Attributes:
        best: The best value of `monitor` that was saved; None before.
        restored: What `resume` has restored (`Restored`); None before, and if there was
            nothing. A custom training loop asks it where to continue.
        problems: What went wrong and was reported, one sentence each; in several
            processes only the first one prints it.

    Raises:
        ValueError: If an argument is invalid, or the suffix does not fit.
        KeyboardInterrupt: By the hook that saved, with `save_on_exit`, if SIGINT has
            Python's own handler.
        OSError: In `on_train_begin`, if `filepath` cannot be written to.
        CheckpointError: In `on_train_begin`, if a variable is spread over several
            processes, or if a `fit` with this callback is already running. With
            `resume` or `restore_best` in several processes, also when training ends:
            if one of them does not arrive, does not see the folder, or fails. On JAX
            and with `tf.distribute`, at a save that a process does not arrive for.
        RestoreError: In `on_train_begin`, if the checkpoint to resume from belongs to
            another model; the model is as it was.
        FormatError: In `on_train_begin`, if this model cannot be saved in this format,
            or would not load from it. A `.keras` file of a class that `load_model` does
            not rebuild is saved, and reported there.
        SampleCountError: In `on_train_begin` or at the first batch, if samples cannot
            be counted.
        SaveError: If a save fails, as `on_error` says. The previous file is untouched.
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
        # Keras 2 then passes its tensors unconverted; most hooks never look at them.
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
                f"`{name}` must be given when ModelCheckpoint is created, not set "
                "later: create another one."
            )
        super().__setattr__(name, value)

    # Copies, by `copy`, `pickle` and whatever rests on them

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy gets: nothing that belongs to a single `fit`."""
        left = (*_MADE_ANEW, *_OF_A_FIT)
        kept = {
            name: value
            for name, value in vars(self).items()
            if name not in left and value is not no_hook
        }
        return {**kept, _COPIED: self._training.copied()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Become an unused callback with the original's arguments and counts."""
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
        """What went wrong so far and was reported, one sentence each."""
        return list(self._reporter.problems)

    @property
    def restored(self) -> Restored | None:
        """What `resume` has restored; None before, and if there was nothing."""
        return self._training.restored

    def _get_most_recently_modified_file_matching_pattern(
        self, pattern: str
    ) -> str | None:
        # Keras' callback has this method too, and its subclasses call it.
        paths = glob.glob(re.sub(r"\{[^{}]*\}", "*", glob.escape(pattern)))
        return max(paths, key=lambda p: (os.path.getmtime(p), p), default=None)

    def _prepare(self, settings: Settings, copied: CopiedRun | None = None) -> None:
        self._settings = settings  # from here on the arguments are fixed
        self._reporter = Reporter(
            settings.filepath,
            settings.template.folder,
            settings.monitor,
            settings.save_best_only,
            bool(settings.verbose),
        )
        self._trained = None
        self._graceful_exit = GracefulExit(self._reporter, settings.filepath)
        self._start_over(copied)
