"""Read the values of a model's variables at one moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from modelcheckpoint.errors import is_interrupt
from modelcheckpoint.formats.device_copies import as_numpy, jax_copies, torch_copies
from modelcheckpoint.formats.internals import NeedsKeras
from modelcheckpoint.observe.keras_models import backend_of

__all__ = ["Read", "Value", "reader_of"]

# With more variables at once, TensorFlow's first read takes long to prepare.
_AT_ONCE = 64


class Value(NamedTuple):
    """The value of a variable, or other state that a part of a model hands out.

    Attributes:
        array: Its numbers, not copied if possible.
        still: Whether the numbers cannot change while the array is held, whatever
            happens to the variable. If not, training can change them, so they must be
            used at once.
    """

    array: Any
    still: bool = False


Read = Callable[[Sequence[Any]], Iterator[Value]]
"""Reads Keras variables, all of one model, in the given order."""


def reader_of(model: Any) -> Read:
    """Return the function that reads the variables of a model.

    Raises:
        NeedsKeras: If the backend is unknown.
    """
    backend = backend_of(model)
    if backend == "tensorflow":
        return _tensorflow_values
    if backend == "jax":
        sync = getattr(model, "jax_state_sync", None)
        if sync is not None:
            sync()  # a running fit keeps the state apart from the variables
        return _jax_values
    if backend == "torch":
        return _torch_values
    raise NeedsKeras(f"the backend {backend!r} is not known")


def _tensorflow_values(variables: Sequence[Any]) -> Iterator[Value]:
    """Yield the values; those on the CPU cannot change.

    A tensor is immutable: while one that shares a variable's memory is held, any change
    to the variable takes other memory first. If a read copies (a variable that is
    updated in parts, such as an embedding, or one on a GPU), nobody else has the copy.
    Values of other devices are still not held: together they would be one more copy of
    the model, there or here.
    """
    import numpy as np
    import tensorflow as tf

    raw = [variable._value for variable in variables]
    if any(isinstance(value, tf.distribute.DistributedValues) for value in raw):
        raise NeedsKeras("its variables are spread over devices", expected=True)
    here = ["CPU:0" in value.device for value in raw]
    # As an operation it shares the variable's memory; `.numpy()` would copy.
    read = tf.raw_ops.ReadVariableOp
    one_by_one = (read(resource=value.handle, dtype=value.dtype) for value in raw)
    tensors = (_read_at_once(raw) if all(here) else None) or one_by_one
    return map(Value, map(np.asarray, tensors), here)


def _read_at_once(raw: Sequence[Any]) -> list[Any] | None:
    """Return the tensors of variables on the CPU in a fifth of the time, or None.

    TensorFlow has an operation that reads many variables, but no public name for it.
    """
    try:
        from tensorflow.python.eager import context, execute

        tensors: list[Any] = []
        for i in range(0, len(raw), _AT_ONCE):
            some = raw[i : i + _AT_ONCE]
            types = [value.dtype.as_datatype_enum for value in some]
            tensors += execute.execute(
                b"_ReadVariablesOp",
                num_outputs=len(some),
                inputs=[value.handle for value in some],
                attrs=("N", len(some), "dtypes", types),
                ctx=context.context(),
            )
    except Exception as error:  # of any kind: they can be read one by one instead
        if is_interrupt(error):
            raise
        return None
    return tensors


def _jax_values(variables: Sequence[Any]) -> Iterator[Value]:
    """Yield the values, to be held only if they are copies on another device.

    JAX' arrays cannot change, but an array that is held cannot be donated: the next
    step would need memory for the whole model, and more time than a copy.
    """
    import numpy as np

    raw = [variable._value for variable in variables]
    if not all(value.is_fully_addressable for value in raw):
        raise NeedsKeras("its variables are spread over processes", expected=True)
    copies = jax_copies(raw)
    if copies is not None:
        return (Value(copy, still=True) for copy in copies)
    return map(Value, map(np.asarray, raw))


def _torch_values(variables: Sequence[Any]) -> Iterator[Value]:
    """Yield the values, which can change: Torch updates its tensors in place.

    Only their copies on another device can be held.
    """
    raw = [variable._value.detach() for variable in variables]
    copies = torch_copies(raw)
    if copies is not None:
        return (Value(copy, still=True) for copy in copies)
    return (Value(as_numpy(tensor.cpu())) for tensor in raw)
