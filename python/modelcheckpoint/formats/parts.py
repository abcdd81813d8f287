"""Survey a model's parts at each save, to see whether they have changed."""

from __future__ import annotations

from collections.abc import Iterable
from types import FunctionType
from typing import Any

from modelcheckpoint.errors import is_interrupt
from modelcheckpoint.formats.internals import Saving
from modelcheckpoint.observe.keras_models import is_keras_own

__all__ = ["Survey"]

_METHODS = (FunctionType, classmethod, staticmethod)


class Survey:
    """Every object that Keras' walk through a model may visit, and the way to it.

    A survey looks at the same attributes as Keras' walk. It remembers for each class
    which are only methods, so it takes a fiftieth of the time. If two surveys have
    equal `marks`, Keras' walk would go the same way.

    Attributes:
        parts: Every saveable that was found, by its `id`.
        marks: The way there: names, and the identities of the objects found.
    """

    def __init__(self, model: Any, saving: Saving, names: dict[Any, list[str]]) -> None:
        """Look at a model.

        Args:
            model: The model.
            saving: Keras' saving protocol.
            names: Which attributes to look at, by class; kept from survey to survey.
        """
        self.parts: dict[int, Any] = {}
        self.marks: list[Any] = []
        self._saveable = saving.saveable
        self._kinds = (saving.saveable, list, dict, tuple, set)
        self._skipped = saving.skipped
        self._names = names
        self._within: set[int] = set()
        self._visit(model)

    def _visit(self, part: Any) -> None:
        if id(part) in self.parts:
            return
        self.parts[id(part)] = part
        self.marks.append(getattr(part, "name", None))
        kinds = self._kinds
        for name in self._names_in(part):
            try:
                child = getattr(part, name)
            except Exception as error:  # Keras' walk ignores all errors here, too
                if is_interrupt(error):
                    raise
                continue
            if isinstance(child, kinds):
                self._visit_child(name, child)

    def _visit_child(self, name: str, child: Any) -> None:
        if isinstance(child, self._saveable):
            self.marks += (name, id(child))
            self._visit(child)
        elif child and id(child) not in self._within:
            self._within.add(id(child))
            self._visit_all(name, child)
            self._within.discard(id(child))

    def _visit_all(self, name: str, container: Any) -> None:
        items = container.values() if isinstance(container, dict) else container
        kinds = self._kinds
        found = [item for item in items if isinstance(item, kinds)]
        if found:
            self.marks.append(name)
            for item in found:
                self._visit_child("", item)
            self.marks.append(None)  # marks the end: no child has this name

    def _names_in(self, part: Any) -> list[str]:
        key = _names_depend_on(part)
        if key is None:
            return self._look_up(part)
        found = self._names.get(key)
        if found is None:
            found = self._names[key] = self._look_up(part)
        return found

    def _look_up(self, part: Any) -> list[str]:
        skipped, own = set(self._skipped(part._obj_type())), vars(part)
        names = {"layers"} if hasattr(part, "layers") else set()
        for name in dir(part):
            if name.startswith("__") or name in skipped:
                continue
            if name in own or not _says_nothing(type(part), name):
                names.add(name)
        return sorted(names)


def _says_nothing(cls: type, name: str) -> bool:
    """Return whether the survey can ignore a class attribute of this name.

    Methods lead to no part, and Keras' own properties only show other attributes.
    """
    for owner in cls.__mro__:
        if name in vars(owner):
            found = vars(owner)[name]
            keras_property = isinstance(found, property) and is_keras_own(owner)
            return keras_property or isinstance(found, _METHODS)
    return False


def _names_depend_on(part: Any) -> tuple[Any, ...] | None:
    """Return what a part's attributes depend on, or None if that is not known."""
    cls = type(part)
    lists: Any = cls.__dir__
    if lists is object.__dir__:
        return (cls, *vars(part))
    if lists.__module__ == "torch.nn.modules.module":
        registers: Iterable[Any] = (part._parameters, part._modules, part._buffers)
        return (cls, *vars(part), *(tuple(register) for register in registers))
    return None
