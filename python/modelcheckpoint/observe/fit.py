"""The running fit: its model, its parameters, its thread."""

from __future__ import annotations

import threading
import weakref
from dataclasses import dataclass
from typing import Any

from modelcheckpoint.observe.averages import Swappers, swappers_beside
from modelcheckpoint.observe.processes import is_chief
from modelcheckpoint.observe.progress import Progress
from modelcheckpoint.observe.stack import fit_runs

__all__ = ["Fit"]


@dataclass(frozen=True)
class Fit:
    """One call of `fit`, or one loop that drives the hooks by hand.

    Attributes:
        model: The model. On JAX it may lack its current state, see `current_model`.
        progress: How far the training has come.
        epochs: The last epoch, from 1; None if unknown.
        chief: Whether this process writes the checkpoints.
        thread: Identifier of the thread that trains.
        callback: The callback whose hooks are called. It is held weakly, because it
            holds this object, and a cycle would keep the model alive.
        swappers: The SwapEMAWeights callbacks beside it.
    """

    model: Any
    progress: Progress
    epochs: int | None
    chief: bool
    thread: int
    callback: weakref.ref[Any]
    swappers: Swappers

    @classmethod
    def begin(cls, model: Any, callback: Any, unit: str) -> Fit:
        """Return the fit that begins now.

        Args:
            model: The model that it trains.
            callback: The callback whose hooks are called.
            unit: The unit in which batches are counted.

        Raises:
            SampleCountError: If the unit is samples and they cannot be counted.
        """
        # Keras' `fit` passes its parameters to callbacks, and so can a custom loop that
        # calls the hooks as `fit` does. Any other loop may train in any way, and only
        # the loop itself knows the sizes of its batches.
        params = getattr(callback, "params", None) or {}
        in_fit = "steps" in params
        by_hand = not fit_runs(model)
        return cls(
            model,
            Progress(model, in_fit, unit, params.get("steps"), by_hand),
            params.get("epochs") if in_fit else None,
            is_chief(model),
            threading.get_ident(),
            weakref.ref(callback),
            swappers_beside(model, callback),
        )

    @property
    def current_model(self) -> Any:
        """The model as Keras hands it to a callback, with its current state.

        On JAX this takes time: Keras copies the state into the model, and out of it
        again when training continues.
        """
        callback = self.callback()
        assert callback is not None  # it is in one of its hooks
        return callback.model

    @property
    def on_its_thread(self) -> bool:
        """Whether this is the thread that trains."""
        return threading.get_ident() == self.thread
