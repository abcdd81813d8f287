"""Keras checkpoints that never tear, behind the callback that users know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelcheckpoint.errors import (
    CheckpointError,
    CheckpointWarning,
    FieldError,
    FormatError,
    SampleCountError,
    SaveError,
)

if TYPE_CHECKING:
    from modelcheckpoint.callback import ModelCheckpoint

__all__ = [
    "CheckpointError",
    "CheckpointWarning",
    "FieldError",
    "FormatError",
    "ModelCheckpoint",
    "SampleCountError",
    "SaveError",
    "__version__",
]

# A literal: importlib.metadata cannot see the copy that the R package ships.
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # Keras takes seconds to load; what needs no Keras must not wait for it.
    if name == "ModelCheckpoint":
        from modelcheckpoint.callback import ModelCheckpoint

        return ModelCheckpoint
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), "ModelCheckpoint"])
