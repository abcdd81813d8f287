"""Which epoch does the name of a file tell, where no journal does?"""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["epochs_of"]

_LONGEST = 9
_WORD = re.compile(r"(?<![a-z])epochs?[-_=. ]?(\d+)(?![\d]|\.\d)", re.IGNORECASE)
# `weights.{epoch:02d}-{val_loss:.2f}.hdf5`, as it stands in Keras' documentation.
_KERAS = re.compile(r"(?:^|[-_.])(\d+)-\d+\.\d+$")
_ALONE = re.compile(r"(?:(?<=^)|(?<=[-_.]))\d+(?=$|[-_.])")
_SUFFIX = re.compile(r"(\.weights)?\.[A-Za-z0-9]+$")


def epochs_of(names: Iterable[str]) -> dict[str, int]:
    """Return the epochs, from 1, of those files whose name tells it beyond doubt.

    That is one of three: the word `epoch` before a number, once; a name that ends as
    `05-0.32` does, which is the example in Keras' documentation; or a single number
    that stands alone, in names that differ in nothing else and count 1, 2, 3 and so
    on, two at least. A number elsewhere can be a batch, a version or a year.
    """
    names = list(names)
    found = {name: epoch for name in names if (epoch := _of_one(name)) is not None}
    return {**_of_families(names), **found}


def _of_one(name: str) -> int | None:
    stem = _stem(name)
    words = _WORD.findall(stem)
    if words:
        return _number(words[0]) if len(words) == 1 else None
    match = _KERAS.search(stem)
    return _number(match[1]) if match else None


def _of_families(names: Iterable[str]) -> dict[str, int]:
    families: dict[tuple[str, str, str], dict[int, str]] = {}
    for name in names:
        stem = _stem(name)
        alone = list(_ALONE.finditer(stem))
        if len(alone) == 1 and len(re.findall(r"\d+", stem)) == 1:
            start, end = alone[0].span()
            number = _number(stem[start:end])
            if number is not None:
                folder = name[: -len(name.rpartition("/")[2])]
                rest = name[len(folder) + len(stem) :]
                key = (folder + stem[:start], stem[end:], rest)
                families.setdefault(key, {})[number] = name
    return {
        name: number
        for family in families.values()
        if len(family) > 1 and set(family) == set(range(1, len(family) + 1))
        for number, name in family.items()
    }


def _stem(name: str) -> str:
    return _SUFFIX.sub("", name.rpartition("/")[2])


def _number(digits: str) -> int | None:
    # int() knows the digits of other scripts, and takes long ones slowly.
    number = int(digits) if digits.isascii() and len(digits) <= _LONGEST else 0
    return number or None
