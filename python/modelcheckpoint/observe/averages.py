"""Whether the model holds averaged weights, as SwapEMAWeights leaves them.

That callback swaps the trained weights with their averages, which the optimizer keeps:
at the end of an epoch into the model, and back as the next one begins. Whether they are
swapped only it knows, by a private name that stands in this module alone.
"""

from __future__ import annotations

from typing import Any

from modelcheckpoint.observe.keras_models import keras_of
from modelcheckpoint.observe.stack import callbacks_beside

__all__ = ["averages_in_model", "take_averages_out"]


def averages_in_model(model: Any, callback: Any) -> bool:
    """Return whether a callback of this fit has put the averages into the model."""
    swapper = _swapper(model)
    return swapper is not None and any(
        getattr(beside, "_ema_weights_in_model", False) is True
        for beside in callbacks_beside(callback)
        if isinstance(beside, swapper)
    )


def take_averages_out(model: Any) -> bool:
    """Give the model its trained weights back, and the optimizer their averages.

    A SwapEMAWeights of its own does it, by the same arithmetic as the one that would
    have swapped them back. Returns whether the optimizer keeps averages.
    """
    swapper = _swapper(model)
    if swapper is None:
        return False
    swap = swapper(swap_on_epoch=True)
    swap.set_model(model)
    swap.set_params({"epochs": 0})  # so no epoch is the last, after which none are kept
    try:
        swap.on_epoch_end(0)
    except ValueError:  # so it says that the optimizer keeps none
        return False
    return True


def _swapper(model: Any) -> Any:
    """Return Keras' class, or None: it is new in Keras 3."""
    return getattr(keras_of(model).callbacks, "SwapEMAWeights", None)
