"""Batch hooks that exist only while they are needed."""

from __future__ import annotations

from typing import Any, Callable

__all__ = ["BatchHook", "TestBatchHook", "no_hook"]


class BatchHook:
    """A batch hook that is Keras' own empty one while no batch is watched.

    Keras dispatches hooks asynchronously on JAX and Torch only if no callback has a
    batch hook. A method with the mark `_is_default` does not count as one.
    """

    needed_for = "watches_batches"

    def __init__(self, hook: Callable[..., None]) -> None:
        self.hook = hook
        self.__doc__ = hook.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, callback: Any, owner: type | None = None) -> Any:
        if callback is None:
            return self.hook
        if getattr(callback._settings, self.needed_for):
            return self.hook.__get__(callback, owner)
        # It is looked up twice per batch, so store it where it is found directly; but
        # not if a subclass has a hook of its own, which calls this one.
        if getattr(type(callback), self.name) is self.hook:
            vars(callback)[self.name] = no_hook
        return no_hook


class TestBatchHook(BatchHook):
    """The same for the batches of a validation."""

    needed_for = "save_on_exit"


def no_hook(batch: int, logs: Any = None) -> None:
    """Do nothing; pool threads may call this for each batch."""


no_hook._is_default = True  # type: ignore[attr-defined]
