"""The interface of a file format."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from modelcheckpoint.formats.optimizer_state import OptimizerState
from modelcheckpoint.formats.snapshot import Snapshotter
from modelcheckpoint.records import Record
from modelcheckpoint.storage.opened import Opened

__all__ = ["Format"]


class Format(Protocol):
    """A kind of checkpoint file."""

    @property
    def name(self) -> str:
        """Its name in the journal."""

    @property
    def suffixes(self) -> tuple[str, ...]:
        """The suffixes of its files, the usual one first."""

    @property
    def weights_only(self) -> bool:
        """Whether it holds weights and no model."""

    @property
    def extra(self) -> str | None:
        """The extra of this package that the format needs, or None."""

    @property
    def has_parts(self) -> bool:
        """Whether each of several processes can write its part of a checkpoint."""

    def check(self, model: Any) -> None:
        """Raise if this format cannot store the model, or would not load it unchanged.

        Raises:
            FormatError: With one sentence that names the way out.
        """

    def reservation(self, model: Any) -> str | None:
        """Return what a file of this model cannot be used for, or None."""

    def snapshotter(self) -> Snapshotter:
        """Return an object that copies the state of one model, save by save."""

    def write(self, model: Any, path: str, sparingly: bool = False) -> None:
        """Write the model to `path` as Keras would, `sparingly` if memory is short."""

    def write_part(self, model: Any, path: str, seconds: float) -> Callable[[], None]:
        """Begin to write this process' part of the model; the others write theirs.

        For formats that have parts. Every process calls it.

        Args:
            model: Training continues with it as soon as this returns.
            path: A folder that all processes see.
            seconds: How long one process waits for the others.

        Returns:
            A function that waits until all have written their parts. Any thread may
            call it.
        """

    def is_in_part(self, name: str, process: int) -> bool:
        """Return whether a process has written a file, by its name in the folder."""

    def join_parts(self, path: str) -> None:
        """Make a checkpoint from the parts that all processes have written."""

    def read(self, model: Any, path: str, record: Record | None) -> OptimizerState:
        """Load weights and optimizer state; report whether the state was loaded.

        The state of a different optimizer is not loaded; the model keeps its own.

        Args:
            model: It is built first, if the record says how.
            path: A verified file.
            record: The checkpoint's line in the journal, or None.

        Raises:
            RestoreError: If the file is damaged or belongs to another model. The model
                is unchanged then, as it is if Ctrl-C ends the call.
        """

    def read_weights(self, model: Any, path: str, record: Record | None) -> None:
        """Load weights, and leave the optimizer as it is.

        Raises:
            RestoreError: If loading fails. The model is unchanged then.
        """

    def problem(self, checkpoint: Opened) -> str | None:
        """Return what is wrong with the outer structure of a checkpoint, or None.

        The file may be malicious, so this must take no time and little memory.

        Args:
            checkpoint: A file that is open for reading, or the names of the files in a
                tree.
        """
