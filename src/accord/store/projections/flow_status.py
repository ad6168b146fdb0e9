"""How each flow stands: its last run, its last success, and what a continuous watch last said about it."""

from __future__ import annotations

from collections.abc import Sequence

from accord.model.event import StoredEvent
from accord.store.attributes import optional_text, stamp, text
from accord.store.database import Transaction
from accord.store.projection import ColumnType, Projection

COLUMNS: dict[str, ColumnType] = {
    "flow": "text",
    "state": "text",
    "reason": "text",
    "last_run": "text",
    "last_status": "text",
    "last_at": "time",
    "last_success_at": "time",
}
KEY = ("flow",)
_ADD = "INSERT INTO flow_status (flow, state, reason) VALUES (?, 'waiting', '') ON CONFLICT (flow) DO NOTHING"
_RAN = "UPDATE flow_status SET last_run = ?, last_status = ?, last_at = ? WHERE flow = ?"
# A run that succeeded, by hand or in a watch, is the answer to what a flow was parked or backing off for.
_SUCCEEDED = "UPDATE flow_status SET last_success_at = ?, state = 'waiting', reason = '' WHERE flow = ?"
_STATE = "UPDATE flow_status SET state = ?, reason = ? WHERE flow = ?"


def apply(tx: Transaction, events: Sequence[StoredEvent]) -> None:
    """Runs and states in the order of the log."""
    for stored in events:
        event, flow = stored.event, text(stored.event, "flow")
        if event.type == "flow.renamed":
            tx.run("DELETE FROM flow_status WHERE flow = ?", flow)
            tx.run("UPDATE flow_status SET flow = ? WHERE flow = ?", flow, text(event, "from"))
            continue
        tx.run(_ADD, flow)
        if event.type == "flow.state_changed":
            tx.run(_STATE, text(event, "state"), optional_text(event, "reason") or "", flow)
            continue
        status = optional_text(event, "status") or ""
        tx.run(_RAN, optional_text(event, "run"), status, stamp(stored), flow)
        if status in ("done", "partial"):
            tx.run(_SUCCEEDED, stamp(stored), flow)


PROJECTION = Projection("flow_status", COLUMNS, KEY, apply, types=("flow.run_finished", "flow.state_changed", "flow.renamed"))
