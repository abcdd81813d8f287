"""What arrays a weights file holds, without reading them."""

from __future__ import annotations

from typing import Any

__all__ = ["attribute", "shapes"]

Shapes = dict[str, tuple[int, ...]]


def shapes(file: Any) -> Shapes:
    """Return the shape of each array, by its path."""
    found: Shapes = {}

    def look(name: str, item: Any) -> None:
        if hasattr(item, "shape"):
            found[name] = tuple(item.shape)

    file.visititems(look)
    return found


def attribute(group: Any, name: str) -> list[str]:
    """Return a list of names from an attribute, which Keras splits where it is long."""
    if name in group.attrs:
        return [_text(value) for value in group.attrs[name]]
    found: list[str] = []
    for number in range(len(group.attrs)):
        found += map(_text, group.attrs.get(f"{name}{number}", ()))
    return found


def _text(value: Any) -> str:
    return value.decode("utf8") if isinstance(value, bytes) else str(value)
