"""Segments that events name; each must be there until the log says that it was let go.

``passing`` are those of a state that the next one replaces, of records that one segment holds together later, and of intents: once
nothing asks for them, ``segment.released`` names them. All others are kept for as long as the log is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from accord.model.event import Event, StoredEvent
from accord.store.attributes import mapping, optional_text, text, texts
from accord.store.database import Transaction
from accord.store.projection import ColumnType, Projection, upsert

COLUMNS: dict[str, ColumnType] = {"sha": "text", "use": "text", "flow": "text", "passing": "integer", "first_seq": "integer"}
KEY = ("sha", "use", "flow")
# Event type → its attributes that name segments, as one name, a list, or names and lists by role.
_NAMED = {
    "flow.run_finished": ("state",),
    "flow.intended": ("segments", "conflicts", "agreed", "due", "stands", "made"),
    "flow.applying": ("left", "links"),
    "flow.applied": ("left",),
    "flow.reconciled": ("differences",),
    "check.evaluated": ("gaps",),
    "log.imported": ("sha", "quarantine"),
    "entity.observed": ("sha",),
    "baseline.frozen": ("sha",),
    "start.watched": ("known",),
    "segment.released": ("persons",),
    **dict.fromkeys(
        ("identity.linked", "identity.proposed", "identity.withdrawn", "identity.merged", "identity.unmerged", "identity.compacted"),
        ("state",),
    ),
}
_PASSING = frozenset({"flow.run_finished", "flow.intended", "flow.applying", "flow.applied"})
ROWS_KEPT = "rows_kept"
"""Attribute of ``flow.run_finished``: what lost to a delete is recorded with the row. Before it, the row was looked for in older states."""
# What was named once as kept stays so.
_FIRST = upsert("segment", COLUMNS, KEY, keep=("passing", "first_seq"))
_LET_GO = "DELETE FROM segment WHERE sha = ? AND flow = ?"
_TWICE = "DELETE FROM segment WHERE flow = ? AND (sha, use) IN (SELECT sha, use FROM segment WHERE flow = ?)"


def apply(tx: Transaction, events: Sequence[StoredEvent]) -> None:
    """``use`` is event type and role or attribute, such as ``flow.run_finished golden``; ``first_seq`` the first event that named it so."""
    found: list[tuple[str, str, str, int, int]] = []
    for stored in events:
        event = stored.event
        if event.type in ("flow.renamed", "segment.released"):
            tx.many(_FIRST, found)
            found = []
        if event.type == "flow.renamed":
            new, old = text(event, "flow"), text(event, "from")
            tx.run(_TWICE, new, old)
            tx.run("UPDATE segment SET flow = ? WHERE flow = ?", new, old)
            continue
        flow = optional_text(event, "flow") or ""
        if event.type == "segment.released":
            tx.many(_LET_GO, [(sha, flow) for sha in texts(event, "segments", event.attributes.get("segments"))])
        found += [(sha, use, flow, int(_passes(event, use)), stored.seq) for sha, use in _named(event)]
    tx.many(_FIRST, found)


def _named(event: Event) -> Iterator[tuple[str, str]]:
    for name in _NAMED[event.type]:
        given = event.attributes.get(name) or None
        if isinstance(given, dict):
            for role, shas in given.items():
                yield from ((sha, f"{event.type} {role}") for sha in texts(event, role, shas or None))
        else:
            yield from ((sha, f"{event.type} {name}") for sha in texts(event, name, given))
    if event.type == "flow.run_finished":
        yield from ((str(fold["sha"]), f"{event.type} {role}") for role, fold in mapping(event, "folded").items())


def _passes(event: Event, use: str) -> bool:
    return event.type in _PASSING and (use != "flow.run_finished golden" or ROWS_KEPT in event.attributes)


PROJECTION = Projection("segment", COLUMNS, KEY, apply, types=(*_NAMED, "flow.renamed"), partial={("flow",): "passing = 1"})
