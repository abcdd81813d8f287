"""Write and read a tree of arrays, its config and its assets with Orbax.

The layout is that of Keras' own `OrbaxCheckpoint`: a folder for each step (here only
one) with the checkpointables `pytree`, `model_config` and `assets`.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from modelcheckpoint.formats.orbax_errors import as_system_errors
from modelcheckpoint.formats.state_tree import Place, Tree, flat, tree

__all__ = [
    "Saved",
    "forget_devices",
    "load",
    "look_into",
    "optimizer_config",
    "write",
    "write_part",
]

STEP = "0"
"""The name of the only step; Keras expects a folder of steps."""

_OURS = "modelcheckpoint"
_PREALLOCATE = "XLA_PYTHON_CLIENT_PREALLOCATE"


@dataclass(frozen=True)
class Leaf:
    """An array in a checkpoint, without its values.

    Attributes:
        shape: Its shape.
        dtype: The type of its numbers.
        number: Python's type if it is a plain number, which Keras saves for scalars on
            TensorFlow and Torch; else None.
    """

    shape: tuple[int, ...]
    dtype: Any
    number: type | None = None

    @classmethod
    def of(cls, found: Any) -> Leaf:
        """Return the leaf for Orbax' metadata of an array or a number."""
        if hasattr(found, "shape"):
            return cls(tuple(found.shape), found.dtype)
        return cls((), None, found if isinstance(found, type) else type(found))


@dataclass(frozen=True)
class Saved:
    """The contents of a checkpoint, without the arrays' values.

    Attributes:
        step: The folder of the step.
        leaves: Its arrays, by group and path.
        has_config: Whether it has the config of a full model.
        order: The paths of weights and optimizer in the order of the saved model; empty
            if another program wrote the checkpoint.
    """

    step: str
    leaves: Mapping[str, Mapping[str, Leaf]]
    has_config: bool
    order: Mapping[str, list[str]]


def write(
    folder: str,
    state: Tree,
    order: Mapping[str, list[str]],
    config: str | None,
    assets: Tree,
) -> None:
    """Write a checkpoint into an existing folder.

    Args:
        folder: Its absolute path.
        state: The arrays, by group and path.
        order: See `Saved`.
        config: The model's config as JSON; None for weights alone.
        assets: The files that the model keeps beside its weights, by folder.
    """
    with _orbax() as ocp, as_system_errors():
        ocp.save_checkpointables(
            os.path.join(folder, STEP),
            _parts(state, config, assets),
            custom_metadata={_OURS: dict(order)},
        )


def write_part(
    folder: str,
    state: Tree,
    order: Mapping[str, list[str]],
    config: str | None,
    assets: Tree,
    seconds: float,
) -> Callable[[], None]:
    """Begin to write this JAX process' part of a checkpoint.

    Args:
        folder: Absolute path of a folder that all processes see.
        state: The arrays, which may be spread over the devices of all processes.
        order: See `Saved`.
        config: The model's config as JSON; None for weights alone.
        assets: The files that the model keeps beside its weights.
        seconds: How long one process waits for the others.

    Returns:
        A function that waits until everything is written. Any thread may call it.
        Training need not wait: the arrays have been copied off the devices.
    """
    step = os.path.join(folder, STEP)
    with _orbax(seconds) as ocp, as_system_errors():
        response = ocp.save_checkpointables_async(
            step, _parts(state, config, assets), custom_metadata={_OURS: dict(order)}
        )

    def end() -> None:
        with _quiet(), as_system_errors():
            response.result(timeout=seconds)

    return end


def forget_devices(folder: str) -> None:
    """Make a checkpoint readable on devices other than those that wrote it.

    Orbax records that the arrays were JAX arrays on these devices, and restores them so
    unless the caller asks for something else. Keras' `load_weights` does not ask unless
    there is a distribution (3.15). NumPy arrays can be read everywhere.
    """
    path = os.path.join(folder, STEP, "pytree", "_METADATA")
    with open(path, encoding="utf-8") as file:
        metadata = json.load(file)
    for leaf in metadata["tree_metadata"].values():
        if leaf["value_metadata"]["value_type"] == "jax.Array":
            leaf["value_metadata"]["value_type"] = "np.ndarray"
    with open(path, "w", encoding="utf-8") as file:
        json.dump(metadata, file)


