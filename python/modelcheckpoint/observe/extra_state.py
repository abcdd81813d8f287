"""What a model's file cannot hold and the journal does."""

from __future__ import annotations

from typing import Any

from modelcheckpoint.observe.averages import averages_in_model
from modelcheckpoint.observe.build_config import build_config_of
from modelcheckpoint.observe.layer_states import states_of
from modelcheckpoint.observe.optimizer import optimizer_of
from modelcheckpoint.observe.seeds import global_seed_of, random_of, seeds_of

__all__ = ["state_of"]


def state_of(model: Any, callback: Any) -> dict[str, Any]:
    """Read it now, and return it by the names that a `Record` has for it.

    Args:
        model: That is saved.
        callback: In whose hook it is saved.
    """
    return {
        "seeds": seeds_of(model),
        "random": random_of(model),
        "global_seed": global_seed_of(model),
        "states": states_of(model),
        "averaged": averages_in_model(model, callback),
        "build": build_config_of(model),
        "optimizer": optimizer_of(model),
    }
