"""Rows that a list shows other than agreed, asked for one by one where the list is known to lag behind what was written."""

from __future__ import annotations

from dataclasses import replace

from accord.connectors.protocol import Lagging
from accord.connectors.types import literal, quote
from accord.model.errors import SystemChanged
from accord.model.figure import Finding
from accord.sync.capture.moved import make_native
from accord.sync.capture.read import capture
from accord.sync.cycle import Cycle, Side, key_json, names

_ASKED = 2000  # added to a side's index for the tables of what was asked for


def ask_again(cycle: Cycle) -> None:
    """Put the single rows in the place of those that a late list shows otherwise than agreed, shows no more, or shows again.

    Believed as it is, such a list would have the old value of what we wrote spread back, a row we made deleted, and one we deleted made.

    Raises:
        SystemChanged: the single rows have other columns than those of the list.
    """
    for side in cycle.sides:
        base = side.table("stored_base")
        if not cycle.rows(base) or not (most := _at_once(cycle, side)) or not _doubted(cycle, side, base):
            continue
        cycle.progress(f"{cycle.flow.name}: asking {side.name} for single rows")
        _ask(cycle, side, most)
        side.rows, side.doubled = cycle.count(f"SELECT count(*) FROM {side.table('cap')}"), None


def ask_about_differences(cycle: Cycle) -> bool:
    """The same for what a proof is about to call a difference; false where no list is known to lag behind, or nothing differs.

    Raises:
        SystemChanged: the single rows have other columns than those of the list.
    """
    asked, shown = False, " UNION ".join(f"SELECT {names(cycle.keys)} FROM {side.table('cap')}" for side in cycle.sides)
    for side in cycle.sides:
        most, cap = _at_once(cycle, side), side.table("cap")
        about = f'SELECT key FROM differences WHERE {literal(side.name)} IN ("left", "right")'
        if not most or not cycle.make("doubted", f"SELECT * FROM ({shown}) WHERE {key_json(cycle.keys)} IN ({about})"):
            continue
        cycle.progress(f"{cycle.flow.name}: asking {side.name} for single rows")
        before = cycle.count(f"SELECT count(*) FROM {cap}")
        _ask(cycle, side, most)
        side.rows += cycle.count(f"SELECT count(*) FROM {cap}") - before
        asked = True
    return asked


def _at_once(cycle: Cycle, side: Side) -> int:
    """How many rows may be asked for at once; 0 where the list counts as it is."""
    connector = side.connector
    most = connector.asked_at_once(side.binding.resource) if isinstance(connector, Lagging) else 0
    if most and side.binding.own_key:
        _without_effect(cycle, side, "the flow knows its rows by own_key. Without it a late list may undo what was just written")
        return 0
    return most


def _ask(cycle: Cycle, side: Side, most: int) -> None:
    for start in range(0, cycle.rows("doubted"), most):
        cycle.make("doubted_part", f"SELECT * FROM doubted ORDER BY ALL LIMIT {most} OFFSET {start}")
        if not _replace(cycle, side):
            _without_effect(cycle, side, "by this mapping a key may stand for several keys there. Map the key as it is")
            break


def _without_effect(cycle: Cycle, side: Side, why: str) -> None:
    subject = f"{side.binding.holder}/{side.binding.resource}"
    cycle.findings.append(
        Finding("late_lists", subject, f"flow '{cycle.flow.name}': {subject}: late_lists is without effect, because {why}.")
    )


def _doubted(cycle: Cycle, side: Side, base: str) -> int:
    """Fill ``doubted`` with the keys that are not as agreed; returns how many."""
    fields = [f for f in side.fields if f not in cycle.keys]
    differs = " OR ".join(f"c.{quote(f)} IS DISTINCT FROM b.{quote(f)}" for f in fields) or "false"
    some = " AND ".join(f"{quote(k)} IS NOT NULL" for k in cycle.keys)
    agreed = f"(SELECT * FROM {base} WHERE NOT _gone)"
    return cycle.make(
        "doubted",
        f"SELECT DISTINCT {names(cycle.keys)} FROM {side.table('cap')} c FULL JOIN {agreed} b {cycle.using()} "
        f"WHERE ({some}) AND (c.rowid IS NULL OR b._gone IS NULL OR {differs})",
    )


def _replace(cycle: Cycle, side: Side) -> bool:
    """Let the rows of ``doubted_part`` in ``cap_<i>`` be what the system answers when it is asked for each; false where it cannot be."""
    asked, cap, keys = replace(side, index=side.index + _ASKED, codes={}, columns={}), side.table("cap"), names(cycle.keys)
    native = make_native(cycle, asked, "doubted_part", side.columns)
    if not native:
        return False
    capture(cycle.con, cycle.entity, asked, drift="evolve", may_create=False, among="doubted_part", native=native)
    if cycle.sql(f"DESCRIBE {cap}") != cycle.sql(f"DESCRIBE {asked.table('cap')}"):
        raise SystemChanged(side.binding.holder, side.binding.resource, "its single rows have other columns than its list")
    cycle.sql(f"DELETE FROM {cap} WHERE ({keys}) IN (SELECT ({keys}) FROM doubted_part)")
    cycle.sql(f"INSERT INTO {cap} BY NAME SELECT * FROM {asked.table('cap')}")
    return True
