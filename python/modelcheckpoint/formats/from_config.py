"""A part of a model made again from what a file says of it, as `load_model` does it."""

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
"""The user's classes and functions, by the names that stand for them in a file."""


class ArchiveConfig:
    """Config as `.keras` files have it, and what `load_model` makes of it."""

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
        """Return the part that Keras makes of a text."""
        return self.deserialize(json.loads(text), named)

    def deserialize(self, config: Any, named: Named) -> Any:
        """Return what Keras makes of a config; `named` are the user's own names."""
        saving = self.keras.saving
        with _sharing(self.keras), saving.custom_object_scope(named):
            return saving.deserialize_keras_object(
                config, custom_objects=named, safe_mode=False
            )


class LegacyConfig(ArchiveConfig):
    """Config as HDF5 files of Keras 3 have it, and what `load_model` makes of it."""

    def serialize(self, part: Any) -> str:
        """Return the text of a part's class and config."""
        from keras.src.legacy.saving import json_utils, saving_options
        from keras.src.saving import object_registration

        with saving_options.keras_option_scope(use_legacy_config=True):
            name = object_registration.get_registered_name(type(part))
            config = {"class_name": name, "config": part.get_config()}
            return json.dumps(config, default=json_utils.get_json_type)

    def rebuild(self, text: str, named: Named) -> Any:
        """Return the part that Keras makes of a text."""
        from keras.src.legacy.saving import json_utils, saving_options, saving_utils
        from keras.src.saving import serialization_lib

        scope = saving_options.keras_option_scope(use_legacy_config=True)
        # What a user may say, too.
        with scope, serialization_lib.SafeModeScope(False):
            named = {**named, **self.keras.saving.get_custom_objects()}
            return saving_utils.model_from_config(json_utils.decode(text), named)


def serialized(way: ArchiveConfig, part: Any) -> tuple[str | None, Named]:
    """Return a part's text and the names in it; None and none if it has no config."""
    with recording(way.keras) as named, quiet():
        try:
            return way.serialize(part), named
        except Exception as error:  # which is told where it is saved
            if is_interrupt(error):
                raise
            return None, {}


@contextlib.contextmanager
def recording(keras: Any) -> Iterator[Named]:
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
def quiet() -> Iterator[None]:
    """Silence what Keras advises: it does so at each save."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
