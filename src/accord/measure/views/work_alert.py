"""``work_alert``: each time somebody was told that a task was not accepted or done in time, which was over at ``breach_at``."""

from __future__ import annotations

from collections.abc import Mapping

from accord.measure.sources import Sources, View, own_work

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
    return own_work(sources, COLUMNS, "work alerts", why_empty="nothing was overdue")
