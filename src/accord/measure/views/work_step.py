"""``work_step``: each step that was done in a process that Accord carries out; ``attributes`` holds what it gave, under ``variables``."""

from __future__ import annotations

from collections.abc import Mapping

from accord.measure.sources import Sources, View, own_work

COLUMNS: Mapping[str, str] = {
    "process": "VARCHAR",
    "instance": "VARCHAR",
    "case_id": "VARCHAR",
    "seq": "BIGINT",
    "activity": "VARCHAR",
    "team": "VARCHAR",
    "start_at": "TIMESTAMPTZ",
    "complete_at": "TIMESTAMPTZ",
    "event_type": "VARCHAR",
    "attributes": "VARCHAR",
}


def build(sources: Sources) -> View:
    """The view over the log of Accord's own work; what systems recorded is not in it."""
    return own_work(sources, COLUMNS, "work log", why_empty="no step was done")
