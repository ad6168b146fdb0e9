"""What an import gives back, and the columns of an imported log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

# An imported log, whatever it came from. ``seq`` is the order of the source; ``case_id`` is null for object-centric logs.
COLUMNS: Mapping[str, str] = {
    "event_id": "VARCHAR",
    "seq": "BIGINT",
    "activity": "VARCHAR",
    "time": "TIMESTAMPTZ",
    "case_id": "VARCHAR",
    "resource": "VARCHAR",
    "team": "VARCHAR",
    "start_at": "TIMESTAMPTZ",
    "attributes": "VARCHAR",
    "objects": 'STRUCT("type" VARCHAR, id VARCHAR, qualifier VARCHAR)[]',
}


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that was kept back: where it stands (line of a text file, row of a table, both from 1) and why."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What an import did; ``changed`` is false when this very file was already imported with this mapping.

    ``quarantined`` rows wait in a segment of their own; ``bad_rows`` shows the first few. ``notes`` tells whatever else was left out.
    """

    log: str
    changed: bool
    events: int
    cases: int
    sha: str
    source: str
    first: datetime | None = None
    last: datetime | None = None
    quarantined: int = 0
    bad_rows: tuple[BadRow, ...] = ()
    notes: tuple[str, ...] = ()
