"""Changes that took the short way and are not yet part of a flow's segments; one row per key, and per key and target while intended.

``intended``: about to be written; ``applied``: written, read back and agreed. A run of the flow takes both up and names, in its last event,
up to where it did.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from accord.model.event import StoredEvent
from accord.store.attributes import integer, text
from accord.store.database import Transaction
from accord.store.projection import ColumnType, Projection, insert

COLUMNS: dict[str, ColumnType] = {
    "seq": "integer",
    "number": "integer",
    "flow": "text",
    "kind": "text",
    "intent": "text",
    "key": "text",
    "body": "json",
}
KEY = ("seq", "number")
_INSERT = insert("live_change", COLUMNS)
_SETTLE = "DELETE FROM live_change WHERE intent = ? AND kind = 'intended' AND key = ?"
_FOLD = "DELETE FROM live_change WHERE flow = ? AND kind = 'applied' AND seq <= ?"
_CLOSE = "DELETE FROM live_change WHERE flow = ? AND kind = 'intended' AND seq <= ?"


def apply(tx: Transaction, events: Sequence[StoredEvent]) -> None:
    """In the order of the log."""
    for stored in events:
        event, flow = stored.event, text(stored.event, "flow")
        if event.type == "flow.renamed":
            tx.run("UPDATE live_change SET flow = ? WHERE flow = ?", flow, text(event, "from"))
            continue
        if event.type == "flow.run_finished":
            folded, closed = integer(event, "live_folded"), integer(event, "live_closed")
            if folded is not None:
                tx.run(_FOLD, flow, folded)
            if closed is not None and not event.attributes.get("limited"):
                tx.run(_CLOSE, flow, closed)
            continue
        kind, intent = ("intended" if event.type == "flow.live_intended" else "applied"), text(event, "intent")
        rows = event.attributes.get("rows") or []
        packed = [(json.dumps(row["key"], ensure_ascii=False), json.dumps(row, ensure_ascii=False, sort_keys=True)) for row in rows]
        if kind == "applied":
            settled = [key for key, _ in packed]
            settled += [json.dumps(key, ensure_ascii=False) for key in event.attributes.get("withdrawn") or []]  # nothing was written
            tx.many(_SETTLE, [(intent, key) for key in settled])
        tx.many(_INSERT, [(stored.seq, number, flow, kind, intent, key, body) for number, (key, body) in enumerate(packed)])


PROJECTION = Projection(
    "live_change",
    COLUMNS,
    KEY,
    apply,
    types=("flow.live_intended", "flow.live_applied", "flow.run_finished", "flow.renamed"),
    indexes=(("flow", "kind", "seq"), ("intent",)),
)
