"""Can `load_model` rebuild the user's classes from what a file says of them?

It is tried: each part of a model that has a class of the user's is made again from its
config, without memory for its weights, and compared with the part itself. Keras' own
classes are rebuilt by Keras.
"""

from __future__ import annotations

import contextlib
import inspect
import itertools
import json
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from modelcheckpoint.errors import is_interrupt
from modelcheckpoint.formats.sandbox import sandbox, without_values
from modelcheckpoint.observe.keras_models import is_keras_own, keras_of, overrides

__all__ = [
    "NotRebuilt",
    "is_built",
    "is_graph",
    "layers_of",
    "leaves_of",
    "not_rebuilt",
    "rebuilds_in_hdf5",
]

_PARTS = {
    "loss": "the loss",
    "metrics": "the metric",
    "optimizer": "the optimizer",
    "weighted_metrics": "the metric",
}

_UNTOLD = ("name", "trainable", "dtype", "axis", "mean", "variance")
"""What can differ: the weights' file holds it, or `build` writes it in another way."""

Named = dict[str, Any]
"""The user's classes and functions, by the names that stand for them in a file."""


@dataclass(frozen=True)
class NotRebuilt:
    """A class that does not come back as it was.

    Attributes:
        what: The class, and what it is the class of.
        name: The class.
        reason: What happens instead.
        compiled: Whether it is a part of what the model is compiled with.
    """

    what: str
    name: str
    reason: str
    compiled: bool = False


def not_rebuilt(model: Any, hdf5: bool = False) -> NotRebuilt | None:
    """Return the first class of the user's that its config does not rebuild, or None.

    None, too, where that cannot be known.

    Args:
        model: The model.
        hdf5: Whether the config is the one that HDF5 holds.
    """
    way = _Legacy if hdf5 and hasattr(keras_of(model), "ops") else _Archive
    text, named = _serialized(way(model), model)
    parts = _parts(model) if text is None or _has_class(named) else ()
    for part in parts:
        found = _judge(part, way(model))
        if found is not None:
            return found
    return _judge_compiled(model)


def rebuilds_in_hdf5(model: Any) -> bool:
    """Return whether Keras makes a model of what HDF5 says of this one (Keras 3)."""
    way = _Legacy(model)
    text, named = _serialized(way, model)
    return text is None or _try(model, way, text, named) is None


def is_graph(model: Any) -> bool:
    """Return whether a model is a Functional or a Sequential one."""
    names = ("Functional", "Sequential")  # their config rebuilds every layer
    return any(c.__name__ in names and is_keras_own(c) for c in type(model).__mro__)


def layers_of(model: Any) -> Iterator[Any]:
    """Yield a model, or a layer, and all layers in it."""
    flatten = getattr(model, "_flatten_layers", None)
    yield from (flatten() if flatten else getattr(model, "layers", ()))


def leaves_of(value: Any) -> Iterator[Any]:
    """Yield what is in lists and dictionaries, however deep."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from leaves_of(item)
    else:
        yield value


def is_built(layer: Any) -> bool:
    """Return whether a layer has all its variables."""
    # Dropout, say, has nothing to build, and is built only when it is called.
    base = next(c for c in type(layer).__mro__ if c.__name__ == "Layer")
    return bool(layer.built) or type(layer).build is vars(base).get("build")


def _parts(part: Any) -> Iterator[Any]:
    """Yield what is rebuilt in one piece, down from the graphs of Keras' own making."""
    if is_graph(part) and not _makes_itself(type(part)):
        for inner in getattr(part, "operations", None) or part.layers:
            yield from _parts(inner)
    else:
        yield part


def _makes_itself(cls: type) -> bool:
    users = itertools.takewhile(lambda c: not is_keras_own(c), cls.__mro__)
    own = {"__init__", "__new__", "get_config", "from_config"}
    return any(own & set(vars(c)) for c in users)


def _judge(part: Any, way: _Archive) -> NotRebuilt | None:
    text, named = _serialized(way, part)
    if text is None or not _has_class(named):
        return None
    reason = _try(part, way, text, named)
    if reason is None or _is_lookup(reason):
        return None
    name = type(part).__name__
    kind = "subclassed model" if hasattr(part, "fit") else "layer"
    return NotRebuilt(f"the {kind} {name!r}", name, reason)


