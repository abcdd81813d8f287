"""Keras checkpoints that never tear, behind the callback that users know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelcheckpoint.errors import (
    CheckpointError,
    CheckpointWarning,
    FieldError,
    FormatError,
    RestoreError,
    SampleCountError,
    SaveError,
)

if TYPE_CHECKING:
    from modelcheckpoint.callback import ModelCheckpoint
    from modelcheckpoint.fetch import fetch_checkpoint
    from modelcheckpoint.folder import (
        Verification,
        VerificationList,
        best_checkpoint,
        latest_checkpoint,
        list_checkpoints,
        prune_checkpoints,
        verify_checkpoints,
    )
    from modelcheckpoint.listing.checkpoint import Checkpoint
    from modelcheckpoint.listing.checkpoint_list import CheckpointList
    from modelcheckpoint.listing.plot import plot_checkpoints
    from modelcheckpoint.restore import Restored, restore_checkpoint

__all__ = [
    "Checkpoint",
    "CheckpointError",
    "CheckpointList",
    "CheckpointWarning",
    "FieldError",
    "FormatError",
    "ModelCheckpoint",
    "RestoreError",
    "Restored",
    "SampleCountError",
    "SaveError",
    "Verification",
    "VerificationList",
    "__version__",
    "best_checkpoint",
    "fetch_checkpoint",
    "latest_checkpoint",
    "list_checkpoints",
    "plot_checkpoints",
    "prune_checkpoints",
    "restore_checkpoint",
    "verify_checkpoints",
]

# A literal: importlib.metadata cannot see the copy that the R package ships.
__version__ = "0.2.0"


# Keras takes seconds to load, and a command line is to start at once.
_WHERE = {
    "Checkpoint": "listing.checkpoint",
    "CheckpointList": "listing.checkpoint_list",
    "ModelCheckpoint": "callback",
    "Restored": "restore",
    "Verification": "folder",
    "VerificationList": "folder",
    "best_checkpoint": "folder",
    "fetch_checkpoint": "fetch",
    "latest_checkpoint": "folder",
    "list_checkpoints": "folder",
    "plot_checkpoints": "listing.plot",
    "prune_checkpoints": "folder",
    "restore_checkpoint": "restore",
    "verify_checkpoints": "folder",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_WHERE})
