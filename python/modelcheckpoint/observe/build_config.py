"""What Keras needs to build a model before weights can be loaded."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["build_config_of"]

_LONGEST = 4096
"""A line of the journal is no place for more."""


def build_config_of(model: Any) -> dict[str, Any] | None:
    """Return what the model's `build_from_config` takes, as plain values, or None.

    A model without a first `Input` is built as it meets its first batch; one that is
    to go on needs its weights before that.
    """
    method = getattr(model, "get_build_config", None)
    if method is None or not model.built:
        return None
    try:
        text = json.dumps(method(), default=_plain)
        config = json.loads(text)
    except Exception:  # of whatever kind: a model's own method
        return None
    return config if isinstance(config, dict) and len(text) <= _LONGEST else None


def _plain(value: Any) -> Any:
    return value.as_list()  # TensorFlow's shapes; any other value raises
