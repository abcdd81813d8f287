"""The config with which Keras builds a model before weights can be loaded."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["build_config_of"]

_LONGEST = 4096
"""The most characters of it in a line of the journal."""


def build_config_of(model: Any) -> dict[str, Any] | None:
    """Return the argument of the model's `build_from_config`, as plain values, or None.

    A model without a first `Input` is built by its first batch. A training that is
    resumed needs the weights before that.
    """
    method = getattr(model, "get_build_config", None)
    if method is None or not model.built:
        return None
    try:
        text = json.dumps(method(), default=_plain)
        config = json.loads(text)
    except Exception:  # a model's own method may raise anything
        return None
    return config if isinstance(config, dict) and len(text) <= _LONGEST else None


def _plain(value: Any) -> Any:
    return value.as_list()  # TensorFlow's shapes; any other value raises
