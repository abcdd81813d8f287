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
    """Return whether somebody pressed Ctrl-C, so that it is no failure of a call.

    In R the signal can become a RuntimeError, which says this, in whatever Python code
    runs: reticulate asks R whether there was an interrupt, and R answers by one.
    """
    of_r = type(error) is RuntimeError and str(error) == "(Unknown exception occurred)"
    return of_r or not isinstance(error, Exception)


def without_number(error: OSError) -> OSError:
    """Return the same error, whose text begins with its sentence: no `[Errno 2]`."""
    if error.filename is None:  # its text is its sentence already, or nearly so
        return error
    kind = _without_number(type(error))  # type: ignore[arg-type]
    return kind(error.errno, error.strerror, error.filename)


@functools.cache
def _without_number(kind: type[OSError]) -> type[OSError]:
    def text(self: OSError) -> str:
        return f"{self.strerror}: {self.filename!r}"

    # Users, and who catches it by name, see the class that it was.
    names = {"__str__": text, "__module__": kind.__module__, "__doc__": kind.__doc__}
    return type(kind.__name__, (kind,), names)


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
    if isinstance(globals()[_name], type):
        globals()[_name].__module__ = "modelcheckpoint"
