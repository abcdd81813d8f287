"""Check, before the first batch, that a full model has a config.

Otherwise the first save would fail, and the training up to there would be lost.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from types import TracebackType
from typing import Any

from modelcheckpoint.errors import FormatError, is_interrupt
from modelcheckpoint.formats.legacy_attributes import model_attributes
from modelcheckpoint.formats.model_parts import layers_of, leaves_of
from modelcheckpoint.observe.keras_models import keras_of, overrides

__all__ = ["check_config", "compiled_with", "has_config"]

_WAY_OUT = (
    "Give its class a `get_config` that returns the arguments of its constructor, or "
    "save the weights alone: set `save_weights_only`, and end `filepath` in "
    ".weights.h5."
)


@dataclass(frozen=True)
class _Culprit:
    what: str
    part: Any
    error: Exception


def check_config(model: Any, hdf5: bool) -> None:
    """Raise if the full model cannot be saved because a part of it has no config.

    Args:
        model: The model.
        hdf5: Whether it is saved to HDF5, whose config differs from that in `.keras`.

    Raises:
        FormatError: With a sentence that names the part and the way out.
    """
    if overrides(model, "save"):
        return
    error = _error_of(lambda: _make(model, hdf5))
    if error is None:
        return
    whole = _Culprit(f"the model {model.name!r}", model, error)
    culprit = next(_culprits(model), whole)
    if not _may_pass(culprit):
        reason = _reason(culprit.error)
        raise FormatError(
            f"A full model cannot be saved with {culprit.what}: {reason}. {_WAY_OUT}"
        )


def has_config(model: Any) -> bool:
    """Return whether a `.keras` file of the model can be written now."""
    return _error_of(lambda: _make(model, hdf5=False)) is None


def compiled_with(model: Any) -> Iterator[tuple[str, list[Any]]]:
    """Yield the losses and metrics of `compile`: the kind, and a list of them."""
    config = getattr(getattr(model, "_compile_config", None), "config", None) or {}
    parts = {"loss": "loss", "metrics": "metric", "weighted_metrics": "metric"}
    for key, part in parts.items():
        yield part, list(leaves_of(config.get(key)))


def _make(model: Any, hdf5: bool) -> None:
    if hdf5:
        _make_for_hdf5(model)
    else:
        _serialize(model, model)


def _make_for_hdf5(model: Any) -> None:
    keras = keras_of(model)
    if not hasattr(keras, "ops"):  # Keras 2
        utils = import_module(f"{keras.__name__}.src.saving.legacy.saving_utils")
        utils.model_metadata(model)
        return
    model_attributes(model)


def _serialize(model: Any, part: Any) -> None:
    json.dumps(keras_of(model).saving.serialize_keras_object(part))


def _error_of(make: Callable[[], None]) -> Exception | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras gives its advice at each save
            make()
    except ImportError:  # an internal module of Keras has moved
        return None
    except Exception as error:  # a user's method may raise anything
        if is_interrupt(error):
            raise
        return error
    return None


# Finding the part that has no config


def _culprits(model: Any) -> Iterator[_Culprit]:
    """Yield the parts that have no config, inner ones first."""
    for what, part in _parts(model):
        error = _error_of(lambda part=part: _serialize(model, part))  # type: ignore[misc]
        if error is not None:
            yield _Culprit(f"{what} of the class {_class_of(part)!r}", part, error)


def _parts(model: Any) -> Iterator[tuple[str, Any]]:
    layers = list(layers_of(model))
    for layer in reversed(layers):  # a layer comes after the layer that contains it
        if layer is not model:
            yield f"the layer {layer.name!r}", layer
    for part, leaves in compiled_with(model):
        for leaf in leaves:
            yield f"a {part}", leaf
    optimizer = getattr(model, "optimizer", None)
    yield "the learning rate", getattr(optimizer, "_learning_rate", None)
    yield "the optimizer", optimizer
    yield f"the model {model.name!r}", model


def _class_of(part: Any) -> str:
    return str(getattr(part, "__name__", type(part).__name__))


def _may_pass(culprit: _Culprit) -> bool:
    """Return whether the first batch, which builds the part, may give it a config.

    If Keras has none for the class, the first batch does not change that.
    """
    built = all(getattr(layer, "built", True) for layer in _built_with(culprit.part))
    by_keras = _raised_by_keras(culprit.error)
    return not (built or by_keras or isinstance(culprit.error, NotImplementedError))


def _built_with(part: Any) -> list[Any]:
    return list(layers_of(part)) or [part]


def _reason(error: Exception) -> str:
    if isinstance(error, NotImplementedError) and _raised_by_keras(error):
        return "it has no `get_config` of its own, which it needs"
    text = " ".join(str(error).split()).partition(". ")[0].rstrip(".")[:200]
    return f"its config raises {type(error).__name__}" + (f" ({text})" if text else "")


def _raised_by_keras(error: Exception) -> bool:
    trace: TracebackType | None = error.__traceback__
    name = ""
    while trace is not None:
        name = str(trace.tb_frame.f_globals.get("__name__", ""))
        trace = trace.tb_next
    return name.partition(".")[0] in ("keras", "tf_keras", "json")
