"""How far the running training has come: epoch, batch, samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from modelcheckpoint.errors import SampleCountError
from modelcheckpoint.observe.samples import SampleCounter

__all__ = ["Progress"]


class Progress:
    """Follow one training by its hooks.

    Args:
        model: The model in training.
        in_fit: Whether hooks are called as by `fit`.
        unit: `"epochs"`, `"batches"` or `"samples"`: the unit of `save_freq`.
        steps: The number of batches of an epoch; None if unknown.
        by_hand: Whether a custom loop calls the hooks; it may pass its batch sizes.

    Attributes:
        epoch: The current epoch, from 1.
        batch: The last batch of this epoch that ended, from 1; 0 before the first.
        within: Whether training is within an epoch, but not yet at its validation.

    Raises:
        SampleCountError: If `unit` is `"samples"` and they cannot be counted.
    """

    def __init__(
        self,
        model: Any,
        in_fit: bool,
        unit: str,
        steps: int | None = None,
        by_hand: bool = False,
    ) -> None:
        self.epoch, self.batch = 1, 0
        self._steps, self._done = steps, 0
        self.within = False
        self._unit = unit
        self._lost = False
        self._samples: SampleCounter | None = None
        try:
            self._samples = SampleCounter(model, in_fit, by_hand)
        except SampleCountError:
            if unit == "samples":
                raise

    @property
    def samples(self) -> int | None:
        """Samples seen since training began; None if they cannot be counted."""
        counter = self._samples
        if counter is None or self._unit == "samples":
            return None if counter is None else counter.total
        if self.within:
            counter.catch_up()
        self._lost = self._lost or counter.missed
        return None if self._lost else counter.total

    @property
    def epochs_done(self) -> int:
        """The number of complete epochs.

        An epoch is complete once its last batch has ended, even before its validation:
        the weights are final then, and training it again would be wrong.
        """
        at_end = self._steps is not None and self.batch >= self._steps
        return self.epoch if at_end else self._done

    def go_on(self, samples: int | None) -> None:
        """Continue counting from the samples that an earlier training had seen."""
        if samples is None:
            self._lost = True
        elif self._samples is not None:
            self._samples.total = samples

    @property
    def problem(self) -> str | None:
        """A sentence on why samples are not counted exactly, or None."""
        counts = self._samples is not None and self._unit == "samples"
        return self._samples.problem if counts and self._samples else None

    def start_epoch(self, epoch: int) -> None:
        """Begin an epoch, from 1, just after Keras has reset its metrics."""
        self.epoch, self.batch, self.within = epoch, 0, True
        self._done = epoch - 1
        if self._samples is not None:
            self._samples.start_epoch()

    def end_epoch(self, epoch: int) -> int:
        """End an epoch, from 1.

        Returns:
            The samples that no hook at a batch's end has counted: Keras may leave its
            loop without a last hook. 0 if samples are not the unit.
        """
        self.epoch = self._done = epoch
        counted = 0
        if self.within and self._samples is not None:
            counted = self._samples.catch_up()
        self.within = False
        return counted if self._unit == "samples" else 0

    def count_from_here(self) -> None:
        """Resume counting, as a batch begins or an evaluation has ended."""
        if self._samples is not None:
            self._samples.count_from_here()

    def end_batch(self, batch: int, logs: Mapping[str, Any] | None) -> tuple[int, int]:
        """Note that a batch, from 1, ended.

        Returns:
            The number of batches since the last call, and the same in the unit. With
            `steps_per_execution` one call stands for several batches.

        Raises:
            SampleCountError: If the unit is samples and their number is unknown.
        """
        batches = batch - self.batch if batch > self.batch else batch
        self.batch = batch
        if self._samples is None or self._unit != "samples":
            if self._samples is not None:
                self._samples.take_size(logs)
            return batches, batches
        return batches, self._samples.end_batch(batches, logs)
