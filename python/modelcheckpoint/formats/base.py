"""What a file format is."""

from __future__ import annotations

from typing import Any, BinaryIO, Protocol

from modelcheckpoint.formats.optimizer_state import OptimizerState
from modelcheckpoint.formats.snapshot import Snapshotter
from modelcheckpoint.records import Record

__all__ = ["Format"]


class Format(Protocol):
    """A kind of checkpoint file."""

    @property
    def name(self) -> str:
        """Its name in the journal."""

    @property
    def suffixes(self) -> tuple[str, ...]:
        """How the names of its files end, the usual one first."""

    @property
    def weights_only(self) -> bool:
        """Whether it holds weights and no model."""

    def check(self, model: Any) -> None:
        """Raise where this model cannot be saved so, or would not come back as it was.

        Raises:
            FormatError: With one sentence that names the way out.
        """

    def reservation(self, model: Any) -> str | None:
        """Return what a file of this model cannot be used for, or None."""

    def snapshotter(self) -> Snapshotter:
        """Return what copies the state of one model, save by save."""

    def write(self, model: Any, path: str, sparingly: bool = False) -> None:
        """Write the model to `path`, as Keras would; `sparingly`: memory is short."""

    def read(self, model: Any, path: str, record: Record | None) -> OptimizerState:
        """Load weights and optimizer state; return what came of the latter.

        The state of another optimizer is not loaded, and the model's stays as it is.

        Args:
            model: It is built here, where the record tells how.
            path: A file that was verified.
            record: What the journal says of it, or None.

        Raises:
            RestoreError: If the file is damaged, or of another model. The model is as
                it was, also where Ctrl-C ends the call.
        """

    def read_weights(self, model: Any, path: str, record: Record | None) -> None:
        """Load weights, and leave the optimizer as it is.

        Raises:
            RestoreError: If that fails. The model is as it was.
        """

    def problem(self, file: BinaryIO) -> str | None:
        """Return what is wrong with the outer structure of an open file, or None.

        The file may be made to do harm: this takes no time, and little memory.
        """
