"""Count the samples that the running `fit` has consumed, on every Keras."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from modelcheckpoint.errors import SampleCountError
from modelcheckpoint.observe.epoch_count import EpochCount
from modelcheckpoint.observe.metric_readers import WAY_OUT, mean_of_loss, reader
from modelcheckpoint.observe.resets import hear_resets

__all__ = ["SampleCounter"]


class SampleCounter:
    """Count the samples of a model's training.

    Args:
        model: The model in training.
        in_fit: Whether hooks are called as by `fit`, so that Keras' mean can be read.
        by_hand: Whether a custom loop calls the hooks. It can pass the size of each
            batch as `logs["size"]`; in a `fit` that key would belong to a metric.

    Attributes:
        total: Samples seen since training began; None while unknown.

    Raises:
        SampleCountError: If this model's training cannot be counted.
    """

    def __init__(self, model: Any, in_fit: bool, by_hand: bool) -> None:
        self._read: Callable[[], float] | None = None
        if in_fit:
            mean = mean_of_loss(model)
            self._read = reader(model, mean.count, "metrics_variables")
            hear_resets(mean, self)
        self._model = model
        self._by_hand = by_hand
        self._epoch = EpochCount()
        self._epoch.leave()  # until an epoch begins
        self.total: int | None = 0 if in_fit else None
        self._before_reset = 0
        self._steps_at_reset: float | None = None

    @property
    def missed(self) -> bool:
        """Whether this epoch had samples that could not be counted."""
        return self._epoch.missed

    @property
    def problem(self) -> str | None:
        """A sentence on why the count is not exact, or None."""
        if self._epoch.inexact:
            return (
                "An epoch has more than 2^24 samples in batches of varying size, which "
                "Keras counts only roughly; `save_freq` is rough from there on. "
                f"{WAY_OUT}"
            )
        if self._epoch.missed:
            return (
                "Keras' loss was reset in the middle of an epoch, by another callback "
                f"perhaps; `save_freq` may have missed samples. {WAY_OUT}"
            )
        return None

    def start_epoch(self) -> None:
        """Begin an epoch, just after Keras has reset its metrics."""
        self._epoch = EpochCount(self._read() if self._read else 0.0)
        self._before_reset = 0

    def count_from_here(self) -> None:
        """Count from here on, if Keras' metrics were reset since the last batch."""
        if not self._epoch.follows and self._read:
            self._epoch.follow(self._read())

    def before_reset(self) -> None:
        """Read the count before Keras, or a callback, resets it."""
        if self._read is None or not self._epoch.follows:
            return
        try:
            self._before_reset += self._add(self._epoch.update(self._read(), 0))
            self._steps_at_reset = self._steps()
        # During tracing there is no value to read; some optimizers have no steps.
        except (AttributeError, RuntimeError, TypeError):
            self._steps_at_reset = None
        self._epoch.leave()

    def end_batch(self, batches: int, logs: Mapping[str, Any] | None) -> int:
        """Return the number of samples in the last `batches` batches.

        Raises:
            SampleCountError: If it is unknown.
        """
        size = self.take_size(logs)
        if size is not None:
            return size
        if self._read is None:
            raise SampleCountError(
                "`save_freq` counts samples, and this training loop does not say how "
                f'many a batch has. Pass them as `logs["size"]`. {WAY_OUT}'
            )
        counted = self._take_before_reset()
        if counted and not self._epoch.follows:
            return counted  # another callback, called earlier, has reset the count
        raw = self._read()
        if raw <= 0:
            raise SampleCountError(
                "`save_freq` counts samples, and this model's training does not let "
                f"Keras count them. {WAY_OUT}"
            )
        return counted + self._add(self._epoch.update(raw, batches))

    def catch_up(self) -> int:
        """Return the samples since the last reading, without a hook at a batch's end.

        For the end of an epoch: Keras may have left the loop without a last hook.
        """
        if self._read is None:
            return 0
        counted = self._take_before_reset()
        if self._epoch.follows:
            return counted + self._add(self._epoch.update(self._read(), 0))
        if self._steps() != self._steps_at_reset:
            self._epoch.missed = True  # training continued after the last reading
        return counted

    def take_size(self, logs: Mapping[str, Any] | None) -> int | None:
        """Count and return the samples in `logs["size"]` of a custom loop, or None."""
        if not self._by_hand or not logs or "size" not in logs:
            return None
        return self._add(int(logs["size"]))

    def _steps(self) -> float:
        # With accumulated gradients, `iterations` is only a fraction of the steps.
        optimizer = self._model.optimizer
        steps = getattr(optimizer, "_iterations", None)
        steps = optimizer.iterations if steps is None else steps
        return reader(self._model, steps, "optimizer_variables")()

    def _take_before_reset(self) -> int:
        counted, self._before_reset = self._before_reset, 0
        return counted

    def _add(self, samples: int) -> int:
        self.total = (self.total or 0) + samples
        return samples
