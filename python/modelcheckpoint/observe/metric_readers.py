"""Find the Keras metric that counts samples, and read it fast.

Keras does not pass hooks the batch size, but weights its mean of the loss by it: the
mean's total weight is the number of samples of the epoch. The variable is read after
every batch, so it is read as cheaply as the backend allows. The few private names for
this are used only here, each with a public fallback.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable
from typing import Any

from modelcheckpoint.errors import SampleCountError
from modelcheckpoint.observe.keras_models import backend_of, overrides

__all__ = ["WAY_OUT", "feeds_no_weight", "mean_of_loss", "reader"]

WAY_OUT = "Pass `save_freq_unit='batches'` to count batches instead."
"""The end of each message about samples."""


def mean_of_loss(model: Any) -> Any:
    """Return Keras' mean of the loss, whose weight is the number of samples.

    Raises:
        SampleCountError: If this model's training does not weight it by samples.
    """
    for method in ("train_step", "make_train_function"):
        if overrides(model, method):
            raise SampleCountError(
                f"`save_freq` counts samples, and this model has its own `{method}`, "
                f"where Keras does not count them. {WAY_OUT}"
            )
    mean = _loss_mean(model)
    if not hasattr(mean, "count") or feeds_no_weight(_source_of_training(model)):
        raise SampleCountError(
            "`save_freq` counts samples, and this Keras does not count them in the "
            f"expected place. {WAY_OUT}"
        )
    dtype = getattr(mean.count.dtype, "name", mean.count.dtype)
    if str(dtype).endswith("float16"):
        # These hold all whole numbers only up to 256 (bfloat16) or 2048 (float16).
        raise SampleCountError(
            f"`save_freq` counts samples, and with `floatx` set to {dtype} Keras' own "
            f"count of them soon rounds. {WAY_OUT}"
        )
    if not _adds_up_devices(mean.count):
        raise SampleCountError(
            "`save_freq` counts samples, and in this Keras each device of a "
            f"`tf.distribute` strategy counts its own only. {WAY_OUT}"
        )
    return mean


def reader(model: Any, variable: Any, kind: str) -> Callable[[], float]:
    """Return a function that reads a variable of `model.<kind>` while `fit` runs."""
    backend = backend_of(model)
    if backend == "tensorflow":
        return _tensorflow_reader(variable)
    if backend == "jax":
        return _jax_reader(model, variable, kind)
    if backend == "torch":
        return lambda: float(variable.value.detach())
    return lambda: float(variable.numpy())


def feeds_no_weight(source: str) -> bool:
    """Return whether this source of Keras updates its mean of the loss without weights.

    Keras 3.0 and 3.1 do, so their mean counts batches. Only the source shows it.
    """
    return bool(re.search(r"_loss_tracker\.update_state\(\s*\w+\s*\)", source))


def _adds_up_devices(count: Any) -> bool:
    tf = sys.modules.get("tensorflow")
    if tf is None:
        return True
    variable = _unwrapped(count)
    if not isinstance(variable, tf.distribute.DistributedValues):
        return True
    # Each device has its own count; they are added when the variable is read.
    return str(variable.synchronization).endswith("ON_READ")


def _loss_mean(model: Any) -> Any:
    # Not looked up by the name `loss`: a model's own Mean of that name counts batches.
    tracker = getattr(model, "_loss_tracker", None)
    loss = getattr(model, "compiled_loss", None) if tracker is None else None
    for name in ("_total_loss_mean", "_loss_metric"):  # Keras 2, newer and older
        tracker = tracker or getattr(loss, name, None)
    return tracker


def _source_of_training(model: Any) -> str:
    owners = [cls for cls in type(model).__mro__ if "train_step" in vars(cls)]
    try:
        return inspect.getsource(sys.modules[owners[0].__module__])
    except (LookupError, OSError, TypeError):  # installed without its source
        return ""


def _tensorflow_reader(variable: Any) -> Callable[[], float]:
    import tensorflow as tf

    variable = _unwrapped(variable)
    read = tf.raw_ops.ReadVariableOp
    # A variable on several devices has several handles; only `numpy` adds them up.
    if isinstance(variable, tf.distribute.DistributedValues):
        return lambda: float(variable.numpy())
    return lambda: float(read(resource=variable.handle, dtype=variable.dtype))


def _unwrapped(variable: Any) -> Any:
    """Return TensorFlow's own variable, which Keras 3 wraps.

    A distributed variable also has a `_value`, but reading that involves all workers.
    """
    if isinstance(variable, sys.modules["tensorflow"].distribute.DistributedValues):
        return variable
    return getattr(variable, "_value", variable)


def _jax_reader(model: Any, variable: Any, kind: str) -> Callable[[], float]:
    def read() -> float:
        # While `fit` runs on JAX, the training state is current and the variables are
        # not, until somebody reads `callback.model`.
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