def _try(part: Any, way: _Archive, text: str, named: Named) -> str | None:
    """Make a part again, and return what is wrong with it, or None."""
    reason: str | None = None
    # Some layers need values when they are made: these are made once more with them.
    for scope in (without_values, _with_values):
        try:
            with sandbox(way.keras), scope(way.keras), _quiet():
                reason = _difference(part, way.rebuild(text, named))
        except Exception as error:
            if is_interrupt(error):
                raise
            reason = _cause(error)
        if reason is None:
            return None
    return reason


def _with_values(keras: Any) -> Any:
    return contextlib.nullcontext()


def _judge_compiled(model: Any) -> NotRebuilt | None:
    names = ("compile", "compile_from_config", "get_compile_config")
    if any(overrides(model, name) for name in names):
        return None
    compiled = getattr(model, "get_compile_config", dict)
    way = _Archive(model)
    with _recording(way.keras) as named, _quiet():
        try:
            config = json.loads(json.dumps(compiled() or {}))
        except Exception as error:  # which is told where it is saved
            if is_interrupt(error):
                raise
            return None
    if not _has_class(named):
        return None
    live = getattr(getattr(model, "_compile_config", None), "config", None) or {}
    for key, value in config.items():
        reason: str | None
        try:
            with sandbox(way.keras), _quiet():
                again = way.deserialize(value, named)
                reason = _changed(live.get(key), again)
        except Exception as error:
            if is_interrupt(error):
                raise
            reason = _cause(error)
        if reason is not None and not _is_lookup(reason):
            name = _class_in(value) or key
            what = f"{_PARTS.get(key, key)} {name!r}"
            return NotRebuilt(what, name, reason, compiled=True)
    return None


def _changed(live: Any, again: Any) -> str | None:
    """Return what losses, metrics or an optimizer of the user's come back with."""
    for one, other in zip(leaves_of(live), leaves_of(again)):
        if type(one) is type(other) and not is_keras_own(type(one)):
            lost = _lost(one, other)
            if lost is not None:
                return _comes_back(*lost)
    return None


# Making it again


class _Archive:
    """As `load_model` does it for `.keras`."""

    def __init__(self, model: Any) -> None:
        self.keras = keras_of(model)

    def serialize(self, part: Any) -> str:
        with _sharing(self.keras):
            config = self.keras.saving.serialize_keras_object(part)
        if isinstance(config, dict):
            config.pop("compile_config", None)
        return json.dumps(config)

    def rebuild(self, text: str, named: Named) -> Any:
        return self.deserialize(json.loads(text), named)

    def deserialize(self, config: Any, named: Named) -> Any:
        saving = self.keras.saving
        with _sharing(self.keras), saving.custom_object_scope(named):
            return saving.deserialize_keras_object(
                config, custom_objects=named, safe_mode=False
            )


class _Legacy(_Archive):
    """As `load_model` does it for HDF5, in Keras 3."""

    def serialize(self, part: Any) -> str:
        from keras.src.legacy.saving import json_utils, saving_options
        from keras.src.saving import object_registration

        with saving_options.keras_option_scope(use_legacy_config=True):
            name = object_registration.get_registered_name(type(part))
            config = {"class_name": name, "config": part.get_config()}
            return json.dumps(config, default=json_utils.get_json_type)

    def rebuild(self, text: str, named: Named) -> Any:
        from keras.src.legacy.saving import json_utils, saving_options, saving_utils
        from keras.src.saving import serialization_lib

        scope = saving_options.keras_option_scope(use_legacy_config=True)
        # What a user may say, too.
        with scope, serialization_lib.SafeModeScope(False):
            named = {**named, **self.keras.saving.get_custom_objects()}
            return saving_utils.model_from_config(json_utils.decode(text), named)


def _serialized(way: _Archive, part: Any) -> tuple[str | None, Named]:
    with _recording(way.keras) as named, _quiet():
        try:
            return way.serialize(part), named
        except Exception as error:  # which is told where it is saved
            if is_interrupt(error):
                raise
            return None, {}


