"""Rebuild a part of a model from its config in a file, as `load_model` does."""

from __future__ import annotations

import contextlib
import json
import warnings
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

from modelcheckpoint.errors import is_interrupt
from modelcheckpoint.observe.keras_models import keras_of

__all__ = ["ArchiveConfig", "LegacyConfig", "Named", "quiet", "recording", "serialized"]

Named = dict[str, Any]
"""The user's classes and functions, by their names in a file."""


class ArchiveConfig:
    """Config as in `.keras` files, written and read as by Keras."""

    def __init__(self, model: Any) -> None:
        self.keras = keras_of(model)

    def serialize(self, part: Any) -> str:
        """Return the text of a part's class and config."""
        with _sharing(self.keras):
            config = self.keras.saving.serialize_keras_object(part)
        if isinstance(config, dict):
            config.pop("compile_config", None)
        return json.dumps(config)

    def rebuild(self, text: str, named: Named) -> Any:
        """Return the part that Keras makes from a text."""
        return self.deserialize(json.loads(text), named)

    def deserialize(self, config: Any, named: Named) -> Any:
        """Return the object Keras makes from a config; `named` are the user's names."""
        saving = self.keras.saving
        with _sharing(self.keras), saving.custom_object_scope(named):
            return saving.deserialize_keras_object(
                config, custom_objects=named, safe_mode=False
            )


class LegacyConfig(ArchiveConfig):
    """Config as in HDF5 files of Keras 3, written and read as by Keras."""

    def serialize(self, part: Any) -> str:
        """Return the text of a part's class and config."""
        from keras.src.legacy.saving import json_utils, saving_options
        from keras.src.saving import object_registration

        with saving_options.keras_option_scope(use_legacy_config=True):
            name = object_registration.get_registered_name(type(part))
            config = {"class_name": name, "config": part.get_config()}
            return json.dumps(config, default=json_utils.get_json_type)

    def rebuild(self, text: str, named: Named) -> Any:
        """Return the part that Keras makes from a text."""
        from keras.src.legacy.saving import json_utils, saving_options, saving_utils
        from keras.src.saving import serialization_lib

        scope = saving_options.keras_option_scope(use_legacy_config=True)
        # Users can allow unsafe loading, too.
        with scope, serialization_lib.SafeModeScope(False):
            named = {**named, **self.keras.saving.get_custom_objects()}
            return saving_utils.model_from_config(json_utils.decode(text), named)


def serialized(way: ArchiveConfig, part: Any) -> tuple[str | None, Named]:
    """Return a part's text and the names in it; `(None, {})` if it has no config."""
    with recording(way.keras) as named, quiet():
        try:
            return way.serialize(part), named
        except Exception as error:  # the save reports it
            if is_interrupt(error):
                raise
            return None, {}


@contextlib.contextmanager
def recording(keras: Any) -> Iterator[Named]:
    """Record every object outside Keras that gets a name in a config."""
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
    """Return the scope in which a layer that is used twice is made once."""
    try:
        library = import_module(f"{keras.__name__}.src.saving.serialization_lib")
    except ImportError:
        return contextlib.nullcontext()
    return getattr(library, "ObjectSharingScope", contextlib.nullcontext)()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence Keras' advice, which it gives again at each save."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
