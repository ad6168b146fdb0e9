"""``review``: each review of the map for each period it is owed for, held or not."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from accord.connectors.types import literal, quote
from accord.measure.sources import Sources, View, empty
from accord.model.reviews import owed_periods, reviews_of

COLUMNS: Mapping[str, str] = {
    "review": "VARCHAR",
    "period": "VARCHAR",
    "every": "VARCHAR",
    "owner": "VARCHAR",
    "due_at": "TIMESTAMPTZ",
    "until": "TIMESTAMPTZ",
    "held_at": "TIMESTAMPTZ",
}
_SINCE = "SELECT since FROM review_schedule WHERE review = ? AND every = ?"
_ROWS = "SELECT period, every, owner, due_at, until, held_at FROM review WHERE review = ?"


def build(sources: Sources) -> View:
    """The view; a period that ended counts whether or not anybody looked since."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for review in reviews_of(sources.map).values():
        since = sources.store.rows(_SINCE, review.name, review.every)
        for period in owed_periods(review.every, datetime.fromisoformat(since[0][0]), sources.now, sources.map.timezone) if since else ():
            until = period.end + timedelta(seconds=review.within.seconds)
            times = {"due_at": period.end.isoformat(), "until": until.isoformat(), "held_at": None}
            given = {"review": review.name, "period": period.name, "every": review.every, "owner": review.owner}
            rows[review.name, period.name] = given | times
        for row in sources.store.rows(_ROWS, review.name):
            rows[review.name, row[0]] = dict(zip(COLUMNS, (review.name, *row), strict=True))
    if not rows:
        return View(empty(COLUMNS), why_empty="no review has fallen due yet")
    values = ", ".join(f"({', '.join(_value(row[name], type_) for name, type_ in COLUMNS.items())})" for row in rows.values())
    return View(f"SELECT * FROM (VALUES {values}) t({', '.join(map(quote, COLUMNS))})")


def _value(value: str | None, type_: str) -> str:
    return f"CAST({'NULL' if value is None else literal(value)} AS {type_})"