@contextlib.contextmanager
def _recording(keras: Any) -> Iterator[Named]:
    """Note all that is not Keras' own and gets a name in a config."""
    registration = import_module(f"{keras.__name__}.src.saving.object_registration")
    name_of: Callable[[Any], str] = registration.get_registered_name
    named: Named = {}

    def noting(thing: Any) -> str:
        name = name_of(thing)
        package = str(getattr(thing, "__module__", "")).partition(".")[0]
        if package not in ("builtins", "keras", "tf_keras"):
            named[name] = thing
        return name

    registration.get_registered_name = noting  # type: ignore[attr-defined]
    try:
        yield named
    finally:
        registration.get_registered_name = name_of  # type: ignore[attr-defined]


def _sharing(keras: Any) -> Any:
    """Return the scope in which a layer that is there twice is made once."""
    try:
        library = import_module(f"{keras.__name__}.src.saving.serialization_lib")
    except ImportError:
        return contextlib.nullcontext()
    return getattr(library, "ObjectSharingScope", contextlib.nullcontext)()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


# Comparing


def _difference(part: Any, again: Any) -> str | None:
    """Return what of a part does not come back, or None."""
    ours, theirs = list(layers_of(part)), list(layers_of(again))
    for one, other in zip(ours or [part], theirs or [again]):
        if type(one) is not type(other):
            break
        where = "" if one is part else f"in its layer {one.name!r} "
        lost = _lost(one, other)
        if lost is not None:
            return where + _comes_back(*lost)
    is_model = hasattr(part, "fit")
    if is_model and all(map(is_built, ours)) and _shapes(part) != _shapes(again):
        return "its weights come back with other shapes"
    return None


def _comes_back(key: str, before: Any, after: Any) -> str:
    return f"`{key}` comes back as {after!r} instead of {before!r}"


def _lost(one: Any, other: Any) -> tuple[str, Any, Any] | None:
    ours, theirs = _arguments(one), _arguments(other)
    for key in ours:
        # NaN is unequal to itself.
        before, after = ours[key], theirs.get(key, ours[key])
        if before != after and repr(before) != repr(after):
            return key, before, after
    return None


def _arguments(layer: Any) -> dict[str, Any]:
    """Return what a layer was made with, as far as it tells, in plain values."""
    if is_keras_own(type(layer)):
        inside = sum(1 for _ in layers_of(layer)) > 1
        found = {} if inside or is_graph(layer) else _config(layer)
    else:
        keys = inspect.signature(type(layer).__init__).parameters
        kept = getattr(layer, "__dict__", {})
        found = {key: kept[key] for key in keys if key in kept}
    return {key: _plain(found[key]) for key in found if _counts(key, found[key])}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, (list, tuple)) else value


def _config(layer: Any) -> dict[str, Any]:
    try:
        return dict(layer.get_config())
    except Exception as error:
        if is_interrupt(error):
            raise
        return {}


def _counts(key: str, value: Any) -> bool:
    """Return whether a value decides what a layer computes, and can be compared."""
    if key in _UNTOLD or "seed" in key:
        return False
    items = value if isinstance(value, (list, tuple)) else [value]
    plain = (bool, int, float, str, type(None))
    return all(isinstance(item, plain) for item in items)


def _shapes(model: Any) -> list[tuple[Any, ...]]:
    return sorted(tuple(weight.shape) for weight in model.weights)


# Reasons


def _cause(error: BaseException) -> str:
    """Return the first line of what was wrong to begin with."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return (str(error).strip() or repr(error)).splitlines()[0][:200].rstrip(".")


def _is_lookup(reason: str) -> bool:
    """Return whether a name was not found: `load_model` can be given what it means."""
    return reason.startswith(("Could not locate ", "Unknown "))


def _has_class(named: Named) -> bool:
    return any(isinstance(thing, type) for thing in named.values())


def _class_in(config: Any) -> str | None:
    configs: Iterable[Any] = config if isinstance(config, list) else [config]
    names = (c.get("class_name") for c in configs if isinstance(c, dict))
    return next((name for name in names if name), None)
