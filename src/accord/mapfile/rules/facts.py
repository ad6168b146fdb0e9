"""What a rule gets to see: the map, where each of its keys was written, and the names known outside of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from accord.mapfile.problems import Problem, known_names
from accord.model.entity import Entity
from accord.model.errors import Place
from accord.model.flow import Binding, FieldMapping, Flow
from accord.model.integration_map import IntegrationMap

OptionsByKind = Mapping[str, tuple[Mapping[str, Collection[str]], Mapping[str, Collection[str]]]]


@dataclass(frozen=True, slots=True)
class Facts:
    """A map that is well-formed as far as possible; keys with mistakes hold defaults, so rules skip what is empty.

    ``unread`` are sections that are no mapping: what they would hold is not known, so nothing is said about references into them.
    """

    map: IntegrationMap
    places: Mapping[tuple[str, ...], Place] = field(default_factory=dict)
    known_kpis: Collection[str] | None = None
    known_connectors: Mapping[str, Collection[str]] | None = None
    known_options: OptionsByKind | None = None
    unread: frozenset[str] = frozenset()

    def place(self, *path: str) -> Place:
        """Where the key at this path was written, or the nearest key around it."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.places:
                return self.places[path[:length]]
        return self.map.place

    def written(self, *path: str) -> bool:
        """Whether the key at this path stands in the map text."""
        return path in self.places

    def problem(self, path: tuple[str, ...], message: str, expected: str = "") -> Problem:
        """A problem at the place of a path."""
        return Problem(self.place(*path), message, expected)

    def unknown(self, path: tuple[str, ...], holder: str, kind: str, name: str, known: Collection[str]) -> Problem:
        """The problem of a reference to a name that does not exist."""
        return self.problem(path, f"{holder}: {kind} '{name}' does not exist.", known_names(name, known))

    def entity(self, name: str) -> Entity | None:
        """The entity of that name, or ``None`` when the map does not hold it or could not read its fields."""
        found = self.map.entities.get(name)
        return found if found is not None and found.fields else None

    def entity_of(self, flow: Flow) -> Entity | None:
        """The entity of a flow; ``None`` as in ``entity``."""
        return self.entity(flow.entity)


def can_read(binding: Binding, mapping: FieldMapping | None = None) -> bool:
    """Whether a binding (or one field of it) is believed as a source."""
    return direction(binding, mapping) in ("both", "read")


def can_write(binding: Binding, mapping: FieldMapping | None = None) -> bool:
    """Whether a binding (or one field of it) is written to."""
    return direction(binding, mapping) in ("both", "write")


def direction(binding: Binding, mapping: FieldMapping | None = None) -> str:
    """Direction of a field: its own where given, within what the binding allows; «» when neither side is possible."""
    if mapping is None or not mapping.direction or mapping.direction == binding.direction:
        return binding.direction
    if binding.direction == "both":
        return mapping.direction
    return binding.direction if mapping.direction == "both" else ""
