"""The running fit: its model, its parameters, its thread."""

from __future__ import annotations

import threading
import weakref
from dataclasses import dataclass
from typing import Any

from modelcheckpoint.observe.processes import is_chief
from modelcheckpoint.observe.progress import Progress
from modelcheckpoint.observe.stack import fit_runs

__all__ = ["Fit"]


@dataclass(frozen=True)
class Fit:
    """One call of `fit`, or one loop that drives the hooks by hand.

    Attributes:
        model: In training. On JAX it need not have its state, see `current_model`.
        progress: Where the training stands.
        epochs: Up to which epoch it goes, from 1; None if nobody said.
        chief: Whether this process is the one that writes.
        thread: Identifier of the thread that trains.
        callback: Whose hooks these are. Held weakly: it holds this, and a circle would
            keep the model alive.
    """

    model: Any
    progress: Progress
    epochs: int | None
    chief: bool
    thread: int
    callback: weakref.ref[Any]

    @classmethod
    def begin(cls, model: Any, callback: Any, unit: str) -> Fit:
        """Return what the callback is told of the fit that begins now.

        Args:
            model: That it trains.
            callback: Whose hooks drive it.
            unit: What its batches are counted in.

        Raises:
            SampleCountError: If that is samples, and they cannot be counted.
        """
        # Keras' fit hands over its parameters, and so can a loop that drives the hooks
        # as `fit` does. Any other may train as it likes: only the loop itself knows the
        # sizes of its batches.
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
        )

    @property
    def current_model(self) -> Any:
        """The model as Keras hands it to a callback, with the state that it has now.

        On JAX that takes time: Keras then puts the state back into the model, and
        again out of it as training goes on.
        """
        callback = self.callback()
        assert callback is not None  # it is in one of its hooks
        return callback.model

    @property
    def on_its_thread(self) -> bool:
        """Whether this is the thread that trains."""
        return threading.get_ident() == self.thread
