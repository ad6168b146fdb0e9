"""Keys of ours for new rows that may be anybody's: they say who a row is once it is known that the row was made under them.

A number (``new_key: next``) is free only as far as anybody can tell. Between the moment it is looked up and the write somebody else may
take it, the row may be refused, or the run may die; whoever stands under it then is another thing. So a number is no link when it is given
out. The intent names it, and it becomes a link when the row was written, or when a later run knows that it was: by the log, by the target
itself (a receipt), or, where neither can tell, by the row: one that shows all that was to be written is ours, any other is somebody else's,
and is recognized like every row with an unknown key. So is a key made of values by SQL, but that, where nobody can tell, the row under it
is taken for ours: whoever wrote the rule says that these values make a key.

A key that the canonical id is in, or is, comes out the same the next time, and nobody else has it: it is a link before anything is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from accord.connectors.types import literal, quote
from accord.model.event import ObjectRef, StoredEvent
from accord.model.figure import Finding
from accord.sync.cycle import Cycle, Side, storage_type
from accord.sync.identity.links import resource_of
from accord.sync.identity.own_key import NEXT, note_links, open_keys, own_table
from accord.sync.state.base import load_segments
from accord.sync.state.finish import coarser

MADE = "made"
"""Attribute of ``flow.intended``: target → segment of ``own`` and ``canonical`` of the rows it is to get under numbers of ours."""


def made_keys(cycle: Cycle, sides: Sequence[Side]) -> dict[str, str]:
    """Of each of the sides that is to get rows under new numbers, the segment of these; what an intent names as ``made``."""
    found = {}
    for side in sides:
        unborn = _unborn(cycle, side, "plan", "_unfit IS NULL")
        if open_keys(cycle, side) and cycle.count(f"SELECT count(*) FROM ({unborn})"):
            found[side.name] = cycle.store.write_segment_from(cycle.con, f"{unborn} ORDER BY own").sha
    return found


def settle_made(cycle: Cycle, side: Side) -> None:
    """Link the rows just made to their numbers, and give up numbers that somebody else's row had by the time; after ``done_<i>`` is filled.

    A number that was taken is kept from being given out again in this run, in which the other's row may not have been seen.
    """
    if not open_keys(cycle, side) or not cycle.rows(side.table("done")):
        return
    resource = literal(resource_of(side.binding))
    done, stale = (_unborn(cycle, side, "done", f"_status = '{status}'") for status in ("done", "stale"))
    if cycle.count(f"SELECT count(*) FROM ({done})"):
        _link(cycle, side, done)
    if cycle.count(f"SELECT count(*) FROM ({stale})"):
        cycle.sql(f"INSERT INTO links (resource, own_key, rule) SELECT {resource}, own, 'taken' FROM ({stale})")
        cycle.sql(f"DELETE FROM {own_table(side)} WHERE _own IN (SELECT own_key FROM links WHERE resource = {resource} AND rule = 'taken')")


def take_made(cycle: Cycle) -> None:
    """Link the rows that runs which never finished are known to have made, or, where that cannot be known, show to have made."""
    for stored in cycle.intents:
        for target, sha in stored.event.attributes.get(MADE, {}).items():
            side = cycle.side(target)
            if side is None or not side.binding.own_key or not _is_open(cycle, stored, target):
                continue
            load_segments(cycle, "made", [cycle.store.read_segment(sha)], {"own": "VARCHAR", "canonical": "VARCHAR"})
            told = cycle.outcomes.get(stored.seq, {})
            known = f"own NOT IN (SELECT own_key FROM links WHERE resource = {literal(resource_of(side.binding))})"
            if target in told:
                _link(cycle, side, f"SELECT * FROM made WHERE {known} AND {_written(cycle, told[target])}")
            else:
                _link(cycle, side, f"SELECT * FROM made WHERE {known} AND {_shows(cycle, stored, side)}")
                if side.binding.new_key == NEXT:
                    _tell(cycle, side, known)


def await_others(cycle: Cycle) -> None:
    """Let rows with unknown keys wait that another flow may just have made: a run of it died, or is still writing.

    They have a ``reason`` in ``present`` then. That flow knows who they are, and says so in its next run; recognized here, they would be
    another thing, and that flow would make its own once more.
    """
    mine = {resource_of(s.binding): s.index for s in cycle.sides if s.binding.own_key}
    for flow in cycle.map.flows.values():
        if flow.entity != cycle.entity.name or flow.name == cycle.flow.name:
            continue
        places = {b.name: resource_of(b) for b in flow.bindings.values() if b.own_key and resource_of(b) in mine}
        for stored in cycle.store.pending_intents(flow.name, places):
            for target, sha in _announced(cycle, stored):
                if target in places:
                    why = f"identity: a run of flow '{flow.name}' was cut off when it may have made this row; its next run says who it is"
                    path = literal(str(cycle.store.read_segment(sha)))
                    cycle.sql(
                        f"UPDATE present SET reason = {literal(why)} WHERE side = {mine[places[target]]} AND canonical IS NULL "
                        f"AND own IN (SELECT COLUMNS(c -> c IN ('own', 'own_key')) FROM read_parquet({path}))"
                    )


def _announced(cycle: Cycle, stored: StoredEvent) -> Iterator[tuple[str, str]]:
    """Targets of another flow's intent, each with a segment of the keys of rows it is to get: numbers of ours, or given by itself."""
    yield from stored.event.attributes.get(MADE, {}).items()
    if stored.event.attributes.get("asked"):
        run = str(stored.event.attributes["run"])
        for event in (s.event for s in cycle.store.read(after=stored.seq, types=["flow.applying"], object=ObjectRef("run", run))):
            if event.attributes.get("links") and event.attributes["flow"] == stored.event.attributes["flow"]:
                yield str(event.attributes["target"]), str(event.attributes["links"])


