"""What an instance of a process knows: one row for each variable, the last value written."""

from __future__ import annotations

from collections.abc import Sequence

from accord.model.event import StoredEvent
from accord.store.attributes import mapping, packed, text
from accord.store.database import Transaction
from accord.store.projection import ColumnType, Projection, upsert

# ``inherited`` is 1 while it stands as it was given by the instance this one is part of.
COLUMNS: dict[str, ColumnType] = {"instance": "text", "name": "text", "value": "json", "inherited": "integer"}
KEY = ("instance", "name")
_SET = upsert("work_variable", COLUMNS, KEY)


def apply(tx: Transaction, events: Sequence[StoredEvent]) -> None:
    """Started with some, and each finished step may write more."""
    last: dict[tuple[str, str], tuple[str, int]] = {}
    for stored in events:
        instance, inherited = text(stored.event, "instance"), stored.event.attributes.get("inherited") or ()
        for name, value in mapping(stored.event, "variables").items():
            last[instance, name] = (packed(value), int(name in inherited))
    if last:
        tx.many(_SET, [(*key, *given) for key, given in last.items()])


PROJECTION = Projection(
    "work_variable",
    COLUMNS,
    KEY,
    apply,
    narrow=True,
    types=("process.started", "task.completed", "process.migrated", "process.given", "process.signalled", "process.resumed"),
)
