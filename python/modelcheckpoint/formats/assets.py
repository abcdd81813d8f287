"""The files that parts of a model keep beside their weights."""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Iterator
from typing import Any

from modelcheckpoint.formats.zip_archive import Member
from modelcheckpoint.observe.keras_models import is_keras_own

__all__ = ["Assets"]


class Assets:
    """The assets of one model, save by save.

    Each part is asked again at each save, except for Keras' own lookup layers: Keras
    never changes their tables, so the assets are kept until a table is replaced.
    """

    def __init__(self) -> None:
        self._kept: dict[str, tuple[tuple[Any, ...], list[Member]]] = {}

    def of(self, keepers: list[tuple[str, Any]]) -> list[Member]:
        """Return the archive's members for all assets.

        Args:
            keepers: The parts that have `save_assets`, and their paths.
        """
        members: list[Member] = []
        for path, part in keepers:
            table = _table(part)
            kept = self._kept.get(path)
            if kept is None or table is None or not _same(kept[0], table):
                kept = self._kept[path] = (table or (), _saved(path, part))
            members += kept[1]
        return members


def _table(part: Any) -> tuple[Any, ...] | None:
    """Return a lookup layer's table and vocabulary; None for other parts."""
    holder = getattr(part, "_lookup_layer", part)
    if not (is_keras_own(type(part)) and hasattr(holder, "lookup_table")):
        return None
    return holder.lookup_table, getattr(holder, "input_vocabulary", None)


def _same(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    return len(one) == len(other) and all(a is b for a, b in zip(one, other))


def _saved(path: str, part: Any) -> list[Member]:
    with tempfile.TemporaryDirectory() as folder:
        part.save_assets(folder)
        name = f"assets/{path}" if path else "assets"
        return list(_members(folder, name))


def _members(path: str, name: str) -> Iterator[Member]:
    if os.path.isdir(path):
        for child in os.listdir(path):
            yield from _members(os.path.join(path, child), f"{name}/{child}")
    else:
        with open(path, "rb") as file:
            yield zipfile.ZipInfo.from_file(path, name), file.read()
