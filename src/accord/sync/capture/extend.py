"""New columns for targets that Accord made itself, when the map gives them a field more and the flow says evolve."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from accord.connectors.extending import Extending
from accord.connectors.protocol import Shaped
from accord.connectors.types import quote
from accord.model.errors import SystemUnreachable, UnknownName
from accord.model.figure import Finding
from accord.sync.capture.drift import fields_of_column, is_edited
from accord.sync.capture.read import created_columns
from accord.sync.cycle import Cycle, Side, storage_type
from accord.sync.state.base import MARKS, base_paths, load_segments


def extend_targets(cycle: Cycle, previous: Mapping[str, Any]) -> None:
    """Add the columns that the map names and a target with ``create: true`` lacks, empty in every row.

    Only columns of which nothing was ever agreed with that target: one that was there and is gone was taken away by its owner, and
    putting it back empty would look like an edit that empties every row. Nothing is asked until the binding or its entity was edited.
    """
    if cycle.flow.drift != "evolve":
        return
    before = previous.get("shapes") or {}
    for side in cycle.sides:
        last = before.get(side.name) or {}
        if not (side.binding.create and side.writable and isinstance(side.connector, Extending)):
            continue
        if not is_edited(cycle, side, last):
            continue
        there = _there(cycle, side)
        known = {c.lower() for c in (*there, *(last.get("columns") or {}))}
        wanted, keys = created_columns(cycle.entity, side)
        new = {
            c: type_ for c, type_ in wanted.items() if there and c not in keys and c.lower() not in known and not _agreed(cycle, side, c)
        }
        if new:
            side.connector.add_columns(side.binding.resource, new)
            subject = f"{side.binding.holder}/{side.binding.resource}"
            what = ", ".join(f"'{c}'" for c in new)
            sentence = f"flow '{cycle.flow.name}': {subject} was given the columns {what}, which the map names and it did not have."
            cycle.findings.append(Finding("added_column", subject, sentence, "info", len(new), tuple(new)))


def _agreed(cycle: Cycle, side: Side, column: str) -> bool:
    """Whether some value of a field in this column was ever agreed with the side."""
    fields = {f: storage_type(cycle.entity, f) for f in (*cycle.keys, *fields_of_column(side, column))}
    load_segments(cycle, "agreed_before", base_paths(cycle, side), {**fields, **MARKS}, key=cycle.keys)
    held = " OR ".join(f"{quote(f)} IS NOT NULL" for f in fields if f not in cycle.keys) or "false"
    return bool(cycle.count(f"SELECT count(*) FROM agreed_before WHERE {held}"))


def _there(cycle: Cycle, side: Side) -> tuple[str, ...]:
    """The columns of the resource; none when it is not made yet. Whether its system can be reached is for the capture to say."""
    try:
        if isinstance(side.connector, Shaped):
            return tuple(side.connector.declared_types(side.binding.resource))
        relation = side.connector.scan(cycle.con, side.binding.resource)
    except (UnknownName, SystemUnreachable):
        return ()
    return tuple(str(row[0]) for row in cycle.sql(f"DESCRIBE SELECT * FROM {relation}"))
