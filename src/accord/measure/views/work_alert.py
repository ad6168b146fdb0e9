"""``work_alert``: each time somebody was told that a task was not accepted or done in time, which was over at ``breach_at``."""

from __future__ import annotations

from collections.abc import Mapping

from accord.connectors.types import quote
from accord.measure.sources import Sources, View, empty, typed

COLUMNS: Mapping[str, str] = {
    "process": "VARCHAR",
    "instance": "VARCHAR",
    "case_id": "VARCHAR",
    "step": "VARCHAR",
    "team": "VARCHAR",
    "kind": "VARCHAR",
    "breach_at": "TIMESTAMPTZ",
    "alert_at": "TIMESTAMPTZ",
}


def build(sources: Sources) -> View:
    """The view over the log of Accord's own work; what systems recorded is not in it."""
    if not sources.work():
        return View(empty(COLUMNS), why_empty="no process was carried out")
    rows = typed(COLUMNS, {name: quote(name) for name in COLUMNS}, 'FROM "work alerts"')
    return View(rows, why_empty="nothing was overdue", tables=sources.work())
