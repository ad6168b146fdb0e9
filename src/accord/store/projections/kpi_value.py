"""Every value a KPI ever had; the view ``kpi_latest`` holds the last one per KPI, dimensions and window."""

from __future__ import annotations

from collections.abc import Sequence

from accord.model.event import Event, StoredEvent
from accord.store.attributes import integer, mapping, optional_text, packed, real, stamp, text
from accord.store.database import Transaction, Value
from accord.store.projection import ColumnType, Projection, insert

COLUMNS: dict[str, ColumnType] = {
    "seq": "integer",
    "kpi": "text",
    "dims": "json",
    "window": "text",
    "value": "real",
    "unit": "text",
    "n": "integer",
    "low": "real",
    "high": "real",
    "not_measured": "text",
    "evidence": "json",
    "map_hash": "text",
    "run": "text",
    "covers": "json",
    "measured_at": "time",
}
KEY = ("seq",)
_INSERT = insert("kpi_value", COLUMNS)
_LATEST = """
SELECT * FROM kpi_value AS v
WHERE v.seq = (SELECT max(o.seq) FROM kpi_value AS o WHERE o.kpi = v.kpi AND o.dims = v.dims AND o."window" = v."window")
"""


def apply(tx: Transaction, events: Sequence[StoredEvent]) -> None:
    """One row per measurement."""
    tx.many(_INSERT, [_row(stored.seq, stored.event, stamp(stored)) for stored in events])


def _row(seq: int, event: Event, when: str) -> tuple[Value, ...]:
    return (
        seq,
        text(event, "kpi"),
        packed(mapping(event, "dims")),
        optional_text(event, "window") or "",
        real(event, "value"),
        optional_text(event, "unit") or "",
        integer(event, "n"),
        real(event, "low"),
        real(event, "high"),
        optional_text(event, "not_measured") or "",
        packed(event.attributes.get("evidence") or []),
        optional_text(event, "map_hash"),
        optional_text(event, "run"),
        packed(event.attributes.get("covers") or []),
        when,
    )


PROJECTION = Projection(
    "kpi_value", COLUMNS, KEY, apply, types=("kpi.measured",), indexes=(("kpi", "dims", "window", "seq"),), views={"kpi_latest": _LATEST}
)
