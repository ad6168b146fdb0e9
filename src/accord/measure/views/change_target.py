"""``change_target``: each change of a source with each target it had to reach, from the records synchronization leaves.

``freshness_seconds`` is how long a change took to be seen in the target, ``slo_seconds`` how long the flow allows.
"""

from __future__ import annotations

from collections.abc import Mapping

from accord.connectors.types import quote
from accord.measure.sources import Sources, View, empty, parquet, parquet_columns, typed
from accord.store.records import CHANGES

COLUMNS: Mapping[str, str] = {**CHANGES, "slo_seconds": "DOUBLE"}


def build(sources: Sources) -> View:
    """The view over all flows that have run."""
    parts = []
    for name, flow in sources.map.flows.items():
        paths = sources.segments(name, "changes")
        if paths:
            present = parquet_columns(paths)
            promised = {"slo_seconds": str(flow.freshness.seconds)}
            parts.append(typed(COLUMNS, {c: quote(c) for c in COLUMNS if c in present} | promised, f"FROM {parquet(paths)}"))
    if not parts:
        why = "no flow of the map has carried a change yet" if sources.map.flows else "the map declares no flow"
        return View(empty(COLUMNS), why_empty=why)
    return View(" UNION ALL ".join(parts), why_empty="no change was due in any target")
