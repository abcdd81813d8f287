"""How many samples has the running `fit` consumed? Exact, on every Keras.

Keras hands hooks no batch size, but the mean of its loss is weighed by it: the weight
that this mean has gathered is the number of samples of the epoch. The variable is read
after every batch, so it is read as cheaply as the backend allows; these few private
names stand here and nowhere else, each with the public way behind it.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any

from modelcheckpoint.errors import SampleCountError
from modelcheckpoint.observe.keras_models import backend_of, overrides

__all__ = ["EXACT", "EpochCount", "SampleCounter", "feeds_no_weight"]

EXACT = 2**24
"""Up to here a float32, which Keras counts in, holds every whole number."""

_WAY_OUT = "Pass `save_freq_unit='batches'` to count batches instead."


class EpochCount:
    """The samples of one epoch, from a float32 that grows by each batch's size.

    From 2^24 on that float no longer holds every whole number. Then, if the batches
    had one size so far, that size is added; if not, the float is all there is, and
    `inexact` says so.
    """

    def __init__(self, start: float = 0.0) -> None:
        self.samples = 0
        self.inexact = False
        self.restarted = False
        self._raw = start
        self._size: float | None = None
        self._even = True

    def update(self, raw: float, batches: int = 1) -> int:
        """Take in the float after `batches` more batches; return the samples they had.

        A float that did not grow was set back by somebody (`reset_metrics()` in
        another callback): what it holds came since, and `restarted` says so.
        """
        stood_still = raw == self._raw and raw < EXACT and batches > 0
        self.restarted = raw < self._raw or stood_still
        grown = raw if self.restarted else raw - self._raw
        self._raw = raw
        if raw < EXACT:
            self._learn(grown, batches)
        elif self._even and self._size is not None:
            expected = self._size * batches
            # A last, smaller batch differs by more than the float's own step.
            step = raw * 2**-23
            grown = expected if abs(grown - expected) <= step else grown
        else:
            self.inexact = True
        self.samples += round(grown)
        return round(grown)

    def _learn(self, grown: float, batches: int) -> None:
        if batches < 1:
            return
        size = grown / batches
        if self._size is None:
            self._size = size
        elif size != self._size:
            self._even = False


class SampleCounter:
    """Count the samples of a model's training.

    Args:
        model: The model in training.
        in_fit: Whether `fit` drives the hooks. In a custom loop the loop tells:
            `logs["size"]` is the size of the batch.

    Raises:
        SampleCountError: If this model's training cannot be counted.
    """

    def __init__(self, model: Any, in_fit: bool) -> None:
        self._read = _reader(model) if in_fit else None
        self._has_metric_size = any(
            getattr(metric, "name", "") == "size"
            for metric in getattr(model, "metrics", None) or ()
        )
        self._epoch = EpochCount()
        self._total: int | None = 0 if in_fit else None

    @property
    def total(self) -> int | None:
        """Samples seen since training began; None while nothing has told."""
        return self._total

    @property
    def problem(self) -> str | None:
        """A sentence on why the count is not exact, or None."""
        if self._epoch.inexact:
            return (
                "An epoch has more than 2^24 samples in batches of varying size, which "
                "Keras counts only roughly; `save_freq` is rough from there on. "
                f"{_WAY_OUT}"
            )
        if self._epoch.restarted:
            return (
                "Keras' loss was reset in the middle of an epoch, by another callback "
                f"perhaps; `save_freq` may have missed samples. {_WAY_OUT}"
            )
        return None

    def start_epoch(self) -> None:
        """Begin an epoch, just after Keras has set its metrics back."""
        self._epoch = EpochCount(self._read() if self._read else 0.0)

    def end_batch(self, batches: int, logs: Mapping[str, Any] | None) -> int:
        """Return how many samples the last `batches` batches had.

        Raises:
            SampleCountError: If nothing tells.
        """
        size = self.take_size(logs)
        if size is not None:
            return size
        if self._read is None:
            raise SampleCountError(
                "`save_freq` counts samples, and this training loop does not say how "
                f'many a batch has. Pass them as `logs["size"]`. {_WAY_OUT}'
            )
        raw = self._read()
        if raw <= 0:
            raise SampleCountError(
                "`save_freq` counts samples, and this model's training does not let "
                f"Keras count them. {_WAY_OUT}"
            )
        return self._add(self._epoch.update(raw, batches))

    def catch_up(self) -> int:
        """Return how many samples there were since the last look, with no batch's end.

        For the end of an epoch: Keras may have left the loop without a last hook.
        """
        if self._read is None:
            return 0
        return self._add(self._epoch.update(self._read(), batches=0))

    def take_size(self, logs: Mapping[str, Any] | None) -> int | None:
        """Count what a custom loop tells in `logs["size"]`, and return it, or None."""
        if not logs or "size" not in logs or self._has_metric_size:
            return None
        return self._add(int(logs["size"]))

    def _add(self, samples: int) -> int:
        self._total = (self._total or 0) + samples
        return samples


def _reader(model: Any) -> Callable[[], float]:
    for method in ("train_step", "make_train_function"):
        if overrides(model, method):
            raise SampleCountError(
                f"`save_freq` counts samples, and this model has its own `{method}`, "
                f"where Keras does not count them. {_WAY_OUT}"
            )
    tracker = _loss_mean(model)
    count = getattr(tracker, "count", None)
    if count is None or feeds_no_weight(_source_of_training(model)):
        raise SampleCountError(
            "`save_freq` counts samples, and this Keras does not count them where "
            f"they are looked for. {_WAY_OUT}"
        )
    return _fast_reader(model, count)


def _loss_mean(model: Any) -> Any:
    # Never by the name `loss`: a model's own Mean of that name counts batches.
    tracker = getattr(model, "_loss_tracker", None)
    loss = getattr(model, "compiled_loss", None) if tracker is None else None
    for name in ("_total_loss_mean", "_loss_metric"):  # Keras 2, newer and older
        tracker = tracker or getattr(loss, name, None)
    return tracker


def feeds_no_weight(source: str) -> bool:
    """Return whether Keras feeds its mean of the loss a number alone, in this source.

    So do Keras 3.0 and 3.1: their mean counts batches, and nothing else tells.
    """
    return bool(re.search(r"_loss_tracker\.update_state\(\s*\w+\s*\)", source))


def _source_of_training(model: Any) -> str:
    owners = [cls for cls in type(model).__mro__ if "train_step" in vars(cls)]
    try:
        return inspect.getsource(sys.modules[owners[0].__module__])
    except (LookupError, OSError, TypeError):  # installed without its source
        return ""


def _fast_reader(model: Any, count: Any) -> Callable[[], float]:
    backend = backend_of(model)
    if backend == "tensorflow":
        return _tensorflow_reader(count)
    if backend == "jax":
        return _jax_reader(model, count)
    if backend == "torch":
        return lambda: float(count.value.detach())
    return lambda: float(count.numpy())


def _tensorflow_reader(count: Any) -> Callable[[], float]:
    import tensorflow as tf

    variable = getattr(count, "_value", count)  # Keras 3 wraps TensorFlow's variable
    read, dtype = tf.raw_ops.ReadVariableOp, tf.float32
    # Spread over devices it has no one place: only its public face adds them up.
    if isinstance(variable, tf.distribute.DistributedValues):
        return lambda: float(variable.numpy())
    return lambda: float(read(resource=variable.handle, dtype=dtype))


def _jax_reader(model: Any, count: Any) -> Callable[[], float]:
    places = [index for index, v in enumerate(model.metrics_variables) if v is count]

    def read() -> float:
        # While `fit` runs, JAX' training state is the truth and the variables lag.
        state = getattr(model, "_jax_state", None)
        if state and places and state.get("metrics_variables"):
            return float(state["metrics_variables"][places[0]])
        return float(count.value)

    return read
