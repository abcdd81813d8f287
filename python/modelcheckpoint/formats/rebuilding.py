"""Find out whether `load_model` can rebuild the user's classes from their config.

Each part with a class of the user's is rebuilt from its config, without memory for its
weights, and compared with the original. Keras' own classes are not checked.
"""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from modelcheckpoint.errors import is_interrupt
from modelcheckpoint.formats.from_config import (
    ArchiveConfig,
    LegacyConfig,
    Named,
    quiet,
    recording,
    serialized,
)
from modelcheckpoint.formats.model_parts import is_graph
from modelcheckpoint.formats.rebuilt_parts import changed, difference
from modelcheckpoint.formats.sandbox import sandbox, without_values
from modelcheckpoint.observe.keras_models import is_keras_own, keras_of, overrides

__all__ = ["NotRebuilt", "not_rebuilt", "rebuilds_in_hdf5", "reservation"]

_PARTS = {
    "loss": "the loss",
    "metrics": "the metric",
    "optimizer": "the optimizer",
    "weighted_metrics": "the metric",
}


@dataclass(frozen=True)
class NotRebuilt:
    """A user's class that its config does not rebuild unchanged.

    Attributes:
        what: The kind of part, and the name of its class.
        name: The name of the class.
        reason: What happens instead.
        compiled: Whether it is a loss, metric or optimizer given to `compile`.
    """

    what: str
    name: str
    reason: str
    compiled: bool = False


def not_rebuilt(model: Any, hdf5: bool = False) -> NotRebuilt | None:
    """Return the first of the user's classes that its config does not rebuild, or None.

    It is also None if this is unknown.

    Args:
        model: The model.
        hdf5: Whether to use the config that HDF5 holds.
    """
    way = LegacyConfig if hdf5 and hasattr(keras_of(model), "ops") else ArchiveConfig
    text, named = serialized(way(model), model)
    parts = _parts(model) if text is None or _has_class(named) else ()
    for part in parts:
        found = _judge(part, way(model))
        if found is not None:
            return found
    return _judge_compiled(model)


def reservation(model: Any, suffix: str) -> str | None:
    """Return a warning if `load_model` cannot rebuild the model; it says what works.

    Args:
        model: The model in the file.
        suffix: The suffix of the file's name.
    """
    lost = None if overrides(model, "save") else not_rebuilt(model)
    if lost is None:
        return None
    works = "`load_model(..., compile=False)` and `load_weights` take the same file"
    if not lost.compiled:
        works = "`load_weights` takes the same file, into a model that you make"
    return (
        f"`load_model` does not rebuild {lost.what} from a {suffix} file "
        f"({lost.reason}); {works}. To mend it, have `get_config` of {lost.name!r} "
        "return each argument of its constructor, and its constructor (or its "
        "`from_config`) take all that `get_config` returns."
    )


def rebuilds_in_hdf5(model: Any) -> bool:
    """Return whether Keras 3 can rebuild the model from its config in HDF5."""
    way = LegacyConfig(model)
    text, named = serialized(way, model)
    return text is None or _try(model, way, text, named) is None


def _parts(part: Any) -> Iterator[Any]:
    """Yield the parts to rebuild one by one; graphs of Keras' own are taken apart."""
    if is_graph(part) and not _makes_itself(type(part)):
        for inner in getattr(part, "operations", None) or part.layers:
            yield from _parts(inner)
    else:
        yield part


def _makes_itself(cls: type) -> bool:
    users = itertools.takewhile(lambda c: not is_keras_own(c), cls.__mro__)
    own = {"__init__", "__new__", "get_config", "from_config"}
    return any(own & set(vars(c)) for c in users)


def _judge(part: Any, way: ArchiveConfig) -> NotRebuilt | None:
    text, named = serialized(way, part)
    if text is None or not _has_class(named):
        return None
    reason = _try(part, way, text, named)
    if reason is None or _is_lookup(reason):
        return None
    name = type(part).__name__
    kind = "subclassed model" if hasattr(part, "fit") else "layer"
    return NotRebuilt(f"the {kind} {name!r}", name, reason)


def _try(part: Any, way: ArchiveConfig, text: str, named: Named) -> str | None:
    """Rebuild a part, and return what is wrong with the result, or None."""
    reason: str | None = None
    # Some layers need values while they are made, so those are tried again with them.
    for scope in (without_values, _with_values):
        try:
            with sandbox(way.keras), scope(way.keras), quiet():
                reason = difference(part, way.rebuild(text, named))
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
    way = ArchiveConfig(model)
    with recording(way.keras) as named, quiet():
        try:
            config = json.loads(json.dumps(compiled() or {}))
        except Exception as error:  # the save reports it
            if is_interrupt(error):
                raise
            return None
    if not _has_class(named):
        return None
    live = getattr(getattr(model, "_compile_config", None), "config", None) or {}
    for key, value in config.items():
        reason: str | None
        try:
            with sandbox(way.keras), quiet():
                again = way.deserialize(value, named)
                reason = changed(live.get(key), again)
        except Exception as error:
            if is_interrupt(error):
                raise
            reason = _cause(error)
        if reason is not None and not _is_lookup(reason):
            name = _class_in(value) or key
            what = f"{_PARTS.get(key, key)} {name!r}"
            return NotRebuilt(what, name, reason, compiled=True)
    return None


def _cause(error: BaseException) -> str:
    """Return the first line of the original error's text."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return (str(error).strip() or repr(error)).splitlines()[0][:200].rstrip(".")


def _is_lookup(reason: str) -> bool:
    """Return whether only a name was not found: users can pass it to `load_model`."""
    return reason.startswith(("Could not locate ", "Unknown "))


def _has_class(named: Named) -> bool:
    return any(isinstance(thing, type) for thing in named.values())


def _class_in(config: Any) -> str | None:
    configs: Iterable[Any] = config if isinstance(config, list) else [config]
    names = (c.get("class_name") for c in configs if isinstance(c, dict))
    return next((name for name in names if name), None)
