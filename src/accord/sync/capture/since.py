"""What moved, told by a system that lists the rows changed since a time; deletes show in the next sweep, as ``sweep_every`` says."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from accord.connectors.protocol import Since
from accord.connectors.types import literal
from accord.sync.capture.moved import take_keys
from accord.sync.cycle import Cycle, Side
from accord.sync.merge.merge import moment_of


def may_ask_since(side: Side) -> bool:
    """Whether the map trusts a cursor of this side and its system can be asked by it."""
    return side.binding.capture == "cursor" and isinstance(side.connector, Since)


def read_since(cycle: Cycle, side: Side, previous: Mapping[str, Any]) -> bool:
    """Fill ``moved_<i>`` with the keys changed since the last run; false when the system cannot say, and all rows have to be read."""
    mark = previous.get("since", {}).get(side.name)
    if mark is None or not isinstance(side.connector, Since):
        return False
    since = datetime.fromisoformat(mark) - timedelta(seconds=side.binding.overlap.seconds)
    cycle.progress(f"{cycle.flow.name}: asking {side.name} what changed since {since:%Y-%m-%d %H:%M:%S}")
    relation = side.connector.scan_since(cycle.con, side.binding.resource, f"{since:%Y-%m-%dT%H:%M:%SZ}")
    return relation is not None and take_keys(cycle, side, relation)


def note_since(cycle: Cycle) -> None:
    """Keep for the next run the youngest change each side showed, less the time its reading took.

    Without that a row changed on a page already read, before one on a page not yet read, would be passed over. So would all that comes
    before a date that lies ahead (a slip of the pen, a clock that was wrong for a day): such dates do not count.
    """
    if cycle.limited:  # the rows it let be are not looked at yet
        return
    for side in cycle.sides:
        if not (may_ask_since(side) and isinstance(side.connector, Since)):
            continue
        moment, now = moment_of(side, "c"), literal(cycle.now.isoformat())
        ((youngest,),) = cycle.sql(f"SELECT epoch(max({moment})) FROM {side.table('cap')} c WHERE {moment} <= TIMESTAMPTZ {now}")
        took = max(cycle.seconds, side.connector.reading_seconds(side.binding.resource))
        known = dict(cycle.notes.get("since", {}))
        before = datetime.fromisoformat(known.pop(side.name)) if side.name in known else None
        marks = [] if youngest is None else [datetime.fromtimestamp(float(str(youngest)) - took, UTC)]
        if before is not None and before <= cycle.now:
            marks.append(before)  # a partial reading shows only some rows; the mark never moves back
        cycle.notes["since"] = known | ({side.name: max(marks).isoformat()} if marks else {})
