"""The file formats, and which suffix means which.

Each format has a module of its own; the tuple `FORMATS` lists them all.
"""

from __future__ import annotations

from modelcheckpoint.errors import RestoreError
from modelcheckpoint.formats.archive import Archive
from modelcheckpoint.formats.base import Format
from modelcheckpoint.formats.legacy_h5 import LegacyH5
from modelcheckpoint.formats.orbax import Orbax
from modelcheckpoint.formats.weights_h5 import WeightsH5

__all__ = ["FORMATS", "SUFFIXES", "Format", "format_of", "format_of_file"]

FORMATS: tuple[Format, ...] = (
    Archive(),
    WeightsH5(),  # before `.h5`, because its suffix ends in `.h5`, too
    LegacyH5(weights_only=False),
    LegacyH5(weights_only=True),
    Orbax(weights_only=False),
    Orbax(weights_only=True),
)
"""Every format. If several share a suffix, the first one reads the file."""

SUFFIXES = tuple(
    dict.fromkeys(suffix for format in FORMATS for suffix in format.suffixes)
)
"""Every suffix that can be written."""


def format_of(filepath: str, tail: str, weights_only: bool) -> Format:
    """Return the format that a path's suffix asks for.

    Args:
        filepath: The whole template, for the message.
        tail: Its literal end. `os.path.splitext` would mistake `.2f}` for a suffix.
        weights_only: `save_weights_only`.

    Raises:
        ValueError: If there is no such format; the message names the way out.
    """
    suffix = next((suffix for suffix in SUFFIXES if tail.endswith(suffix)), None)
    if suffix is None:
        raise ValueError(
            f"`filepath` must end in {_listed(SUFFIXES)}, to show the format, not as "
            f"{filepath!r} does."
        )
    formats = [format for format in FORMATS if format.weights_only == weights_only]
    for format in formats:
        if suffix in format.suffixes:
            return format
    usual, *others = [suffix for format in formats for suffix in format.suffixes]
    ways = f"{usual} (or {', '.join(others)})"
    if weights_only:
        raise ValueError(
            f"`filepath` must end in {ways} with `save_weights_only`, not in {suffix} "
            f"as {filepath!r} does: a {suffix} file holds the full model."
        )
    raise ValueError(
        f"`filepath` must end in {ways} for the full model, not in {suffix} as "
        f"{filepath!r} does, unless `save_weights_only` is set."
    )


def format_of_file(path: str) -> Format:
    """Return the format that reads a file.

    Raises:
        RestoreError: If its name does not end in a checkpoint's suffix.
    """
    for format in FORMATS:
        if path.endswith(format.suffixes):
            return format
    raise RestoreError(
        f"Cannot restore {path}: its name must end in {_listed(SUFFIXES)}, to show the "
        "format."
    )


def _listed(suffixes: tuple[str, ...]) -> str:
    return f"{', '.join(suffixes[:-1])} or {suffixes[-1]}"
