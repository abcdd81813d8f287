"""State that the journal records because the model's file cannot hold it."""

from __future__ import annotations

from typing import Any

from modelcheckpoint.observe.averages import Swappers, averages_in_model
from modelcheckpoint.observe.build_config import build_config_of
from modelcheckpoint.observe.layer_states import states_of
from modelcheckpoint.observe.optimizer import optimizer_of
from modelcheckpoint.observe.seeds import global_seed_of, random_of, seeds_of

__all__ = ["state_of"]


def state_of(model: Any, swappers: Swappers) -> dict[str, Any]:
    """Return the current state, by the names of its fields in a `Record`.

    Args:
        model: The model that is saved.
        swappers: The SwapEMAWeights callbacks of the fit.
    """
    return {
        "seeds": seeds_of(model),
        "random": random_of(model),
        "global_seed": global_seed_of(model),
        "states": states_of(model),
        "averaged": averages_in_model(swappers),
        "build": build_config_of(model),
        "optimizer": optimizer_of(model),
    }
