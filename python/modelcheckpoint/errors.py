"""What can go wrong with a checkpoint, as exceptions and one warning."""

from __future__ import annotations

__all__ = [
    "CheckpointError",
    "CheckpointWarning",
    "FieldError",
    "FormatError",
    "RestoreError",
    "SampleCountError",
    "SaveError",
]


class CheckpointError(Exception):
    """Base of every error that is about checkpoints and not about an argument."""


class SaveError(CheckpointError, OSError):
    """A checkpoint could not be saved; the message names its path and the reason.

    The checkpoint that was there before is untouched, and no temporary file is left.
    """


class FieldError(CheckpointError, KeyError):
    """A field of `filepath` has no value, and `on_error="raise"`."""

    __str__ = Exception.__str__  # KeyError would show its sentence in quotes


class FormatError(CheckpointError, ValueError):
    """This model, saved in this format, could not be loaded again."""


class RestoreError(CheckpointError, ValueError):
    """A checkpoint cannot be brought back into this model, which is as it was."""


class SampleCountError(CheckpointError, ValueError):
    """The samples that training has seen cannot be counted here."""


class CheckpointWarning(UserWarning):
    """Something that the user must know, and that did not stop training."""


# What users read in a traceback is where they find the name.
for _name in __all__:
    globals()[_name].__module__ = "modelcheckpoint"
