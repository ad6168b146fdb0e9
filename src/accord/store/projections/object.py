"""Objects that events are about, with the last event that named each.

An event sets attributes of objects by its attribute ``object_attributes``: ``{type: {id: {name: value}}}``; the last value of a name
stands.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from accord.model.event import Event, StoredEvent
from accord.store.attributes import mapping, packed
from accord.store.database import Transaction
from accord.store.projection import ColumnType, Projection, upsert

COLUMNS: dict[str, ColumnType] = {"type": "text", "id": "text", "attributes": "json", "last_seq": "integer"}
KEY = ("type", "id")
_SET = upsert("object_attributes", COLUMNS, KEY)
_BEFORE = "SELECT attributes FROM object_attributes WHERE type = ? AND id = ?"
# An object is there by being named in ``relation``; a row of its own for each would be written anew with every event about it.
_OBJECTS = """
SELECT named.type, named.id, coalesce(max(given.attributes), '{}') AS attributes, max(named.seq) AS last_seq
FROM (SELECT type, id, seq FROM relation UNION ALL SELECT type, id, last_seq FROM object_attributes) named
LEFT JOIN object_attributes given ON given.type = named.type AND given.id = named.id
GROUP BY named.type, named.id
"""


def apply(tx: Transaction, events: Sequence[StoredEvent]) -> None:
    """Values that events set, one by one."""
    seen: dict[tuple[str, str], int] = {}
    changed: dict[tuple[str, str], dict[str, Any]] = {}
    for stored in events:
        for key, values in _attributes(stored.event).items():
            seen[key] = stored.seq
            changed.setdefault(key, {}).update(values)
    for key, values in changed.items():
        before = tx.rows(_BEFORE, *key)
        tx.run(_SET, *key, packed({**(json.loads(before[0][0]) if before else {}), **values}), seen[key])


def _attributes(event: Event) -> dict[tuple[str, str], dict[str, Any]]:
    if "object_attributes" not in event.attributes:
        return {}
    return {
        (type_, id_): dict(values)
        for type_, by_id in mapping(event, "object_attributes").items()
        if isinstance(by_id, dict)
        for id_, values in by_id.items()
        if isinstance(values, dict)
    }


PROJECTION = Projection("object_attributes", COLUMNS, KEY, apply, views={"object": _OBJECTS})
