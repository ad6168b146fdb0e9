"""``work_instance``: each instance of a process that Accord carries out, open or ended."""

from __future__ import annotations

from collections.abc import Mapping

from accord.measure.sources import Sources, View, own_work

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
    return own_work(sources, COLUMNS, "work instances")
