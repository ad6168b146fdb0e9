"""Runs of commands: started, and how they ended."""

from __future__ import annotations

from collections.abc import Sequence

from accord.model.event import StoredEvent
from accord.store.attributes import optional_text, real, stamp, text
from accord.store.database import Transaction
from accord.store.projection import ColumnType, Projection, upsert

COLUMNS: dict[str, ColumnType] = {
    "run": "text",
    "command": "text",
    "map_hash": "text",
    "status": "text",
    "seconds": "real",
    "started_at": "time",
    "finished_at": "time",
    "started_seq": "integer",
    "finished_seq": "integer",
}
KEY = ("run",)
_STARTED = upsert("run", COLUMNS, KEY)
_FINISHED = upsert("run", COLUMNS, KEY, keep=("command", "map_hash", "started_at", "started_seq"))


def apply(tx: Transaction, events: Sequence[StoredEvent]) -> None:
    """A run that started and has not finished has the status ``running``."""
    for stored in events:
        event, run = stored.event, text(stored.event, "run")
        if event.type == "run.started":
            command, map_hash = optional_text(event, "command"), optional_text(event, "map_hash")
            tx.run(_STARTED, run, command, map_hash, "running", None, stamp(stored), None, stored.seq, None)
        else:
            status = text(event, "status")
            tx.run(_FINISHED, run, None, None, status, real(event, "seconds"), None, stamp(stored), None, stored.seq)


PROJECTION = Projection("run", COLUMNS, KEY, apply, types=("run.started", "run.finished"))
