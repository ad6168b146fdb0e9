"""``change_target``: each change of a source with each target it had to reach, from the records synchronization leaves.

``freshness_seconds`` is how long a change took to be seen in the target, ``slo_seconds`` how long the flow allows. A pair that failed and
arrived in a later run has two records with the same ``captured_at``; it stands here once, as it arrived.
"""

from __future__ import annotations

from collections.abc import Mapping

from accord.connectors.types import quote
from accord.measure.sources import Sources, View, empty, typed
from accord.store.records import CHANGES, change_records

COLUMNS: Mapping[str, str] = {**CHANGES, "slo_seconds": "DOUBLE"}


def build(sources: Sources) -> View:
    """The view over all flows that have run."""
    parts = []
    for name, flow in sources.map.flows.items():
        paths = sources.segments(name, "changes")
        if paths:
            promised = {"slo_seconds": str(flow.freshness.seconds)}
            parts.append(typed(COLUMNS, {c: quote(c) for c in CHANGES} | promised, f"FROM {change_records(paths)}"))
    if not parts:
        why = "no flow of the map has carried a change yet" if sources.map.flows else "the map declares no flow"
        return View(empty(COLUMNS), why_empty=why)
    return View(_once(" UNION ALL ".join(parts)), why_empty="no change was due in any target")


def _once(records: str) -> str:
    """SQL of the records without failures that were made good later; few fail, so the many are passed over once and not sorted."""
    pair = "flow, key, source, target, captured_at"
    return (
        f"WITH record AS ({records}), failed AS (SELECT * FROM record WHERE verified = false), "
        f"arrived AS (SELECT DISTINCT {pair} FROM record SEMI JOIN failed USING ({pair}) WHERE verified) "
        f"SELECT * FROM record WHERE verified IS DISTINCT FROM false UNION ALL SELECT * FROM failed ANTI JOIN arrived USING ({pair})"
    )
