"""Gather texts with the public collectives of a backend that has no store.

A collective has no time limit and cannot be cancelled. It therefore runs on a thread,
which is abandoned if the other processes do not arrive.
"""

from __future__ import annotations

import contextlib
import functools
import queue
import sys
import threading
from typing import Any, Callable

from modelcheckpoint.errors import CheckpointError
from modelcheckpoint.observe.keras_models import backend_of

__all__ = ["Collective", "all_gather_of"]

_TO_PART = 5.0
"""Seconds that a process waits for the others before it may end."""

_waiting: list[threading.Thread] = []


class Collective:
    """Gather one text of each process, within a time limit.

    Args:
        all_gather: Returns the texts of all processes, however long that takes.
        count: The number of processes.
    """

    def __init__(self, all_gather: Callable[[str], list[str]], count: int) -> None:
        self._all_gather, self._count = all_gather, count

    def __call__(self, text: str, seconds: float) -> list[str]:
        """Return the texts of all processes, in the order of their ranks.

        Raises:
            CheckpointError: If not all arrived within `seconds`, now or in an earlier
                round: a thread that still waits would take this round's texts.
        """
        _waiting[:] = [thread for thread in _waiting if thread.is_alive()]
        texts: queue.Queue[list[str] | Exception] = queue.Queue()
        if not _waiting:
            thread = threading.Thread(target=self._run, args=(text, texts), daemon=True)
            thread.start()
            thread.join(seconds)
            if thread.is_alive():
                _waiting.append(thread)
        if _waiting:
            raise CheckpointError(
                f"Not all {self._count} processes that train this model arrived within "
                f"{seconds:g} seconds; MODELCHECKPOINT_PEER_TIMEOUT sets the limit."
            )
        found = texts.get()
        if isinstance(found, Exception):
            raise CheckpointError(
                f"The processes that train this model cannot reach each other: {found}"
            ) from found
        return found

    def part(self) -> None:
        """Return once all processes have called this, or after some seconds.

        Call it before this process ends: others may still fetch from it.
        """
        with contextlib.suppress(CheckpointError):
            self("", _TO_PART)

    def _run(self, text: str, texts: queue.Queue[list[str] | Exception]) -> None:
        try:
            texts.put(self._all_gather(text))
        except Exception as error:
            texts.put(error)


def all_gather_of(model: Any) -> Callable[[str], list[str]]:
    """Return the function that gathers the texts of all processes training a model."""
    backend = backend_of(model)
    if backend == "tensorflow":
        return functools.partial(_tensorflow_all_gather, model.distribute_strategy)
    return _jax_all_gather if backend == "jax" else _torch_all_gather


def _jax_all_gather(text: str) -> list[str]:
    import numpy as np
    from jax.experimental.multihost_utils import process_allgather

    data = np.frombuffer(text.encode(), np.uint8)
    sizes = np.ravel(process_allgather(np.array([data.size], np.int32)))
    padded = np.zeros(max(int(sizes.max()), 1), np.uint8)
    padded[: data.size] = data
    rows = np.asarray(process_allgather(padded)).reshape(len(sizes), -1)
    return [bytes(row[:size]).decode() for row, size in zip(rows, sizes)]


def _tensorflow_all_gather(strategy: Any, text: str) -> list[str]:
    """Gather with a strategy of several workers, each with one or more devices.

    Its collectives do not support integers shorter than int32. Each text gets one more
    byte, because an empty text cannot be gathered.
    """
    import numpy as np

    gather, data = _tensorflow_gather(strategy), [0, *text.encode()]
    sizes = gather([len(data)]).numpy()
    rows = np.split(gather(data).numpy().astype(np.uint8), np.cumsum(sizes)[:-1])
    devices = len(strategy.extended.worker_devices)
    return [bytes(row[1:]).decode() for row in rows[::devices]]


@functools.lru_cache(maxsize=1)
def _tensorflow_gather(strategy: Any) -> Callable[[list[int]], Any]:
    """Return a function that gathers the numbers of all devices, in worker order."""
    tf = sys.modules["tensorflow"]

    def of_one(numbers: Any) -> Any:
        here = tf.identity(numbers)  # on the device of this replica
        return tf.distribute.get_replica_context().all_gather(here, axis=0)

    def of_all(numbers: Any) -> Any:
        return strategy.experimental_local_results(strategy.run(of_one, (numbers,)))[0]

    signature = [tf.TensorSpec([None], tf.int32)]
    gather: Callable[[list[int]], Any] = tf.function(of_all, input_signature=signature)
    return gather


def _torch_all_gather(text: str) -> list[str]:
    distributed = sys.modules["torch"].distributed
    texts: list[Any] = [None] * distributed.get_world_size()
    group = _torch_group(distributed.group.WORLD)
    distributed.all_gather_object(texts, text, group=group)
    return texts


@functools.lru_cache(maxsize=1)
def _torch_group(world: Any) -> Any:
    """Return a group of all processes that needs no GPU; each of them makes it."""
    return sys.modules["torch"].distributed.new_group(backend="gloo")
