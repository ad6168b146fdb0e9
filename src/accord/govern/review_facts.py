"""The figures a review looks at, taken from the store as they stand, and what moved since the review before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from accord.store.database import Rows

_KPIS = 'SELECT kpi, "window", value, unit, not_measured FROM kpi_latest WHERE dims = \'{}\' ORDER BY kpi, "window"'
_TARGETS = "SELECT target, verdict FROM target_result ORDER BY target"
_COUNTS = {
    "open conflicts": "SELECT count(*) FROM conflict WHERE status <> 'closed'",
    "flows that stand still": "SELECT count(*) FROM flow_status WHERE state = 'parked'",
    "problems found": "SELECT count(*) FROM finding WHERE severity = 'problem'",
    "warnings found": "SELECT count(*) FROM finding WHERE severity = 'warning'",
    "running instances": "SELECT count(*) FROM work_instance WHERE ended_at IS NULL",
    "stuck instances": "SELECT count(*) FROM work_instance WHERE status = 'stuck'",
    "handoffs on offer": "SELECT count(*) FROM handoff WHERE state IN ('offered', 'rejected')",
    "actions of reviews still open": "SELECT count(*) FROM review_action WHERE done_at IS NULL",
}
_OVERDUE = "SELECT count(*) FROM work_task WHERE ended_at IS NULL AND state IN ('offered', 'ready', 'started') AND due_at < ?"


@dataclass(frozen=True, slots=True)
class Moved:
    """A figure that is another one than at the review before; ``None``: it was not there."""

    what: str
    before: Any
    after: Any


def facts_of(rows: Rows, *, now: datetime) -> dict[str, Any]:
    """KPIs as last measured, verdicts on targets, and what is open, by name.

    Args:
        rows: the store.
        now: decides what is overdue, aware.
    """
    found: dict[str, Any] = {}
    for kpi, window, value, unit, missing in rows.rows(_KPIS):
        found[f"{kpi} ({window})" if window not in ("", "all") else kpi] = missing or (
            "" if value is None else f"{value:.6g} {unit}".strip()
        )
    found |= {f"target {target}": verdict for target, verdict in rows.rows(_TARGETS)}
    found |= {name: int(rows.rows(sql)[0][0]) for name, sql in _COUNTS.items()}
    found["overdue tasks"] = int(rows.rows(_OVERDUE, now.astimezone(UTC).isoformat(timespec="microseconds"))[0][0])
    return found


def moved_since(before: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[Moved, ...]:
    """What differs, by name; nothing when there was no review before."""
    if not before:
        return ()
    return tuple(Moved(name, before.get(name), now.get(name)) for name in sorted({*before, *now}) if before.get(name) != now.get(name))
