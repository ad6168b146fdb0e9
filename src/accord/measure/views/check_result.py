"""``check_result``: how often each check of each flow failed when the flow was last validated (``accord quality``, step integrate)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from accord.connectors.types import literal, quote
from accord.measure.sources import Sources, View, empty

COLUMNS: Mapping[str, str] = {
    "flow": "VARCHAR",
    "entity": "VARCHAR",
    "binding": "VARCHAR",
    "dimension": "VARCHAR",
    "check": "VARCHAR",
    "field": "VARCHAR",
    "owner": "VARCHAR",
    "asked": "BIGINT",
    "bad": "BIGINT",
    "evaluated_at": "TIMESTAMPTZ",
}


def build(sources: Sources) -> View:
    """The view, of the flows the map still has."""
    last = {str(e.event.attributes["flow"]): e.event for e in sources.store.read(types=["check.evaluated"])}
    rows = [
        _row({**check, "flow": flow, "entity": event.attributes["entity"], "evaluated_at": event.time.isoformat()})
        for flow in sources.map.flows
        if (event := last.get(sources.stands(flow))) is not None
        for check in event.attributes["checks"]
    ]
    if not rows:
        return View(empty(COLUMNS), why_empty="no flow was validated yet: accord quality, or accord integrate")
    return View(f"SELECT * FROM (VALUES {', '.join(rows)}) t({', '.join(map(quote, COLUMNS))})", why_empty="no check had anything to ask")


def _row(values: Mapping[str, Any]) -> str:
    return f"({', '.join(f'CAST({literal(str(values[name]))} AS {type_})' for name, type_ in COLUMNS.items())})"
