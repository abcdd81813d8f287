"""The file formats: which suffix means which, and who writes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from modelcheckpoint.formats import hdf5_limits, keras_api, legacy_h5
from modelcheckpoint.formats.config import check_config
from modelcheckpoint.formats.rebuilding import not_rebuilt
from modelcheckpoint.observe.keras_models import overrides

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
        """Raise where this model cannot be saved so, or would not come back as it was.

        Raises:
            FormatError: With one sentence that names the way out.
        """
        if not self.weights_only:
            check_config(model, hdf5=self.name == "hdf5")
        if self.name == "hdf5":
            hdf5_limits.check_model(model)
        elif self.name == "hdf5-weights":
            hdf5_limits.check_weights(model)

    def reservation(self, model: Any) -> str | None:
        """Return what a file of this model cannot be used for, or None.

        An archive has its uses also where `load_model` does not make a model of it.
        """
        if self.name != "keras" or overrides(model, "save"):
            return None
        lost = not_rebuilt(model)
        if lost is None:
            return None
        works = "`load_model(..., compile=False)` and `load_weights` take the same file"
        if not lost.compiled:
            works = "`load_weights` takes the same file, into a model that you make"
        return (
            f"`load_model` does not rebuild {lost.what} from a .keras file "
            f"({lost.reason}); {works}. To mend it, have `get_config` of {lost.name!r} "
            "return each argument of its constructor, and its constructor (or its "
            "`from_config`) take all that `get_config` returns."
        )

    def write(self, model: Any, path: str, sparingly: bool = False) -> None:
        """Write the model to `path`, as Keras would; `sparingly`: memory is short."""
        if self.name in ("hdf5", "hdf5-weights"):
            legacy_h5.write_model(model, path, self.weights_only)
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