def _unborn(cycle: Cycle, side: Side, table: str, which: str) -> str:
    """SQL of ``own`` and ``canonical`` of the inserts in ``plan_<i>`` or ``done_<i>`` whose number is no link."""
    key, resource = f"CAST(p.{quote(cycle.keys[0])} AS VARCHAR)", literal(resource_of(side.binding))
    return (
        f"SELECT o._own AS own, o._canonical AS canonical FROM {side.table(table)} p JOIN {own_table(side)} o ON o._canonical = {key} "
        f"WHERE p._op = 'insert' AND p.{which} AND o._own NOT IN (SELECT own_key FROM links WHERE resource = {resource})"
    )


def _link(cycle: Cycle, side: Side, rows: str) -> None:
    note_links(cycle, f"SELECT {literal(resource_of(side.binding))}, own, canonical, NULL, false, 'made', 1.0 FROM ({rows})")


def _is_open(cycle: Cycle, stored: StoredEvent, target: str) -> bool:
    """Whether no run has taken up what the intent meant to write there; else its links are noted, and may have been moved since."""
    found = cycle.store.rows("SELECT 1 FROM intent WHERE seq = ? AND target = ? AND closed_seq IS NULL", stored.seq, target)
    return bool(found)


def _written(cycle: Cycle, left: str | None) -> str:
    """SQL condition on ``made``: its row was made, when its system took all but the rows of a segment; ``None``: it took nothing."""
    if left is None:
        return "false"
    key = cycle.keys[0]
    load_segments(cycle, "left_over", [cycle.store.read_segment(left)] if left else [], {key: storage_type(cycle.entity, key)})
    return f"canonical NOT IN (SELECT CAST({quote(key)} AS VARCHAR) FROM left_over)"


def _shows(cycle: Cycle, stored: StoredEvent, side: Side) -> str:
    """SQL condition on ``made``: under its number stands what the intent meant to write there; under a key made of values, any row."""
    if side.binding.new_key != NEXT:
        return f"own IN (SELECT CAST({quote(cycle.keys[0])} AS VARCHAR) FROM {side.table('cap')})"
    key, rest = quote(cycle.keys[0]), [f for f in side.codes if f not in cycle.keys]
    kinds = {f: storage_type(cycle.entity, f) for f in (cycle.keys[0], *rest)}
    sha = stored.event.attributes["segments"].get(side.name)
    load_segments(cycle, "meant", [cycle.store.read_segment(sha)] if sha else [], {**kinds, "_op": "VARCHAR", "_set": "VARCHAR[]"})
    same = [
        f"(NOT list_contains(w._set, {literal(f)}) OR c.{quote(f)} IS NOT DISTINCT FROM w.{quote(f)} "
        f"OR coalesce({coarser(cycle.entity, f, f'w.{quote(f)}', f'c.{quote(f)}')}, false))"
        for f in rest
    ]
    alike = " AND ".join(["w._op = 'insert'", *same])
    return (
        f"EXISTS (FROM meant w, {side.table('cap')} c WHERE CAST(w.{key} AS VARCHAR) = made.canonical "
        f"AND CAST(c.{key} AS VARCHAR) = made.own AND {alike})"
    )


def _tell(cycle: Cycle, side: Side, known: str) -> None:
    """Say which rows stand under numbers of a run that died and show something else: nobody could tell for sure whose they are."""
    shown = f"SELECT CAST({quote(cycle.keys[0])} AS VARCHAR) FROM {side.table('cap')}"
    if count := cycle.count(f"SELECT count(*) FROM made WHERE {known} AND own IN ({shown})"):
        subject = f"{side.binding.holder}/{side.binding.resource}"
        what = f"{count} rows of {subject} stand under numbers that a run which died had chosen for others, and show other values"
        sentence = f"flow '{cycle.flow.name}': {what}; they are taken for somebody else's."
        cycle.findings.append(Finding("identity", subject, sentence, "warning", count))
