"""``work_instance``: each instance of a process that Accord carries out, open or ended."""

from __future__ import annotations

from collections.abc import Mapping

from accord.connectors.types import quote
from accord.measure.sources import Sources, View, empty, typed

COLUMNS: Mapping[str, str] = {
    "process": "VARCHAR",
    "instance": "VARCHAR",
    "case_id": "VARCHAR",
    "parent": "VARCHAR",
    "status": "VARCHAR",
    "started_at": "TIMESTAMPTZ",
    "ended_at": "TIMESTAMPTZ",
}


def build(sources: Sources) -> View:
    """The view over the log of Accord's own work; what systems recorded is not in it."""
    if not sources.work():
        return View(empty(COLUMNS), why_empty="no process was carried out")
    rows = typed(COLUMNS, {name: quote(name) for name in COLUMNS}, 'FROM "work instances"')
    return View(rows, why_empty="no process was carried out", tables=sources.work())
