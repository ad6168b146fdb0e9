"""What an instance of a process knows: one row for each variable, the last value written."""

from __future__ import annotations

from collections.abc import Sequence

from accord.model.event import StoredEvent
from accord.store.attributes import mapping, packed, text
from accord.store.database import Transaction
from accord.store.projection import ColumnType, Projection, upsert

COLUMNS: dict[str, ColumnType] = {"instance": "text", "name": "text", "value": "json"}
KEY = ("instance", "name")
_SET = upsert("work_variable", COLUMNS, KEY)


def apply(tx: Transaction, events: Sequence[StoredEvent]) -> None:
    """Started with some, and each finished step may write more."""
    last: dict[tuple[str, str], str] = {}
    for stored in events:
        instance = text(stored.event, "instance")
        last.update({(instance, name): packed(value) for name, value in mapping(stored.event, "variables").items()})
    if last:
        tx.many(_SET, [(*key, value) for key, value in last.items()])


PROJECTION = Projection(
    "work_variable",
    COLUMNS,
    KEY,
    apply,
    narrow=True,
    types=("process.started", "task.completed", "process.migrated", "process.signalled", "process.resumed"),
)
