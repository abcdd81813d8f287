"""Whether this process is the one that writes."""

from __future__ import annotations

import sys
from typing import Any

from modelcheckpoint.errors import CheckpointError
from modelcheckpoint.observe.keras_models import backend_of

__all__ = ["check_reach", "is_alone", "is_chief", "saves_together"]


def is_chief(model: Any) -> bool:
    """Return whether this process writes the checkpoints of a distributed run.

    It is the chief of a `tf.distribute` strategy with several workers, process 0 of
    JAX, and rank 0 of `torch.distributed`. Alone, every process is.
    """
    backend = backend_of(model)
    if backend == "jax":
        return bool(sys.modules["jax"].process_index() == 0)
    if backend == "torch":
        distributed = sys.modules["torch"].distributed
        alone = not (distributed.is_available() and distributed.is_initialized())
        return bool(alone or distributed.get_rank() == 0)
    return not saves_together(model) or bool(_extended(model).should_checkpoint)


def is_alone(model: Any) -> bool:
    """Return whether no other process trains this model."""
    if backend_of(model) == "torch":
        distributed = sys.modules["torch"].distributed
        together = distributed.is_available() and distributed.is_initialized()
        return not together or distributed.get_world_size() == 1
    return not saves_together(model)


def saves_together(model: Any) -> bool:
    """Return whether every worker must take part in a save, though one file is kept.

    So it is with several workers of `tf.distribute`: reading a variable that lives on
    all of them is an exchange, and the chief would wait for the others for ever. With
    several processes of JAX, too: as Keras saves, it makes variables of its own, over
    whose beginnings all processes must agree.
    """
    if backend_of(model) == "jax":
        return bool(sys.modules["jax"].process_count() > 1)
    multi_worker = getattr(_extended(model), "_in_multi_worker_mode", None)
    return bool(multi_worker and multi_worker())


def check_reach(model: Any) -> None:
    """Check that this process can read all of the model.

    Raises:
        CheckpointError: If not, in every worker alike: an error in one of them alone
            would leave the others waiting for it.
    """
    variable = _out_of_reach(model)
    if variable is not None:
        raise CheckpointError(
            f"The variable {variable!r} is spread over several processes, of which "
            "none can read all of it. Save from a distribution that keeps every "
            "variable whole in each process (`keras.distribution.DataParallel`)."
        )


def _out_of_reach(model: Any) -> str | None:
    """Return the path of a variable that no process alone can read, or None.

    JAX can lay parts of one array on devices of several processes.
    """
    if backend_of(model) != "jax" or sys.modules["jax"].process_count() == 1:
        return None
    optimizer = getattr(model, "optimizer", None)
    for variable in (*model.variables, *getattr(optimizer, "variables", ())):
        array = variable.value
        if not (array.is_fully_addressable or array.is_fully_replicated):
            return str(variable.path)
    return None


def _extended(model: Any) -> Any:
    return getattr(getattr(model, "distribute_strategy", None), "extended", None)
