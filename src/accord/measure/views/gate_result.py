"""``gate_result``: each verdict of a gate, from the entity ``gate_result`` where the map has one, and from the gates Accord evaluated.

Of Accord's own, ``attempt`` counts the verdicts of one gate on one object, however the work came back to it.
"""

from __future__ import annotations

from collections.abc import Mapping

from accord.connectors.types import quote
from accord.measure.sources import Sources, View, empty, typed
from accord.measure.views.event_log import key_text

COLUMNS: Mapping[str, str] = {
    "process": "VARCHAR",
    "gate_result_id": "VARCHAR",
    "gate": "VARCHAR",
    "object": "VARCHAR",
    "team": "VARCHAR",
    "at": "TIMESTAMPTZ",
    "passed": "BOOLEAN",
    "score": "DOUBLE",
    "attempt": "BIGINT",
    "failed": "VARCHAR",
}
ENTITY = "gate_result"
_NEEDED = {"gate", "object", "at", "passed", "attempt"}


def build(sources: Sources) -> View:
    """The view over both; one that a flow keeps in a system too stands here once."""
    parts, needs, work = [], [], sources.work()
    entity = sources.map.entities.get(ENTITY)
    if entity is not None and set(entity.fields) >= _NEEDED:
        columns = {name: quote(name) for name in COLUMNS if name in entity.fields} | {"gate_result_id": key_text(entity)}
        own = f' WHERE {key_text(entity)} NOT IN (SELECT gate_result_id FROM "work gates")' if work else ""
        parts.append(typed(COLUMNS, columns, f"FROM {quote('entity_' + ENTITY)}{own}"))
        needs.append(f"entity_{ENTITY}")
    if work:
        parts.append(typed(COLUMNS, {name: quote(name) for name in COLUMNS}, 'FROM "work gates"'))
    if not parts:
        return View(empty(COLUMNS), why_empty=f"the map has no entity {ENTITY}, and no process was carried out")
    return View(" UNION ALL ".join(parts), tuple(needs), "no gate was evaluated", work)
