"""``work_time``: what each task of a process was in, and how long: offered, ready, started, queued, waiting, returned or dead."""

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
    "state": "VARCHAR",
    "from_at": "TIMESTAMPTZ",
    "to_at": "TIMESTAMPTZ",
}


def build(sources: Sources) -> View:
    """The view over the log of Accord's own work; what systems recorded is not in it."""
    return own_work(sources, COLUMNS, "work time")
