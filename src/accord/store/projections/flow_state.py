"""The segments that hold the current state of each flow, by role and in order."""

from __future__ import annotations

from collections.abc import Sequence

from accord.model.event import StoredEvent
from accord.store.attributes import mapping, text, texts
from accord.store.database import Transaction
from accord.store.projection import ColumnType, Projection, insert

COLUMNS: dict[str, ColumnType] = {"flow": "text", "role": "text", "position": "integer", "sha": "text", "seq": "integer"}
KEY = ("flow", "role", "position")
APPENDED = ("conflicts", "changes")  # records of what happened; every other role is a state that the next one replaces
_INSERT = insert("flow_state", COLUMNS)
_FOLD = 'DELETE FROM flow_state WHERE flow = ? AND role = ? AND "position" >= ? AND "position" < ?'


def apply(tx: Transaction, events: Sequence[StoredEvent]) -> None:
    """A role that an event does not name stays as it is; an empty list empties it. A flow that was renamed goes on with all of them.

    Of records ``folded`` says that those of some positions are in one segment together, which takes the place of the last of them.
    """
    for stored in events:
        flow = text(stored.event, "flow")
        if stored.event.type == "flow.renamed":
            tx.run("DELETE FROM flow_state WHERE flow = ?", flow)
            tx.run("UPDATE flow_state SET flow = ? WHERE flow = ?", flow, text(stored.event, "from"))
            continue
        for role, given in mapping(stored.event, "state").items():
            first = 0
            if role in APPENDED:
                (first,) = tx.rows('SELECT coalesce(max("position") + 1, 0) FROM flow_state WHERE flow = ? AND role = ?', flow, role)[0]
            else:
                tx.run("DELETE FROM flow_state WHERE flow = ? AND role = ?", flow, role)
            shas = texts(stored.event, f"state.{role}", given)
            tx.many(_INSERT, [(flow, role, position, sha, stored.seq) for position, sha in enumerate(shas, first)])
        for role, fold in mapping(stored.event, "folded").items():
            tx.run(_FOLD, flow, role, fold["after"], fold["until"])
            tx.run(_INSERT, flow, role, fold["until"] - 1, fold["sha"], stored.seq)


PROJECTION = Projection("flow_state", COLUMNS, KEY, apply, types=("flow.run_finished", "flow.renamed"), indexes=(("flow", "sha"),))
