"""The base of formats whose checkpoints one process writes alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

__all__ = ["OneWriter"]


class OneWriter:
    """A format without parts; `Format` documents the methods that it lacks."""

    has_parts = False

    def write_part(self, model: Any, path: str, seconds: float) -> Callable[[], None]:
        """Raise; nobody calls this."""
        _refuse()

    def is_in_part(self, name: str, process: int) -> bool:
        """Raise; nobody calls this."""
        _refuse()

    def join_parts(self, path: str) -> None:
        """Raise; nobody calls this."""
        _refuse()


def _refuse() -> NoReturn:
    raise NotImplementedError("one process writes all of it")
