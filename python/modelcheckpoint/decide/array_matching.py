"""Match the arrays of a file to variables by their names.

In Keras' HDF5 files the order of a layer's arrays depends on what was trainable when
they were saved. Keras reads them in the order of what is trainable now.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

__all__ = ["match"]

_Key = tuple[str, int, str, int]


def match(
    there: Sequence[str], here: Sequence[str], by_order: bool = True
) -> list[int] | None:
    """Return, for each variable here, the place of its array there, or None.

    Equal names match. If the names differ, Keras may have numbered them
    (`dense_3/kernel` is `dense/kernel` in another process): then names match that are
    equal without numbers and have the same rank. If this fails too, the layers were
    renamed, and the order counts, as it does for Keras, unless it gives an array to a
    variable of another kind.

    Args:
        there: The names of the arrays of a layer, in the order of the file.
        here: The names of as many variables, in the order in which they are filled.
        by_order: Whether the order may count. If it is known to differ, the order
            counts only among the arrays of a single layer.

    Returns:
        None if the names contradict each other.
    """
    there, here = [_clean(name) for name in there], [_clean(name) for name in here]
    for old, new in ((there, here), (_keys(there), _keys(here))):
        if len(set(old)) == len(old) and set(old) == set(new):
            places = {name: place for place, name in enumerate(old)}
            return [places[name] for name in new]
    alone = len({name.rpartition("/")[0] for name in here}) == 1
    counts = (by_order or alone) and _agree(there, here)
    return list(range(len(here))) if counts else None


def _clean(name: str) -> str:
    return re.sub(r":\d+$", "", name)  # Keras 2: `dense/kernel:0`


def _keys(names: Sequence[str]) -> list[_Key]:
    """Return each name without numbers, and its rank among the equal ones."""
    parents = _ranks(name.rpartition("/")[0] for name in names)
    leaves: dict[str, dict[str, int]] = {}
    for parent in parents:
        own = [n for n in names if n.rpartition("/")[0] == parent]
        leaves[parent] = _ranks(n.rpartition("/")[2] for n in own)
    found = []
    for name in names:
        parent, _, leaf = name.rpartition("/")
        kind, kind_of_leaf = _bare(parent), _bare(leaf)
        found.append((kind, parents[parent], kind_of_leaf, leaves[parent][leaf]))
    return found


def _ranks(names: Iterable[str]) -> dict[str, int]:
    alike: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        alike.setdefault(_bare(name), []).append(name)
    return {
        name: rank
        for group in alike.values()
        for rank, name in enumerate(sorted(group, key=_natural))
    }


def _bare(name: str) -> str:
    """Return the last part of a name, without the number that Keras gave it."""
    return re.sub(r"_\d+$", "", name.rpartition("/")[2])


def _natural(name: str) -> list[tuple[str, int]]:
    """Return a key that sorts `dense` before `dense_2`, and that before `dense_10`."""
    parts = [re.fullmatch(r"(.*?)(?:_(\d+))?", part) for part in name.split("/")]
    return [(part[1], int(part[2] or 0)) for part in parts if part is not None]


def _agree(there: Sequence[str], here: Sequence[str]) -> bool:
    """Return whether the kinds agree in this order, and layers match one to one."""
    pairs = [(a.rpartition("/"), b.rpartition("/")) for a, b in zip(there, here)]
    if any(_bare(a[2]) != _bare(b[2]) for a, b in pairs):
        return False
    parents = {(a[0], b[0]) for a, b in pairs}
    return len({a for a, _ in parents}) == len(parents) == len({b for _, b in parents})
