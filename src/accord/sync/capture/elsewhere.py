"""Systems that are read from another place than at the flow's last run: what was agreed may have been agreed with another world.

A map tried with a test database, a copy of a map in the same folder, a wrong address: the rows there were never agreed, and each that
differs would count as an edit and go to every other system. A system that was moved shows what it showed before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Final
from urllib.parse import urlsplit

from accord.connectors.types import quote
from accord.model.errors import GuardStopped
from accord.sync.apply.guard import ALWAYS_ALLOWED_ROWS
from accord.sync.cycle import Cycle, Side, join_on
from accord.sync.identity.own_key import agreed_with

PLACES: Final = "places"
_OTHER: Final = Fraction(1, 2)  # of the agreed rows: edits that came with a move are fewer
_WAY_OUT: Final = (
    "If this is another world, such as a test, give it a workspace of its own (--workspace), or a store (--store). "
    "If the system was moved, bring its rows there first, or have one run with direction: write fill it. "
    "If all of these are edits, run again with --allow-deletes."
)


def note_places(cycle: Cycle, previous: Mapping[str, Any]) -> None:
    """Mark the sides that are elsewhere than at the flow's last run, and note where all are for the next one."""
    then, now = previous.get(PLACES, {}), {side.name: _place(side) for side in cycle.sides}
    for side in cycle.sides:
        side.elsewhere = then.get(side.name, now[side.name]) != now[side.name]
    cycle.notes[PLACES] = {**then, **now}


def check_elsewhere(cycle: Cycle) -> None:
    """Refuse to take what another place shows for edits of what was agreed, where that would be most of it.

    Args:
        cycle: sides are captured, identities not yet known.

    Raises:
        GuardStopped: more than half of the rows agreed with a side that moved (and more than 5) are gone or other there.
    """
    for side in cycle.sides:
        if side.restored or not (side.elsewhere and side.readable):
            continue
        others, agreed = others_of(cycle, side)
        if others > ALWAYS_ALLOWED_ROWS and others > _OTHER * agreed:
            what = f"flow '{cycle.flow.name}': '{side.name}' is at another place than in the last run, and of {agreed} rows agreed with it"
            raise GuardStopped("moved system", f"{what} {others} are not there, or have other values", _WAY_OUT)


def _place(side: Side) -> str:
    """SHA-256 of where its rows are, without the credentials it is asked with, which change by themselves."""
    system = side.connector.system
    at = system.at
    if "://" in at:
        parts = urlsplit(at)
        at = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
    return hashlib.sha256(repr((system.connector, at, side.binding.resource)).encode()).hexdigest()[:16]


def others_of(cycle: Cycle, side: Side) -> tuple[int, int]:
    """Agreed rows that it shows no more, or with another value; and agreed rows in all."""
    agreed = agreed_with(cycle, side)
    fields = [f for f in side.fields if f not in cycle.keys and f not in side.fresh and not side.codes[f].constant]
    same = " AND ".join([join_on(cycle.keys, "c", "b"), *(f"c.{quote(f)} IS NOT DISTINCT FROM b.{quote(f)}" for f in fields)])
    rows = cycle.count(f"SELECT count(*) FROM {agreed} b WHERE NOT b._gone")
    kept = cycle.count(f"SELECT count(*) FROM {agreed} b WHERE NOT b._gone AND EXISTS (FROM {side.table('cap')} c WHERE {same})")
    return rows - kept, rows
