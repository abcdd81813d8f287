"""Which array goes to which place in the file, by Keras' own saving protocol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from modelcheckpoint.formats.internals import NeedsKeras, Saving, saving_of_keras
from modelcheckpoint.formats.parts import Survey

__all__ = ["Group", "Layout", "Layouts"]


@dataclass(frozen=True)
class Group:
    """One group of the file: the state of one part of the model.

    Attributes:
        path: The path of the part: the group's path without its last name.
        attributes: The group's attributes.
        part: The layer, optimizer, ... whose state it is.
        keys: The names of its datasets, in order.
        values: For each dataset a Keras variable, whose value is still to be read, or
            whatever else the part handed out.
    """

    path: str
    attributes: dict[str, Any]
    part: Any
    keys: list[str]
    values: list[Any]


@dataclass(frozen=True)
class Layout:
    """A model's state at one moment, group by group, as Keras would write it.

    Attributes:
        groups: The groups of the weights file, in the order of Keras' walk.
        assets: The parts that keep files beside their weights, each with its folder.
    """

    groups: list[Group]
    assets: list[tuple[str, Any]]

    def is_like(self, other: Layout) -> bool:
        """Return whether both have the same groups, with datasets of the same names."""
        return len(self.groups) == len(other.groups) and all(
            map(_alike, self.groups, other.groups)
        )


class Layouts:
    """The layouts of one model, save by save.

    Keras' walk is done once, and again if the model's parts have changed. Every part is
    asked for its state at each save, because it may hand out anything. The exception is
    an optimizer with Keras' own `save_own_variables`, which would copy its variables:
    these are taken directly.
    """

    def __init__(self) -> None:
        self.saving: Saving = saving_of_keras()
        self._names: dict[Any, list[str]] = {}
        self._survey: Survey | None = None
        self._walked: Layout | None = None

    def of(self, model: Any) -> Layout:
        """Return the model's layout now.

        Raises:
            NeedsKeras: If Keras' walk visited a part that was not expected.
        """
        survey = Survey(model, self.saving, self._names)
        before = self._survey
        if self._walked is None or before is None or before.marks != survey.marks:
            self._survey = survey  # keeps the parts alive, so that no `id` is reused
            self._walked = _Walk(self.saving, survey).through(model)
            return self._walked
        groups = [self._asked_anew(group) for group in self._walked.groups]
        return Layout(groups, self._walked.assets)

    def _asked_anew(self, group: Group) -> Group:
        keys, values = _state_of(group.part, self.saving)
        return Group(group.path, group.attributes, group.part, keys, values)


def _alike(one: Group, other: Group) -> bool:
    return (
        one.path == other.path
        and one.keys == other.keys
        and one.attributes == other.attributes
    )


def _keeps_own_variables(part: Any, saving: Saving) -> bool:
    method = getattr(type(part), "save_own_variables", None)
    return method is saving.own_variables and "save_own_variables" not in vars(part)


def _state_of(part: Any, saving: Saving) -> tuple[list[str], list[Any]]:
    if _keeps_own_variables(part, saving):
        variables = list(part.variables)
        return [str(i) for i in range(len(variables))], variables
    entry: dict[str, Any] = {}
    part.save_own_variables(entry)
    return list(entry), list(entry.values())


class _Visited(set[int]):
    """Keras' set of visited parts, which reveals the part that it asks next."""

    asked = 0

    def __contains__(self, part: object) -> bool:
        self.asked = part if isinstance(part, int) else 0
        return super().__contains__(part)


class _Forgetful(dict[str, Any]):
    """Discards the values it is given: an optimizer's copies of its variables."""

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, None)


class _Walk:
    """Keras' walk through a model, with a store that takes notes."""

    def __init__(self, saving: Saving, survey: Survey) -> None:
        self._saving = saving
        self._survey = survey
        self._visited = _Visited()
        self._entries: list[tuple[str, dict[str, Any], Any, dict[str, Any]]] = []

    def through(self, model: Any) -> Layout:
        self._saving.save_state(
            model,
            weights_store=self._weights_store(),
            assets_store=None,
            inner_path="",
            visited_saveables=self._visited,
        )
        return Layout([self._group(*entry) for entry in self._entries], self._assets())

    def _group(
        self, path: str, attributes: dict[str, Any], part: Any, entry: dict[str, Any]
    ) -> Group:
        if not isinstance(entry, _Forgetful):
            keys, values = list(entry), list(entry.values())
            return Group(path, attributes, part, keys, values)
        keys, values = _state_of(part, self._saving)
        if keys != list(entry):
            raise NeedsKeras("an optimizer saves other variables than it lists")
        return Group(path, attributes, part, keys, values)

    def _assets(self) -> list[tuple[str, Any]]:
        keepers = {
            i for i in self._visited if hasattr(self._survey.parts[i], "save_assets")
        }
        found = [
            (path, part) for path, _, part, _ in self._entries if id(part) in keepers
        ]
        if len(found) != len(keepers):
            raise NeedsKeras("a part has assets but no variables")
        return found

    def _part(self) -> Any:
        part = self._survey.parts.get(self._visited.asked)
        if part is None:
            raise NeedsKeras("Keras' walk found a part that was not expected")
        return part

    def note_entry(self, path: str, metadata: dict[str, Any] | None) -> dict[str, Any]:
        part = self._part()
        forgets = _keeps_own_variables(part, self._saving)
        entry: dict[str, Any] = _Forgetful() if forgets else {}
        self._entries.append((path, dict(metadata or {}), part, entry))
        return entry

    def _weights_store(self) -> Any:
        walk = self

        class Store(self._saving.weights_store):  # type: ignore[name-defined,misc]
            def __init__(self) -> None:
                """Open no file."""

            def __bool__(self) -> bool:
                return True

            def make(self, path: str, metadata: Any = None) -> dict[str, Any]:
                return walk.note_entry(path, metadata)

            def close(self) -> None:
                """Nothing to close."""

        return Store()
