"""What a model's file cannot hold and the journal does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modelcheckpoint.observe.averages import averages_in_model
from modelcheckpoint.observe.build_config import build_config_of
from modelcheckpoint.observe.layer_states import states_of
from modelcheckpoint.observe.optimizer import optimizer_of
from modelcheckpoint.observe.seeds import global_seed_of, random_of, seeds_of

__all__ = ["State", "state_of"]


@dataclass(frozen=True)
class State:
    """What was read from Keras when a save began.

    Attributes:
        seeds: The states of the model's seed generators; None where they are not known.
        random: The states of the backend's own generators; None where it has none.
        global_seed: The state of Keras' global seed generator; None where nothing has
            drawn from it.
        states: What stateful layers remember, packed; None where the model has none, or
            they are too large for a line.
        averaged: Whether the weights are averages, which SwapEMAWeights has put there.
        build: What Keras needs to build the model; None where that is not known.
        optimizer: What tells the optimizer from others; None where there is none.
    """

    seeds: tuple[int, ...] | None = None
    random: Mapping[str, str] | None = None
    global_seed: tuple[int, ...] | None = None
    states: str | None = None
    averaged: bool | None = None
    build: Mapping[str, Any] | None = None
    optimizer: Mapping[str, Any] | None = None


def state_of(model: Any, callback: Any) -> State:
    """Read it, now.

    Args:
        model: That is saved.
        callback: In whose hook it is saved.
    """
    return State(
        seeds=seeds_of(model),
        random=random_of(model),
        global_seed=global_seed_of(model),
        states=states_of(model),
        averaged=averages_in_model(model, callback),
        build=build_config_of(model),
        optimizer=optimizer_of(model),
    )
