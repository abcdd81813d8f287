"""The processes that train one model, and how they exchange texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from modelcheckpoint.observe.collectives import Collective, all_gather_of
from modelcheckpoint.observe.keras_models import backend_of
from modelcheckpoint.observe.process_stores import store_of
from modelcheckpoint.observe.processes import place_of
from modelcheckpoint.observe.store_gather import Rounds, Store, StoreGather

__all__ = ["Peers", "SharedStore", "peers_of", "shared_store"]

_ROUNDS = Rounds()


class Peers:
    """The processes that train one model, seen from one of them.

    Attributes:
        rank: Number of this process, from 0.
        count: The number of processes.
    """

    def __init__(
        self,
        rank: int = 0,
        count: int = 1,
        gather: StoreGather | Collective | None = None,
    ) -> None:
        self.rank, self.count = rank, count
        self._gather = gather

    def gather(self, text: str, seconds: float) -> list[str]:
        """Give the others a text, and return the texts of all, in the order of ranks.

        Every process must call this, equally often in each topic. Any thread may call
        it. If a process is alone, it gets its own text at once.

        Args:
            text: This process' text; it may differ from the others'.
            seconds: How long to wait for the other processes.

        Raises:
            CheckpointError: If not all have arrived by then (the message names the
                missing ones), or if the processes cannot reach each other.
        """
        return [text] if self._gather is None else self._gather(text, seconds)

    def part(self) -> None:
        """Return once all have read the texts gathered last, or after some seconds.

        Every process calls this before it ends, because process 0 may hold the texts.
        """
        if self._gather is not None:
            self._gather.part()


def peers_of(model: Any, topic: str = "fit") -> Peers:
    """Return the processes that train a model: this one and those it can reach.

    On JAX these are all processes, on Torch those of `torch.distributed`, and on
    TensorFlow the workers of the model's strategy.

    Args:
        model: The model in training.
        topic: A name for the exchange. Rounds are counted separately for each topic, so
            a background thread needs a topic that no other thread uses.
    """
    rank, count = place_of(model)
    if count == 1:
        return Peers()
    store = store_of(backend_of(model))
    if store is not None:
        gather = StoreGather(store, rank, count, topic, _ROUNDS)
        return Peers(rank, count, gather)
    return Peers(rank, count, Collective(all_gather_of(model), count))


@dataclass(frozen=True)
class SharedStore:
    """The store of the processes that train one model.

    Attributes:
        store: The store, which all of them can reach.
        rank: Number of this process, from 0.
        count: The number of processes, at least 2.
    """

    store: Store
    rank: int
    count: int


def shared_store(model: Any) -> SharedStore | None:
    """Return the store of the processes that train a model.

    It is None if this process is alone, or if the processes have no store.
    """
    rank, count = place_of(model)
    store = store_of(backend_of(model)) if count > 1 else None
    return None if store is None else SharedStore(store, rank, count)
