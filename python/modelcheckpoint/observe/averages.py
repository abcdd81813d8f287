"""Find out whether SwapEMAWeights has put averaged weights into the model.

At the end of an epoch that callback swaps the trained weights for their averages, which
the optimizer keeps, and swaps them back when the next epoch begins. Only the callback
knows whether they are swapped, under a private name that is used only in this module.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import Any

from modelcheckpoint.observe.keras_models import keras_of
from modelcheckpoint.observe.stack import callbacks_beside

__all__ = ["Swappers", "averages_in_model", "swappers_beside", "take_averages_out"]

Swappers = tuple["weakref.ref[Any]", ...]


def swappers_beside(model: Any, callback: Any) -> Swappers:
    """Return the SwapEMAWeights callbacks of the fit that begins with this callback."""
    swapper = _swapper(model)
    if swapper is None:
        return ()
    beside = callbacks_beside(callback)
    return tuple(weakref.ref(one) for one in beside if isinstance(one, swapper))


def averages_in_model(swappers: Iterable[weakref.ref[Any]]) -> bool:
    """Return whether one of the callbacks has put the averages into the model."""
    return any(
        getattr(swapper(), "_ema_weights_in_model", False) is True
        for swapper in swappers
    )


def take_averages_out(model: Any) -> bool:
    """Give the model its trained weights back, and the optimizer their averages.

    A new SwapEMAWeights does this, with the same arithmetic as the one that would have
    swapped them back. Returns whether the optimizer keeps averages.
    """
    swapper = _swapper(model)
    if swapper is None:
        return False
    swap = swapper(swap_on_epoch=True)
    swap.set_model(model)
    swap.set_params({"epochs": 0})  # no epoch is the last, whose averages it would drop
    try:
        swap.on_epoch_end(0)
    except ValueError:  # raised if the optimizer keeps none
        return False
    return True


def _swapper(model: Any) -> Any:
    """Return Keras' class, or None before Keras 3."""
    return getattr(keras_of(model).callbacks, "SwapEMAWeights", None)
