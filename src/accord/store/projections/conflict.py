"""Disagreements that people decide: open, decided and waiting for the next run, or closed; and values somebody asked to have back.

``kind`` is ``human`` (a conflict left to a person), ``restore`` (a value that lost and shall be agreed again) or ``again`` (the same of a
row that is gone and is made again with it). ``value`` and each of
``values`` are JSON texts, so that no value is not the same as the text «null».
"""

from __future__ import annotations

from collections.abc import Sequence

from accord.model.event import StoredEvent
from accord.store.attributes import mapping, optional_text, packed, stamp, text
from accord.store.database import Transaction
from accord.store.projection import ColumnType, Projection, upsert

COLUMNS: dict[str, ColumnType] = {
    "id": "text",
    "flow": "text",
    "kind": "text",
    "key": "text",
    "field": "text",
    "status": "text",
    "values": "json",
    "opened_at": "time",
    "value": "json",
    "seen": "json",
    "force": "integer",
    "decided_by": "text",
    "decided_at": "time",
    "outcome": "text",
    "closed_at": "time",
    "seq": "integer",
}
KEY = ("id",)
_OPENED = upsert("conflict", COLUMNS, KEY)
_RESTORED = upsert("conflict", COLUMNS, KEY)
_DECIDED = (
    'UPDATE conflict SET status = ?, "value" = ?, seen = ?, "force" = ?, decided_by = ?, decided_at = ?, seq = ? '
    "WHERE id = ? AND status <> 'closed'"
)
_CLOSED = "UPDATE conflict SET status = 'closed', outcome = ?, closed_at = ?, seq = ? WHERE id = ?"


def apply(tx: Transaction, events: Sequence[StoredEvent]) -> None:
    """One row per disagreement, as it stands; one that is opened again has no decision."""
    for stored in events:
        event, when = stored.event, stamp(stored)
        if event.type == "flow.renamed":
            tx.run("UPDATE conflict SET flow = ? WHERE flow = ?", text(event, "flow"), text(event, "from"))
            continue
        id_ = text(event, "id")
        if event.type == "conflict.closed":
            tx.run(_CLOSED, optional_text(event, "outcome") or "settled", when, stored.seq, id_)
            continue
        if event.type == "conflict.decided":
            value, seen = packed(event.attributes.get("value")), packed(mapping(event, "seen"))
            tx.run(_DECIDED, "decided", value, seen, 0, text(event, "by"), when, stored.seq, id_)
            continue
        about = (id_, text(event, "flow"))
        place = (text(event, "key"), text(event, "field"))
        if event.type == "conflict.opened":
            values = packed(mapping(event, "values"))
            tx.run(_OPENED, *about, "human", *place, "open", values, when, None, None, 0, None, None, None, None, stored.seq)
        else:
            value, seen = packed(event.attributes.get("value")), packed(mapping(event, "seen"))
            force = 1 if event.attributes.get("force") else 0
            by, kind = text(event, "by"), "again" if event.attributes.get("again") else "restore"
            tx.run(_RESTORED, *about, kind, *place, "decided", packed({}), when, value, seen, force, by, when, None, None, stored.seq)


PROJECTION = Projection(
    "conflict",
    COLUMNS,
    KEY,
    apply,
    types=("conflict.opened", "conflict.decided", "conflict.restored", "conflict.closed", "flow.renamed"),
    indexes=(("flow", "status"),),
)
