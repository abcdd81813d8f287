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
from modelcheckpoint.observe.resets import hear_resets

__all__ = ["EXACT", "EpochCount", "SampleCounter", "feeds_no_weight"]

EXACT = 2**24
"""Up to here a float32, which Keras counts in, holds every whole number."""

_WAY_OUT = "Pass `save_freq_unit='batches'` to count batches instead."


class EpochCount:
    """The samples of one epoch, from a float32 that grows by each batch's size.

    From 2^24 on that float no longer holds every whole number. Then, if the batches
    had one size so far, that size is added; if not, the float is all there is, and
    `inexact` says so.

    Attributes:
        samples: How many so far.
        inexact: Whether this is only roughly so.
        missed: Whether there were batches whose size nobody knows.
    """

    def __init__(self, start: float = 0.0) -> None:
        self.samples = 0
        self.inexact = self.missed = False
        self._raw: float | None = start
        self._size: float | None = None
        self._even = True

    @property
    def follows(self) -> bool:
        """Whether the float is known from which the next batches are counted."""
        return self._raw is not None

    def leave(self) -> None:
        """The float is set back, and may then count what is no training."""
        self._raw = None

    def follow(self, raw: float) -> None:
        """Count from this float on."""
        self._raw = raw

    def update(self, raw: float, batches: int = 1) -> int:
        """Take in the float after `batches` more batches; return the samples they had.

        With `batches=0` nobody knows how many they were, perhaps none.
        """
        before, self._raw = self._raw, raw
        if before is None or raw < before or (raw == before < EXACT and batches):
            self.missed = True
            return 0
        grown = raw - before
        if raw < EXACT:
            self._learn(grown, batches)
        elif self._even and self._size is not None and batches:
            expected = self._size * batches
            # A last, smaller batch differs by more than the float's own step.
            step = raw * 2**-23
            grown = expected if abs(grown - expected) <= step else grown
        elif grown:
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
        in_fit: Whether hooks come as from `fit`, so that Keras' mean can be read.
        by_hand: Whether a custom loop drives the hooks. It can pass the size of each
            batch as `logs["size"]`; in a `fit` such a key is a metric's.

    Raises:
        SampleCountError: If this model's training cannot be counted.
    """

    def __init__(self, model: Any, in_fit: bool, by_hand: bool) -> None:
        self._read: Callable[[], float] | None = None
        if in_fit:
            mean = _mean_of_loss(model)
            self._read = _reader(model, mean.count, "metrics_variables")
            hear_resets(mean, self)
        self._model = model
        self._by_hand = by_hand
        self._epoch = EpochCount()
        self._epoch.leave()  # until an epoch begins
        self._total: int | None = 0 if in_fit else None
        self._before_reset = 0
        self._steps_at_reset: float | None = None

    @property
    def total(self) -> int | None:
        """Samples seen since training began; None while nothing has told."""
        return self._total

    @property
    def missed(self) -> bool:
        """Whether there were samples in this epoch that nobody could count."""
        return self._epoch.missed

    @property
    def problem(self) -> str | None:
        """A sentence on why the count is not exact, or None."""
        if self._epoch.inexact:
            return (
                "An epoch has more than 2^24 samples in batches of varying size, which "
                "Keras counts only roughly; `save_freq` is rough from there on. "
                f"{_WAY_OUT}"
            )
        if self._epoch.missed:
            return (
                "Keras' loss was reset in the middle of an epoch, by another callback "
                f"perhaps; `save_freq` may have missed samples. {_WAY_OUT}"
            )
        return None

    def go_on(self, samples: int) -> None:
        """Count on from what an earlier training had seen; nothing was counted yet."""
        self._total = samples

    def start_epoch(self) -> None:
        """Begin an epoch, just after Keras has set its metrics back."""
        self._epoch = EpochCount(self._read() if self._read else 0.0)
        self._before_reset = 0

    def begin_batch(self) -> None:
        """Count from here on, if Keras' metrics were set back since the last batch."""
        if not self._epoch.follows and self._read:
            self._epoch.follow(self._read())

    def before_reset(self) -> None:
        """Read the count before Keras, or a callback, sets it back."""
        if self._read is None or not self._epoch.follows:
            return
        try:
            self._before_reset += self._add(self._epoch.update(self._read(), 0))
            self._steps_at_reset = self._steps()
        # A reset within a trace has no value to read, and some optimizers no steps.
        except (AttributeError, RuntimeError, TypeError):
            self._steps_at_reset = None
        self._epoch.leave()

    def end_test(self) -> None:
        """Count from here on: an evaluation has ended, perhaps in mid-epoch."""
        self.begin_batch()

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
        counted = self._take_before_reset()
        if counted and not self._epoch.follows:
            return counted  # an earlier callback of this hook has set the count back
        raw = self._read()
        if raw <= 0:
            raise SampleCountError(
                "`save_freq` counts samples, and this model's training does not let "
                f"Keras count them. {_WAY_OUT}"
            )
        return counted + self._add(self._epoch.update(raw, batches))

    def catch_up(self) -> int:
        """Return how many samples there were since the last look, with no batch's end.

        For the end of an epoch: Keras may have left the loop without a last hook.
        """
        if self._read is None:
            return 0
        counted = self._take_before_reset()
        if self._epoch.follows:
            return counted + self._add(self._epoch.update(self._read(), 0))
        if self._steps() != self._steps_at_reset:
            self._epoch.missed = True  # it was trained on, and nobody looked
        return counted

    def take_size(self, logs: Mapping[str, Any] | None) -> int | None:
        """Count what a custom loop tells in `logs["size"]`, and return it, or None."""
        if not self._by_hand or not logs or "size" not in logs:
            return None
        return self._add(int(logs["size"]))

    def _steps(self) -> float:
        # Where gradients are accumulated, `iterations` is only a part of the steps.
        optimizer = self._model.optimizer
        steps = getattr(optimizer, "_iterations", None)
        steps = optimizer.iterations if steps is None else steps
        return _reader(self._model, steps, "optimizer_variables")()

    def _take_before_reset(self) -> int:
        counted, self._before_reset = self._before_reset, 0
        return counted

    def _add(self, samples: int) -> int:
        self._total = (self._total or 0) + samples
        return samples


