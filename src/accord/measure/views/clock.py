"""``clock``: one row with the moment of measuring, so that a query can tell what is overdue."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC

from accord.measure.sources import Sources, View

COLUMNS: Mapping[str, str] = {"now": "TIMESTAMPTZ"}


def build(sources: Sources) -> View:
    """The view, for the moment the sources were opened."""
    moment = sources.now.astimezone(UTC).isoformat(timespec="microseconds")
    return View(f"SELECT TIMESTAMPTZ '{moment}' AS now")