def look_into(folder: str) -> Saved:
    """Return the contents of a checkpoint.

    Raises:
        Exception: Of any kind, if it is damaged or not a checkpoint.
    """
    step = os.path.join(folder, _newest_step(folder))
    with _orbax() as ocp:
        # Newer versions call it `metadata`, and warn of the old name.
        read = ocp.metadata if hasattr(ocp, "metadata") else ocp.pytree_metadata
        groups = read(step, checkpointable_name="pytree").metadata
        rest = ocp.checkpointables_metadata(step)
    own = (rest.custom_metadata or {}).get(_OURS)
    return Saved(
        step,
        {
            name: {path: Leaf.of(found) for path, found in flat(branch).items()}
            for name, branch in groups.items()
        },
        "model_config" in rest.metadata,
        own if isinstance(own, dict) else {},
    )


def load(saved: Saved, wanted: Mapping[Place, Any]) -> dict[Place, Any]:
    """Return arrays of a checkpoint.

    Args:
        saved: The contents of the checkpoint.
        wanted: The type to return for each array: `np.ndarray`, or a
            `jax.ShapeDtypeStruct` with its sharding. Other arrays are not read.
    """
    with _orbax() as ocp:
        abstract = {
            group: tree((p, wanted.get((group, p), ocp.PLACEHOLDER)) for p in paths)
            for group, paths in saved.leaves.items()
        }
        loaded = ocp.load_checkpointables(saved.step, {"pytree": abstract})["pytree"]
    arrays = {group: flat(branch) for group, branch in loaded.items()}
    return {(group, path): arrays[group][path] for group, path in wanted}


def optimizer_config(saved: Saved) -> Any:
    """Return the optimizer's config in a full model, or None."""
    if not saved.has_config:
        return None
    with contextlib.suppress(KeyError, TypeError, ValueError), _orbax() as ocp:
        found = ocp.load_checkpointables(saved.step, {"model_config": None})
        config = json.loads(found["model_config"]["config"])
        return config["compile_config"]["optimizer"]
    return None


def _parts(state: Tree, config: str | None, assets: Tree) -> dict[str, Any]:
    parts: dict[str, Any] = {"pytree": state}
    if config is not None:
        parts["model_config"] = {"config": config}
    if assets:
        parts["assets"] = assets
    return parts


@contextlib.contextmanager
def _orbax(seconds: float = 600) -> Iterator[Any]:
    """Yield Orbax' functions with this package's own settings.

    Args:
        seconds: How long one JAX process waits for the others.
    """
    import jax
    from orbax.checkpoint import v1 as ocp

    _begin_jax()
    context = ocp.Context()
    context.asynchronous.timeout_secs = math.ceil(seconds)
    # Compression hardly shrinks a model (by 8 percent), and takes several times the
    # processor time of everything else while training needs it.
    context.array.saving.use_compression = False
    if jax.process_count() > 1:
        # With this the processes synchronize through the coordination service. By
        # default they run a computation on the devices, in between the training's own.
        every = set(range(jax.process_count()))
        context.multiprocessing.active_processes = every
    with _quiet(), context:
        yield ocp


def _begin_jax() -> None:
    """Have JAX find its devices, which Orbax needs, without reserving their memory.

    By default JAX reserves three quarters of a GPU's memory when it finds one. Another
    backend that trains there would lack it. A user's own setting is respected.
    """
    if _PREALLOCATE in os.environ:
        return
    import jax

    os.environ[_PREALLOCATE] = "false"
    try:
        jax.process_index()  # no effect if JAX trains: it knows its devices then
    finally:
        os.environ.pop(_PREALLOCATE, None)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep Orbax' log messages off the user's terminal; its errors are raised."""
    logger = logging.getLogger("absl")

    def matters(record: logging.LogRecord) -> bool:
        return "orbax" not in record.pathname

    logger.addFilter(matters)
    try:
        yield
    finally:
        logger.removeFilter(matters)


def _newest_step(folder: str) -> str:
    with os.scandir(folder) as entries:
        steps = [e.name for e in entries if e.is_dir() and e.name.isdigit()]
    if not steps:
        raise ValueError("there is no folder of a step in it")
    return max(steps, key=int)
