"""The place of this process among those that train one model, and who must save."""

from __future__ import annotations

import sys
from typing import Any

from modelcheckpoint.errors import CheckpointError
from modelcheckpoint.observe.keras_models import backend_of

__all__ = [
    "check_reach",
    "is_chief",
    "may_lie_in_parts",
    "place_of",
    "saves_together",
]


def place_of(model: Any) -> tuple[int, int]:
    """Return the rank of this process among those that train a model, and their number.

    These are all processes of JAX, those of `torch.distributed`, or the workers of a
    `tf.distribute` strategy, the chief first. A process that is alone gets `(0, 1)`.
    """
    backend = backend_of(model)
    if backend == "jax":
        jax = sys.modules["jax"]
        return jax.process_index(), jax.process_count()
    if backend == "torch":
        distributed = sys.modules["torch"].distributed
        if distributed.is_available() and distributed.is_initialized():
            return distributed.get_rank(), distributed.get_world_size()
    elif saves_together(model):
        return _place_among_workers(model.distribute_strategy.cluster_resolver)
    return 0, 1


def is_chief(model: Any) -> bool:
    """Return whether this process writes the checkpoints of a distributed run.

    Process 0 does, and so does a process that is alone.
    """
    return place_of(model)[0] == 0


def saves_together(model: Any) -> bool:
    """Return whether every worker must take part in a save, though one file is kept.

    With several workers of `tf.distribute` they must: reading a variable that lives on
    all of them involves all, and the chief would wait for the others for ever. The same
    applies to several processes of JAX: while saving, Keras creates variables, and all
    processes must agree on their initial values.
    """
    if backend_of(model) == "jax":
        return bool(sys.modules["jax"].process_count() > 1)
    multi_worker = getattr(_extended(model), "_in_multi_worker_mode", None)
    return bool(multi_worker and multi_worker())


def may_lie_in_parts(model: Any) -> bool:
    """Return whether it is possible that no process can read all of the model."""
    several = backend_of(model) == "jax" and sys.modules["jax"].process_count() > 1
    return bool(several)


def check_reach(model: Any) -> None:
    """Check that this process can read all of the model.

    Raises:
        CheckpointError: If not. Every worker raises it, because an error in only one of
            them would leave the others waiting for it.
    """
    variable = _out_of_reach(model)
    if variable is not None:
        raise CheckpointError(
            f"The variable {variable!r} is spread over several processes, of which "
            "none can read all of it. End `filepath` in .orbax, which every process "
            "writes its part of, or save from a distribution that keeps every variable "
            "whole in each process (`keras.distribution.DataParallel`)."
        )


def _out_of_reach(model: Any) -> str | None:
    """Return the path of a variable that no process alone can read, or None.

    JAX can place parts of one array on devices of several processes.
    """
    if not may_lie_in_parts(model):
        return None
    optimizer = getattr(model, "optimizer", None)
    for variable in (*model.variables, *getattr(optimizer, "variables", ())):
        array = variable.value
        if not (array.is_fully_addressable or array.is_fully_replicated):
            return str(variable.path)
    return None


def _extended(model: Any) -> Any:
    return getattr(getattr(model, "distribute_strategy", None), "extended", None)


def _place_among_workers(resolver: Any) -> tuple[int, int]:
    """Return a worker's rank and the count, as in `tf.distribute`: the chief is first.

    An evaluator has a strategy of its own, in which it is alone.
    """
    jobs = resolver.cluster_spec().as_dict()
    chiefs, workers = (len(jobs.get(job, ())) for job in ("chief", "worker"))
    before = chiefs if resolver.task_type == "worker" else 0
    return before + resolver.task_id, chiefs + workers
