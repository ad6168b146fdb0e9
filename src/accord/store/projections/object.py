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
_SEEN = upsert("object", COLUMNS, KEY, keep=("attributes",))
_ATTRIBUTES = 'SELECT attributes FROM "object" WHERE type = ? AND id = ?'
_SET = 'UPDATE "object" SET attributes = ? WHERE type = ? AND id = ?'


def apply(tx: Transaction, events: Sequence[StoredEvent]) -> None:
    """Objects come into being by being named."""
    seen: dict[tuple[str, str], int] = {}
    changed: dict[tuple[str, str], dict[str, Any]] = {}
    for stored in events:
        seen.update({(ref.type, ref.id): stored.seq for ref in stored.event.objects})
        for key, values in _attributes(stored.event).items():
            seen[key] = stored.seq
            changed.setdefault(key, {}).update(values)
    tx.many(_SEEN, [(*key, "{}", seq) for key, seq in seen.items()])
    for key, values in changed.items():
        ((before,),) = tx.rows(_ATTRIBUTES, *key)
        tx.run(_SET, packed({**json.loads(before), **values}), *key)


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


PROJECTION = Projection("object", COLUMNS, KEY, apply, narrow=True)
