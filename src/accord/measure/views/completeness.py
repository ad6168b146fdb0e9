"""``completeness``: per entity and field, how many of the agreed rows hold a value."""

from __future__ import annotations

from collections.abc import Mapping

from accord.connectors.types import literal, quote
from accord.measure.sources import Sources, View, empty
from accord.model.entity import Entity

COLUMNS: Mapping[str, str] = {"entity": "VARCHAR", "field": "VARCHAR", "required": "BOOLEAN", "rows": "BIGINT", "filled": "BIGINT"}


def build(sources: Sources) -> View:
    """The view over all entities that a flow keeps."""
    kept = {flow.entity for flow in sources.map.flows.values()}
    entities = [e for e in sources.map.entities.values() if e.name in kept]
    if not entities:
        return View(empty(COLUMNS), why_empty="no flow keeps any entity")
    return View(" UNION ALL ".join(map(_of, entities)), tuple(f"entity_{e.name}" for e in entities), "no flow has run yet")


def _of(entity: Entity) -> str:
    view = quote(f"entity_{entity.name}")
    fields = ", ".join(
        f"{{'field': {literal(f.name)}, 'required': {str(f.required or f.name in entity.key).lower()}, 'filled': count({quote(f.name)})}}"
        for f in entity.fields.values()
    )
    counted = f"SELECT count(*) AS n, [{fields}] AS fields FROM {view}"
    return (
        f"SELECT {literal(entity.name)} AS entity, f.field AS field, f.required AS required, n AS rows, f.filled AS filled "
        f"FROM ({counted}), unnest(fields) AS u(f) WHERE n > 0"
    )
