"""The template of a file name: check its fields, and fill them in."""

from __future__ import annotations

import functools
import math
import os
import re
import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Optional, Union

from modelcheckpoint.addresses import check_address, is_address

__all__ = ["COUNTERS", "LONGEST_NAME", "Name", "Template", "same_names"]

COUNTERS = ("epoch", "batch", "samples")
"""The fields that this package fills in; every other field is a key of `logs`."""

LONGEST_NAME = 255
"""Bytes that common file systems allow for one name (POSIX calls it NAME_MAX)."""

Number = Union[int, float]

_Part = tuple[str, Optional[str], str]
"""Literal text, then a field and its format, or None."""

_WIDEST = 100
# Python's format specification for numbers, with a fill that cannot make a folder,
# and without `c`, which would turn 47 into a slash.
_SPEC = re.compile(
    r"""(?:[^/\\{}\0]?[<>=^])?[-+ ]?z?\#?0?(?P<width>\d{0,3})[,_]?
        (?:\.(?P<precision>\d{1,3}))?[bdoxXeEfFgGn%]?""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class Name:
    """A filled template.

    Attributes:
        path: Path of the file, relative to the template's folder, with `/`.
        missing: Fields that had no value and were written as `nan`.
    """

    path: str
    missing: tuple[str, ...]


class Template:
    """A checked `filepath`, ready to be filled.

    Args:
        text: The path, with fields such as `{epoch:02d}` and `{val_loss:.2f}`.
        counts_batches: Whether `{batch}` and `{samples}` have a meaning.

    Attributes:
        text: The path as given.
        folder: The folder in the literal text before the first field, `~` expanded.
        given_folder: The same folder with its `~`, as in `text`.
        fields: The names of the fields.
        tail: The literal text after the last field, which ends with the suffix.
        depth: The number of folders between `folder` and the file.
        below: The template below `folder`. Templates with equal `below` make the same
            names, wherever their folders are.

    Raises:
        ValueError: If the text is empty, is an invalid address of a store, has a field
            that is not a name with a format for numbers, could leave its folder, or
            makes names that are too long whatever the numbers are.
    """

    def __init__(self, text: str, counts_batches: bool = True) -> None:
        _check_text(text)
        self.text = text
        self._parts = _parse(text)
        self.fields = tuple(dict.fromkeys(f for _, f, _ in self._parts if f))
        if not counts_batches:
            _check_counters(text, self.fields)
        self.tail = self._parts[-1][0] if self._parts[-1][1] is None else ""
        self.given_folder = os.path.dirname(self._parts[0][0])
        head = _expand_home(self._parts[0][0])
        self.folder = os.path.dirname(head)
        self._parts[0] = (_below(head, self.folder), *self._parts[0][1:])
        self.below = tuple(self._parts)
        self.depth = self.fill({}).path.count("/")
        _check_length(f"{self.folder}/{self._shortest()}".replace(os.sep, "/"))

    def fill(self, values: Mapping[str, Number]) -> Name:
        """Return the file's name for these values.

        A field becomes `nan`, and is listed in `missing`, if it has no value or if its
        format cannot write the value within the length of a name.

        Raises:
            ValueError: If the name would leave the template's folder.
        """
        missing: list[str] = []
        text = ""
        for literal, name, spec in self._parts:
            text += literal
            if name is None:
                continue
            written = _write(values[name], spec) if name in values else None
            if written is None:
                missing.append(name)
                written = _write(math.nan, spec) or "nan"
            text += written
        path = text.replace(os.sep, "/")
        if ".." in path.split("/"):
            raise ValueError(
                f"`filepath` must not leave its folder, as {self.text!r} would "
                f"with the name {path!r}."
            )
        return Name(path, tuple(dict.fromkeys(missing)))

    def could_name(self, name: str) -> bool:
        """Return whether the template could make a name, relative to its folder."""
        pattern = "".join(
            re.escape(literal) + ("" if field is None else "[^/]+?")
            for literal, field, _ in self._parts
        )
        return re.fullmatch(pattern.replace(re.escape(os.sep), "/"), name) is not None

    def _shortest(self) -> str:
        # `nan` is no measure: it is longer than most counters, and shorter than 0.50.
        return "".join(
            literal + (min(_trials(spec, name), key=len) if name else "")
            for literal, name, spec in self._parts
        )


def same_names(one: str, other: str) -> bool:
    """Return whether two templates make the same names, wherever their folders are."""
    below = _below_of(one)
    return below is not None and below == _below_of(other)


@functools.lru_cache(maxsize=128)
def _below_of(text: str) -> object:
    try:
        return Template(text).below
    except ValueError:  # from a line that somebody else wrote
        return None


def _check_text(text: str) -> None:
    if not text or not text.strip():
        raise ValueError(f"`filepath` must be a non-empty string, not {text!r}.")
    if "\0" in text:
        raise ValueError(
            f"`filepath` must not hold a null character, as {text!r} does."
        )
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        raise ValueError(
            f"`filepath` must be a name that a file can have here, not {text!r}."
        ) from None
    if is_address(text):
        check_address("filepath", text)


def _parse(text: str) -> list[_Part]:
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError as error:
        raise ValueError(
            f"`filepath` must have balanced braces, not {text!r} ({error}). "
            "A literal brace is written twice: {{ or }}."
        ) from None
    for _, name, spec, conversion in parts:
        if name is not None:
            _check_field(text, name, spec or "", conversion)
    return _joined([(literal, name, spec or "") for literal, name, spec, _ in parts])


def _joined(parts: list[_Part]) -> list[_Part]:
    """Join literals that a doubled brace has split."""
    joined: list[_Part] = []
    for literal, name, spec in parts:
        if joined and joined[-1][1] is None:
            literal = joined.pop()[0] + literal
        joined.append((literal, name, spec))
    return joined


def _check_field(text: str, name: str, spec: str, conversion: str | None) -> None:
    shown = name + (f"!{conversion}" if conversion else "") + (spec and f":{spec}")
    # A metric can be called `F1 score` or `output/acc`: only its number appears in the
    # path. `{epoch.__class__}` and `{logs[0]}` would read attributes and items; `{}`
    # and `{0}` would need positional arguments, and there are none. A space at either
    # end is a typo that would leave the field without a value.
    if name.isdigit() or re.search(r"^$|^\s|\s$|[.\[\]]", name) or conversion:
        raise ValueError(
            "`filepath` must have only named fields such as {epoch:02d} or "
            "{val_loss:.2f}, with no `.`, `[`, `]` or `!` in the name and no space at "
            f"its ends, not {{{shown}}} (in {text!r})."
        )
    match = _SPEC.fullmatch(spec)
    sizes = [int(size) for size in (match.groups() if match else ()) if size]
    if (
        match is None
        or any(size > _WIDEST for size in sizes)
        or not _trials(spec, name)
    ):
        raise ValueError(
            "`filepath` must have fields with a format for numbers such as .2f, of at "
            f"most {_WIDEST} characters, not {{{shown}}} (in {text!r})."
        )


def _check_counters(text: str, names: Iterable[str]) -> None:
    for name in COUNTERS[1:]:
        if name in names:
            raise ValueError(
                f"`filepath` must have the field {{{name}}} only with an integer "
                "`save_freq`, with `save_seconds` or `save_on_exit`, not with 'epoch' "
                f"alone (in {text!r})."
            )


def _trials(spec: str, name: str) -> list[str]:
    """Return short values written as a field; empty if its format can write none."""
    values = (1,) if name in COUNTERS else (1, 0.5)
    written = [_write(value, spec) for value in values]
    return [text for text in written if text is not None]


def _write(value: Number, spec: str) -> str | None:
    try:
        text = format(value, spec)
        return text if len(text) <= LONGEST_NAME else None
    except (ValueError, OverflowError):
        pass
    # `{step:05d}` with a metric that is a whole number: Keras reports it as a float.
    if isinstance(value, float) and value.is_integer():
        return _write(int(value), spec)
    return None


def _expand_home(head: str) -> str:
    # `~{epoch}` is a name, and braces in the home folder's path are not fields.
    return os.path.expanduser(head) if re.match(r"~[^/\\]*[/\\]", head) else head


def _below(path: str, folder: str) -> str:
    rest = path[len(folder) :]
    return rest.lstrip("/" + os.sep) if folder else rest


def _check_length(path: str) -> None:
    longest = max(path.split("/"), key=lambda part: len(os.fsencode(part)))
    size = len(os.fsencode(longest))
    if size > LONGEST_NAME:
        raise ValueError(
            f"`filepath` must have names of at most {LONGEST_NAME} bytes, not {size} "
            f"({longest[:40]!r}...)."
        )
