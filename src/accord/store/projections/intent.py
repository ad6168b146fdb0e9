"""What flows were about to write, target by target; ``closed_seq`` is null while it is not known to have been taken into account.

An intent is closed by the end of its own run, or by a later run of the flow that moved the base of that target: whatever the broken
run had written there was then read back and is part of the base. What ends without having looked at the systems closes none: an attempt
that failed before its first write (it may bear the id of the one that died), and the folding of what took the short way.
"""

from __future__ import annotations

from collections.abc import Sequence

from accord.model.event import StoredEvent
from accord.store.attributes import mapping, text
from accord.store.database import Transaction
from accord.store.projection import ColumnType, Projection, insert

COLUMNS: dict[str, ColumnType] = {
    "seq": "integer",
    "flow": "text",
    "run": "text",
    "target": "text",
    "sha": "text",
    "closed_seq": "integer",
}
KEY = ("seq", "target")
_INSERT = insert("intent", COLUMNS)
_CLOSE_RUN = "UPDATE intent SET closed_seq = ? WHERE flow = ? AND run = ? AND closed_seq IS NULL"
_CLOSE_TARGET = "UPDATE intent SET closed_seq = ? WHERE flow = ? AND target = ? AND closed_seq IS NULL"


def apply(tx: Transaction, events: Sequence[StoredEvent]) -> None:
    """Intents open and close in the order of the log."""
    for stored in events:
        event = stored.event
        flow, run = text(event, "flow"), text(event, "run")
        if event.type == "flow.renamed":
            tx.run("UPDATE intent SET flow = ? WHERE flow = ?", flow, text(event, "from"))
        elif event.type == "flow.intended":
            segments = mapping(event, "segments")
            tx.many(_INSERT, [(stored.seq, flow, run, target, str(sha), None) for target, sha in segments.items()])
        elif event.attributes.get("status") != "failed" and "live_folded" not in event.attributes:
            tx.run(_CLOSE_RUN, stored.seq, flow, run)
            moved = [role.removeprefix("base:") for role in mapping(event, "state") if role.startswith("base:")]
            tx.many(_CLOSE_TARGET, [(stored.seq, flow, target) for target in moved])


_TYPES = ("flow.intended", "flow.run_finished", "flow.renamed")
PROJECTION = Projection("intent", COLUMNS, KEY, apply, types=_TYPES, indexes=(("flow", "closed_seq"),))