def _mean_of_loss(model: Any) -> Any:
    for method in ("train_step", "make_train_function"):
        if overrides(model, method):
            raise SampleCountError(
                f"`save_freq` counts samples, and this model has its own `{method}`, "
                f"where Keras does not count them. {_WAY_OUT}"
            )
    mean = _loss_mean(model)
    if not hasattr(mean, "count") or feeds_no_weight(_source_of_training(model)):
        raise SampleCountError(
            "`save_freq` counts samples, and this Keras does not count them where "
            f"they are looked for. {_WAY_OUT}"
        )
    dtype = getattr(mean.count.dtype, "name", mean.count.dtype)
    if str(dtype).endswith("float16"):
        # Whole numbers end at 256 (bfloat16) or 2048 (float16) there.
        raise SampleCountError(
            f"`save_freq` counts samples, and with `floatx` set to {dtype} Keras' own "
            f"count of them soon rounds. {_WAY_OUT}"
        )
    if not _adds_up_devices(mean.count):
        raise SampleCountError(
            "`save_freq` counts samples, and in this Keras each device of a "
            f"`tf.distribute` strategy counts its own only. {_WAY_OUT}"
        )
    return mean


def _adds_up_devices(count: Any) -> bool:
    variable = getattr(count, "_value", count)
    tf = sys.modules.get("tensorflow")
    if tf is None or not isinstance(variable, tf.distribute.DistributedValues):
        return True
    # Each device has its own, and they are added when it is read.
    return str(variable.synchronization).endswith("ON_READ")


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


def _reader(model: Any, variable: Any, kind: str) -> Callable[[], float]:
    """Return what reads a variable, one of `model.<kind>`, while `fit` runs."""
    backend = backend_of(model)
    if backend == "tensorflow":
        return _tensorflow_reader(variable)
    if backend == "jax":
        return _jax_reader(model, variable, kind)
    if backend == "torch":
        return lambda: float(variable.value.detach())
    return lambda: float(variable.numpy())


def _tensorflow_reader(variable: Any) -> Callable[[], float]:
    import tensorflow as tf

    variable = getattr(variable, "_value", variable)  # Keras 3 wraps TensorFlow's own
    read = tf.raw_ops.ReadVariableOp
    # Spread over devices it has no one place: only its public face adds them up.
    if isinstance(variable, tf.distribute.DistributedValues):
        return lambda: float(variable.numpy())
    return lambda: float(read(resource=variable.handle, dtype=variable.dtype))


def _jax_reader(model: Any, variable: Any, kind: str) -> Callable[[], float]:
    def read() -> float:
        # While `fit` runs, JAX' training state is the truth and the variables lag,
        # until somebody has asked for `callback.model`.
        state = getattr(model, "_jax_state", None)
        synced = getattr(model, "_jax_state_synced", False)
        values = state.get(kind) if state and not synced else None
        if values and places:
            return float(values[places[0]])
        return float(variable.value)

    metrics = kind == "metrics_variables"
    variables = model.metrics_variables if metrics else model.optimizer.variables
    places = [index for index, one in enumerate(variables) if one is variable]
    return read
