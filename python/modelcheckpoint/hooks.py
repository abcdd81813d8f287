"""The hooks of the callback, as called by Keras or by a custom training loop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from modelcheckpoint.batch_hooks import BatchHook, TestBatchHook
from modelcheckpoint.errors import CheckpointError
from modelcheckpoint.observe.keras_models import check_model
from modelcheckpoint.observe.stack import fits_that_call
from modelcheckpoint.report.reporter import Reporter
from modelcheckpoint.settings import Settings
from modelcheckpoint.training.exit import GracefulExit
from modelcheckpoint.training.run import CopiedRun
from modelcheckpoint.training.training import Training

__all__ = ["Hooks"]

_ONE_FIT = (
    "This ModelCheckpoint is already used by a running `fit`. Give the nested `fit` or "
    "`evaluate` a callback of its own."
)


class Hooks:
    """The hooks of `ModelCheckpoint`, which check their caller and pass calls on.

    Hooks count epochs and batches from 0; `Training` counts them from 1.
    """

    _settings: Settings
    _reporter: Reporter
    _graceful_exit: GracefulExit
    _training: Training
    _trained: Any
    """The model that is trained; None if nobody has set one."""

    def set_model(self, model: Any) -> None:
        """Take the model that is going to be trained.

        A different model is a new run: the best value so far is forgotten.

        Raises:
            CheckpointError: If a `fit` of another model is running with this callback.
            ValueError: If it is not a Keras model.
        """
        another = self._trained is not None and self._trained is not model
        if another and fits_that_call(self) > 0:
            raise CheckpointError(_ONE_FIT)
        check_model(model)
        super().set_model(model)  # type: ignore[misc]  # of Keras' callback
        if another:
            self._training.settle(wait=True)
            self._start_over()
        self._trained = model

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Check what can be known before the first batch, and delete leftovers.

        Raises:
            CheckpointError: If a `fit` is running already with this callback.
        """
        if fits_that_call(self) > 1:
            raise CheckpointError(_ONE_FIT)
        self._training.begin(self._trained, self)

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Wait for the save in progress, and sum up what went wrong.

        If nothing was ever saved, say so loudly.
        """
        try:
            self._training.end()
        finally:
            self._graceful_exit.end()

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Note the epoch (`epoch` counts from 0)."""
        self._running().begin_epoch(int(epoch) + 1)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Save, if a save is due at the end of this epoch or waited for it."""
        self._running().end_epoch(int(epoch) + 1, logs)

    @BatchHook
    def on_batch_begin(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Note that a batch begins (`batch` counts from 0)."""
        self._running().begin_batch()

    @BatchHook
    def on_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Count the batch (`batch` counts from 0), and save if a save is due."""
        self._running().end_batch(batch + 1, logs)

    @TestBatchHook
    def on_test_batch_end(
        self, batch: int, logs: Mapping[str, Any] | None = None
    ) -> None:
        """Save and leave, if a signal asks for it."""
        self._training.end_test_batch()

    def on_test_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Note that Keras' metrics now hold the results of an evaluation."""
        self._training.end_test()

    def wait(self) -> None:
        """Return once everything that was saved is durable, and report the result.

        Use it in code that needs the files while training continues, or after a `fit`
        that ended with an exception, because Keras does not tell callbacks about that.

        Raises:
            SaveError: If the save failed and `on_error` is `"raise"`.
        """
        self._training.wait()

    # tf_keras calls these; Keras 3 looks at the methods.

    def _implements_train_batch_hooks(self) -> bool:
        watches = self._settings.watches_batches
        return watches or self._subclass_has("batch", "train_batch")

    def _implements_test_batch_hooks(self) -> bool:
        return self._settings.save_on_exit or self._subclass_has("test_batch")

    def _implements_predict_batch_hooks(self) -> bool:
        return self._subclass_has("predict_batch")

    def _subclass_has(self, *kinds: str) -> bool:
        hooks = {f"on_{kind}_{end}" for kind in kinds for end in ("begin", "end")}
        classes = type(self).__mro__
        below = classes[: classes.index(Hooks)]
        return any(hooks & set(vars(cls)) for cls in below)

    def _running(self) -> Training:
        """Return the training; it begins here if a loop calls only other hooks."""
        if not self._training.begun:
            self._training.begin(self._trained, self)
        return self._training

    def _start_over(self, copied: CopiedRun | None = None) -> None:
        self._training = Training(
            self._settings, self._reporter, self._graceful_exit, copied
        )
