"""What elements of ours in a file say of steps and processes: checked as a map is, and told with the line in the file."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from accord.mapfile.bpmn.elements import Notes, Scope
from accord.mapfile.bpmn.xml import Element
from accord.mapfile.build import Builder
from accord.mapfile.content import meaning
from accord.mapfile.shapes import record
from accord.mapfile.source import MAX_DEPTH, Listing, Node, Scalar, Table
from accord.mapfile.variables import Variables
from accord.model.errors import Place
from accord.model.process import Process

_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def given_text(value: Any, without: tuple[str, ...]) -> str:
    """The keys of a step or a process that hold no default, as JSON, without those the diagram itself says; «» when there are none."""
    kind: type = type(value)
    plain = {key: held for key, held in meaning(record(kind), value).items() if key not in without}
    return json.dumps(plain, ensure_ascii=False) if plain else ""


def built_processes(name: str, scope: Scope, own: Element | None, notes: Notes) -> Process | None:
    """The process with what our elements say of it and of its steps; without any ways. ``None`` with problems."""
    process = _table(own.text, own.line, notes) if own is not None else Table(Place(notes.shown))
    steps = {step: _table(text, line, notes) for step, (text, line) in scope.given.items()}
    for unwanted in ("steps", "title"):
        if own is not None and unwanted in process.items:
            notes.wrong(own.line, f"'{unwanted}' does not stand in accord:process.", "The diagram itself says it.")
    if notes.problems:
        return None
    place = Place(notes.shown)
    _put(process, "steps", _of(place, {step: _merged(steps.get(step), place) for step in scope.names}))
    root = _of(place, {"name": Scalar(place, 1, "diagram"), "processes": _of(place, {name: process})})
    builder = Builder(Variables({}, {}), as_written=True)
    built = builder.build(root).processes[name]
    notes.problems += builder.problems
    return None if notes.problems else built


def _merged(table: Table | None, place: Place) -> Table:
    return table if table is not None else Table(place)


def _table(text: str, line: int, notes: Notes) -> Table:
    """A JSON object as nodes that stand on one line of the file."""
    place = Place(notes.shown, line)
    try:
        found = _node(json.loads(text, parse_int=str, parse_float=str, parse_constant=str), place, 0)
        if not isinstance(found, Table):
            raise ValueError("it is no object")
    except (ValueError, RecursionError) as error:
        notes.wrong(line, f"what Accord wrote here cannot be read: {str(error)[:100]}.", "Expected a JSON object with keys of the map.")
        return Table(place)
    return found


def _node(value: Any, place: Place, depth: int) -> Node:
    if depth > MAX_DEPTH:
        raise ValueError(f"it is nested more than {MAX_DEPTH} levels deep")
    if isinstance(value, dict):
        return _of(place, {_text(key): _node(part, place, depth + 1) for key, part in value.items() if part is not None})
    if isinstance(value, list):
        return Listing(place, 1, [_node(part, place, depth + 1) for part in value])
    return Scalar(place, 1, str(value).lower() if isinstance(value, bool) else _text(str(value)), False)


def _text(text: str) -> str:
    if _CONTROL.search(text):
        raise ValueError("a value holds a control character")
    return text


def _of(place: Place, items: dict[str, Node]) -> Table:
    return Table(place, 1, items, dict.fromkeys(items, place))


def _put(table: Table, name: str, node: Node) -> None:
    table.items[name], table.name_places[name] = node, table.place
