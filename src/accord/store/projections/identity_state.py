"""The segments that hold links and proposals of each entity with identity, by role and in order."""

from __future__ import annotations

from collections.abc import Sequence

from accord.model.event import StoredEvent
from accord.store.attributes import mapping, text, texts
from accord.store.database import Transaction
from accord.store.projection import ColumnType, Projection, insert

COLUMNS: dict[str, ColumnType] = {"entity": "text", "role": "text", "position": "integer", "sha": "text", "seq": "integer"}
KEY = ("entity", "role", "position")
TYPES = ("identity.linked", "identity.proposed", "identity.withdrawn", "identity.merged", "identity.unmerged", "identity.compacted")
_INSERT = insert("identity_state", COLUMNS)


def apply(tx: Transaction, events: Sequence[StoredEvent]) -> None:
    """Segments of a role follow each other, the latest word on a key counts; compaction replaces them by one."""
    for stored in events:
        entity = text(stored.event, "entity")
        for role, given in mapping(stored.event, "state").items():
            first = 0
            if stored.event.type == "identity.compacted":
                tx.run("DELETE FROM identity_state WHERE entity = ? AND role = ?", entity, role)
            else:
                query = 'SELECT coalesce(max("position") + 1, 0) FROM identity_state WHERE entity = ? AND role = ?'
                (first,) = tx.rows(query, entity, role)[0]
            shas = texts(stored.event, f"state.{role}", given)
            tx.many(_INSERT, [(entity, role, position, sha, stored.seq) for position, sha in enumerate(shas, first)])


PROJECTION = Projection("identity_state", COLUMNS, KEY, apply, types=TYPES)
