"""The callbacks that save, with their hooks timed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from saving_cases import arguments, callback_class

Maker = Callable[[tuple[str, str], str], Any]
"""Makes a callback of a kind that saves to a folder."""


def callback_of(
    kind: tuple[str, str], folder: str, name: str = "model-{epoch}", **named: Any
) -> Any:
    path, more = arguments(*kind, folder, name)
    return timed(callback_class(kind[0]))(path, **more, **named)


def timed(base: type) -> type:
    """Return the callback with a timer on its hooks that save or wait."""

    class Timed(base):  # type: ignore[misc,valid-type]
        def on_train_begin(self, logs: Any = None) -> None:
            self.stalls: list[float] = []
            super().on_train_begin(logs)

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            before = time.perf_counter()
            super().on_epoch_end(epoch, logs)
            self.ended = time.perf_counter()
            self.stalls.append(self.ended - before)

        def on_train_end(self, logs: Any = None) -> None:
            before = time.perf_counter()
            super().on_train_end(logs)
            self.end = time.perf_counter() - before

    return Timed
