"""The exceptions of the package, and its one warning."""

from __future__ import annotations

import functools

__all__ = [
    "CheckpointError",
    "CheckpointWarning",
    "FieldError",
    "FormatError",
    "RestoreError",
    "SampleCountError",
    "SaveError",
    "is_interrupt",
    "without_number",
]


def is_interrupt(error: BaseException) -> bool:
    """Return whether an error means that somebody pressed Ctrl-C.

    In R, the signal can become a RuntimeError with this text, in whatever Python code
    is running: reticulate asks R whether there was an interrupt, and R raises one.
    """
    of_r = type(error) is RuntimeError and str(error) == "(Unknown exception occurred)"
    return of_r or not isinstance(error, Exception)


def without_number(error: OSError) -> OSError:
    """Return the same error with a text that does not begin with `[Errno 2]`."""
    if error.filename is None:  # its text is already its sentence, or nearly so
        return error
    kind = _without_number(type(error))  # type: ignore[arg-type]
    return kind(error.errno, error.strerror, error.filename)


@functools.cache
def _without_number(kind: type[OSError]) -> type[OSError]:
    def text(self: OSError) -> str:
        return f"{self.strerror}: {self.filename!r}"

    # Users, and code that catches it by name, see the original class.
    names = {"__str__": text, "__module__": kind.__module__, "__doc__": kind.__doc__}
    return type(kind.__name__, (kind,), names)


class CheckpointError(Exception):
    """Base class of all errors about checkpoints, as opposed to arguments."""


class SaveError(CheckpointError, OSError):
    """A checkpoint could not be saved; the message names its path and the reason.

    The previous checkpoint is untouched, and no temporary file is left.
    """


class FieldError(CheckpointError, KeyError):
    """A field of `filepath` has no value, and `on_error="raise"`."""

    __str__ = Exception.__str__  # KeyError would show its sentence in quotes


class FormatError(CheckpointError, ValueError):
    """This model, saved in this format, could not be loaded again."""


class RestoreError(CheckpointError, ValueError):
    """A checkpoint cannot be restored into this model, which is unchanged."""


class SampleCountError(CheckpointError, ValueError):
    """The samples that training has seen cannot be counted here."""


class CheckpointWarning(UserWarning):
    """Something that the user must know, but that did not stop training."""


# In a traceback, users read the place from which they import the name.
for _name in __all__:
    if isinstance(globals()[_name], type):
        globals()[_name].__module__ = "modelcheckpoint"
