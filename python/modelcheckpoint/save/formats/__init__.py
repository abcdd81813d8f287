"""The file formats: which suffix means which, and who writes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from modelcheckpoint.save.formats import hdf5, hdf5_limits, keras_api

__all__ = ["SUFFIXES", "Format", "format_of"]

SUFFIXES = (".weights.h5", ".keras", ".hdf5", ".h5")
"""Every suffix that can be written; `.weights.h5` before `.h5`, which it ends in."""


@dataclass(frozen=True)
class Format:
    """What a checkpoint file holds.

    Attributes:
        name: `"keras"`, `"weights.h5"`, `"hdf5"` or `"hdf5-weights"`.
        suffix: The end of the file's name.
        weights_only: Whether it holds weights and no model.
    """

    name: str
    suffix: str
    weights_only: bool

    def check(self, model: Any) -> None:
        """Raise where this model, saved so, would not come back as it was.

        Raises:
            FormatError: With one sentence that names the way out.
        """
        if self.name == "hdf5":
            hdf5_limits.check_model(model)
        elif self.name == "hdf5-weights":
            hdf5_limits.check_weights(model)

    def write(self, model: Any, path: str, sparingly: bool = False) -> None:
        """Write the model to `path`, as Keras would; `sparingly`: memory is short."""
        if self.name == "hdf5":
            hdf5.write_model(model, path)
        elif self.name == "hdf5-weights":
            hdf5.write_weights(model, path)
        else:
            keras_api.write(model, path, self.weights_only, sparingly)


def format_of(filepath: str, tail: str, weights_only: bool) -> Format:
    """Return the format that a path's suffix asks for.

    Args:
        filepath: The whole template, for the message.
        tail: Its literal end. `os.path.splitext` would take `.2f}` for a suffix.
        weights_only: `save_weights_only`.

    Raises:
        ValueError: If there is no such format; the message names the way out.
    """
    suffix = next((s for s in SUFFIXES if tail.endswith(s)), None)
    if suffix is None:
        raise ValueError(
            "`filepath` must end in .keras, .weights.h5, .h5 or .hdf5, which tells the "
            f"format, not as {filepath!r} does."
        )
    if suffix == ".keras" and weights_only:
        raise ValueError(
            "`filepath` must end in .weights.h5 (or .h5, .hdf5) with "
            f"`save_weights_only`, not in .keras as {filepath!r} does: a .keras file "
            "holds the full model."
        )
    if suffix == ".weights.h5" and not weights_only:
        raise ValueError(
            "`filepath` must end in .keras (or .h5, .hdf5) for the full model, not in "
            f".weights.h5 as {filepath!r} does, unless `save_weights_only` is set."
        )
    if suffix in (".h5", ".hdf5"):
        name = "hdf5-weights" if weights_only else "hdf5"
        return Format(name, suffix, weights_only)
    return Format(suffix[1:], suffix, weights_only)
