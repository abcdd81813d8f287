"""Saving through Keras' public methods, so a model's own `save` is respected."""

from __future__ import annotations

from typing import Any

__all__ = ["write"]


def write(model: Any, path: str, weights_only: bool) -> None:
    """Write the model, or its weights, with the call that Keras' callback makes."""
    save = model.save_weights if weights_only else model.save
    save(path, overwrite=True)
