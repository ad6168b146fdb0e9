"""``entity_<name>``: the agreed rows of an entity, in its canonical fields and types."""

from __future__ import annotations

from accord.connectors.types import quote
from accord.measure.sources import Sources, View, empty, entity_columns, parquet_columns, typed
from accord.store.folding import folded


def build(entity: str, sources: Sources) -> View:
    """The view; when several flows keep the entity, the first one that holds a key gives its row.

    Raises:
        UnknownName: the map has no such entity.
    """
    columns = entity_columns(sources.map, entity)
    flows = [flow.name for flow in sources.map.flows.values() if flow.entity == entity]
    held = {flow: paths for flow in flows if (paths := sources.segments(flow, "golden"))}
    if not flows:
        return View(empty(columns), why_empty=f"no flow keeps the entity '{entity}'")
    if not held:
        return View(empty(columns), why_empty=f"flow '{flows[0]}', which keeps the entity '{entity}', has not run yet")
    parts, key = [], sources.map.entities[entity].key
    for order, paths in enumerate(held.values()):
        present = parquet_columns(paths)
        parts.append(typed(columns, {c: quote(c) for c in columns if c in present}, f", {order} AS _order FROM ({folded(paths, key)})"))
    names = ", ".join(map(quote, columns))
    sql = f"SELECT {names} FROM ({' UNION ALL '.join(parts)})"
    if len(parts) > 1:
        sql += f" QUALIFY row_number() OVER (PARTITION BY {', '.join(map(quote, key))} ORDER BY _order) = 1"
    return View(sql, why_empty=f"flow '{next(iter(held))}' agreed on no row of '{entity}'")
