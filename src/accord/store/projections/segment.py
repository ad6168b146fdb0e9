"""Segments that events name as data they rest on; each must be there for as long as the log is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from accord.model.event import Event, StoredEvent
from accord.store.attributes import mapping, texts
from accord.store.database import Transaction
from accord.store.projection import ColumnType, Projection, upsert

COLUMNS: dict[str, ColumnType] = {"sha": "text", "use": "text", "first_seq": "integer"}
KEY = ("sha", "use")
_ONE = {"log.imported": "sha", "flow.reconciled": "differences", "check.evaluated": "gaps"}  # the attribute that names it
_FIRST = upsert("segment", COLUMNS, KEY, keep=("first_seq",))


def apply(tx: Transaction, events: Sequence[StoredEvent]) -> None:
    """``use`` is the event type and the role, such as ``flow.run_finished golden``; ``first_seq`` the first event that named it so."""
    tx.many(_FIRST, [(sha, use, stored.seq) for stored in events for sha, use in _named(stored.event)])


def _named(event: Event) -> Iterator[tuple[str, str]]:
    if event.type in _ONE:
        name = _ONE[event.type]
        yield from ((sha, f"{event.type} {name}") for sha in texts(event, name, event.attributes.get(name) or None))
    else:
        held = mapping(event, "segments" if event.type == "flow.intended" else "state")
        for role, given in held.items():
            yield from ((sha, f"{event.type} {role}") for sha in texts(event, role, given))
        yield from ((str(fold["sha"]), f"{event.type} {role}") for role, fold in mapping(event, "folded").items())


_FLOW = ("flow.intended", "flow.run_finished", *_ONE)
_IDENTITY = ("identity.linked", "identity.proposed", "identity.merged", "identity.unmerged", "identity.compacted")
PROJECTION = Projection("segment", COLUMNS, KEY, apply, types=(*_FLOW, *_IDENTITY))
