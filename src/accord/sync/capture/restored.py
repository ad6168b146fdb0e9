"""Systems that stand at an earlier state than the flow's last run left them in: restored from a backup, they show what was agreed once.

Each value from then would count as an edit and go to every other system. Rows alone do not tell one from the other, so a system has to
give evidence of its own: how far it says it has come, and what its log says of itself. A run that stops leaves what it saw in its last
event, for the runs after it: a system that goes on comes past the place where it was set back.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any, Final

from accord.connectors.protocol import Dated
from accord.connectors.types import literal
from accord.model.errors import GuardStopped
from accord.sync.apply.guard import ALWAYS_ALLOWED_ROWS
from accord.sync.capture.elsewhere import others_of
from accord.sync.cycle import Cycle, Side, key_json
from accord.sync.identity.own_key import agreed_with
from accord.sync.state.record import EARLIER

REACHED: Final = "reached"  # note of a run: side → how far its system had come when it ended
_WAY_OUT: Final = (
    "If it was restored from a backup, bring it up to what was agreed: accord sync --restored {system}{both} "
    "(accord plan --restored {system} shows all that would be written). "
    "If what it shows now is meant, run again with --allow-deletes; and say direction: read of one that newer copies take the place of."
)
_BOTH: Final = ", with direction: both in its binding for that run"


def find_restored(cycle: Cycle, previous: Mapping[str, Any]) -> None:
    """Mark the sides whose system stands at an earlier state than at the flow's last run; before anything is read."""
    then, told = previous.get(REACHED, {}), previous.get(EARLIER, {})
    now: dict[str, str] = {}
    for side in cycle.sides:
        before, reached = then.get(side.name), _reached(side) if side.name in then else None
        if reached is not None:
            now[side.name] = reached
        if side.elsewhere:
            continue  # what was noted is about another place
        side.earlier = str(told.get(side.name, ""))
        if before and reached and isinstance(side.connector, Dated) and not side.earlier:
            side.earlier = side.connector.set_back(side.binding.resource, before, reached, written=side.writable)
    cycle.notes[REACHED] = {**then, **now}


def note_reached(cycle: Cycle, written: Container[str] = ()) -> None:
    """Note for the next run how far the systems have come: of those that were written, and those it is not known of yet."""
    known = cycle.notes.get(REACHED, {})
    asked = {side.name: _reached(side) for side in cycle.sides if side.name in written or side.name not in known}
    cycle.notes[REACHED] = known | {name: reached for name, reached in asked.items() if reached is not None}


def check_restored(cycle: Cycle) -> None:
    """Refuse to take for edits what a system shows that was set back, where that is more than a few rows.

    Args:
        cycle: sides are captured, identities not yet known.

    Raises:
        GuardStopped: more than 5 of its rows are gone, other or new against what was agreed.
    """
    for side in cycle.sides:
        if side.restored or not (side.earlier and side.readable):
            continue
        others = others_of(cycle, side)[0] + (_new(cycle, side) if side.may_exist else 0)
        if others > ALWAYS_ALLOWED_ROWS:
            what = f"flow '{cycle.flow.name}': '{side.name}' stands at an earlier state than the last run left: {side.earlier}"
            todo = _WAY_OUT.format(system=side.binding.holder, both="" if side.writable else _BOTH)
            raise GuardStopped("restored system", f"{what}; {others} of its rows are gone, new or other than agreed", todo)


def told_of(cycle: Cycle) -> dict[str, dict[str, str]]:
    """What a run that fails leaves to the next one about systems that were set back."""
    told = {side.name: side.earlier for side in cycle.sides if side.earlier}
    return {EARLIER: told} if told else {}


def _new(cycle: Cycle, side: Side) -> int:
    """Rows it shows that were not agreed, and do not wait in quarantine."""
    rows = f"SELECT * FROM {side.table('cap')} ANTI JOIN (FROM {agreed_with(cycle, side)} WHERE NOT _gone) {cycle.using()}"
    waits = f"SELECT key FROM quarantine0 WHERE binding = {literal(side.name)} AND key IS NOT NULL"
    return cycle.count(f"SELECT count(*) FROM ({rows}) WHERE {key_json(cycle.keys)} NOT IN ({waits})")


def _reached(side: Side) -> str | None:
    try:
        return side.connector.reached(side.binding.resource) if isinstance(side.connector, Dated) else None
    except OSError:
        return None  # a file that may not be looked at, or is gone by now: whoever reads it says so better
