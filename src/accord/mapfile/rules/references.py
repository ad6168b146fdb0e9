"""Every name of a team, calendar, system, entity, process or log refers to one that the map holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from accord.mapfile.problems import Problem
from accord.mapfile.rules.facts import Facts
from accord.mapfile.shapes import ListShape, RecordShape, Shape, TableShape, map_shape, word
from accord.model.entity import Entity, EventRule
from accord.model.flow import Flow
from accord.model.goals import Objective, Review, Risk, Target
from accord.model.organization import Team
from accord.model.people import Person
from accord.model.process import HandoffRule, Process, Start, Step
from accord.model.system import System

# (record, key): the section its value must name. A new reference is one line here.
REFERENCES: Final[dict[tuple[type, str], str]] = {
    (Team, "calendar"): "calendars",
    (Person, "team"): "teams",
    (System, "owner"): "teams",
    (Entity, "owner"): "teams",
    (Flow, "owner"): "teams",
    (Flow, "entity"): "entities",
    (Process, "owner"): "teams",
    (Process, "case"): "entities",
    (Process, "log"): "logs",
    (Start, "entity"): "entities",
    (Step, "team"): "teams",
    (Step, "inputs"): "entities",
    (Step, "outputs"): "entities",
    (HandoffRule, "entity"): "entities",
    (EventRule, "process"): "processes",
    (Target, "owner"): "teams",
    (Objective, "owner"): "teams",
    (Objective, "processes"): "processes",
    (Risk, "owner"): "teams",
    (Review, "owner"): "teams",
}
_ONE: Final = {"entities": "entity", "processes": "process"}


def check(facts: Facts) -> Iterator[Problem]:
    """A problem for each reference to a name that does not exist."""
    yield from _walk(facts, map_shape(), facts.map, (), "the map")


def _walk(facts: Facts, shape: Shape, value: Any, path: tuple[str, ...], holder: str) -> Iterator[Problem]:
    if isinstance(shape, RecordShape):
        for key in shape.keys:
            inner, part = (*path, key.name), getattr(value, key.name)
            section = REFERENCES.get((shape.cls, key.name))
            if section is not None:
                yield from _missing(facts, section, part, inner, holder)
            elif part is not None:
                outer = holder if isinstance(key.shape, TableShape) else f"{holder}, {key.name}"
                yield from _walk(facts, key.shape, part, inner, outer)
    elif isinstance(shape, TableShape) and isinstance(shape.item, RecordShape):
        before = "" if holder == "the map" else f"{holder}, "
        for name, item in value.items():
            yield from _walk(facts, shape.item, item, (*path, name), f"{before}{word(shape.item.cls)} '{name}'")
    elif isinstance(shape, ListShape) and isinstance(shape.item, RecordShape):
        for position, item in enumerate(value):
            label = getattr(item, shape.item.keys[0].name)
            yield from _walk(
                facts, shape.item, item, (*path, str(position)), f"{holder.rpartition(', ')[0]}, {word(shape.item.cls)} '{label}'"
            )


def _missing(facts: Facts, section: str, value: Any, path: tuple[str, ...], holder: str) -> Iterator[Problem]:
    if section in facts.unread:
        return
    known = getattr(facts.map, section)
    kind = _ONE.get(section, section.removesuffix("s"))
    names = [(value, path)] if isinstance(value, str) else [(v, (*path, str(i))) for i, v in enumerate(value)]
    for name, where in names:
        if name and name not in known:
            what = path[-1] if path[-1] != kind else ""
            yield facts.unknown(where, holder, f"{what}: {kind}" if what else kind, name, known)
