"""What a first load leaves in the store: bases, agreed rows, quarantine and change records."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import pyarrow as pa

from accord.connectors.types import literal, quote
from accord.sync.capture.moved import key_types
from accord.sync.cycle import Cycle, Side, key_json, names, storage_type
from accord.sync.judge.judge import contract_findings
from accord.sync.judge.quarantine import make_waiting
from accord.sync.load.keep import Held, Place
from accord.sync.load.pour import Tally
from accord.sync.load.query import REASONS, ROW, Shape, changes_query
from accord.sync.result import FlowResult
from accord.sync.state.changes import note_quarantined

_COUNTS = ("inserted", "updated", "deleted", "unchanged", "refused", "stale", "quarantined", "released", "conflicts", "changes", "verified")


def base_columns(cycle: Cycle, side: Side, shown: Mapping[str, str] | None) -> Held:
    """Where in the stream a side's base is; fields it does not hold are null.

    Args:
        cycle: the cycle.
        side: whose base.
        shown: canonical field: column of the stream, of a side that was written; ``None`` for the one that was read.
    """
    held = shown if shown is not None else {n: n for n in side.codes}
    always = {} if shown is None else {c.name: c.read for c in side.codes.values() if c.constant}
    return tuple(Place(field, held.get(field), always.get(field, "NULL")) for field in cycle.fields)


def golden_columns(cycle: Cycle, source: Side) -> Held:
    """Where in the stream the agreed rows are.

    With the marks of a base, which readers of agreed rows do not ask for, so that one segment can be both.
    """
    return base_columns(cycle, source, None)


def note_loaded(cycle: Cycle, target: Side, marks: Mapping[str, str], stamps: Mapping[str, tuple[str, int]]) -> None:
    """What lets the next run tell which rows were written since, without reading them.

    Args:
        cycle: the cycle.
        target: the side that was written; its stamp is a transaction, which a reader of its log may leave out.
        marks: by side the mark of its row versions before anything was read or written.
        stamps: by side when its rows were read or written, and how many they were.
    """
    cycle.notes["marks"] = {name: mark for name, mark in marks.items() if mark}
    logged = {side.name for side in cycle.sides if side.binding.capture == "cdc"}
    cycle.notes["fills"] = {
        name: {"stamp": stamp, "rows": rows, "written": name == target.name}
        for name, (stamp, rows) in stamps.items()
        if stamp and (marks[name] or name in logged)
    }


def note_refused(cycle: Cycle, source: Side, target: Side, tally: Tally) -> None:
    """Tables ``refused`` (rows that break the contract), ``quarantine``, and ``bad_<i>`` as the findings are told from."""
    fields = {f: storage_type(cycle.entity, f) for f in cycle.fields}
    columns = {**fields, REASONS: "VARCHAR[]", ROW: "VARCHAR"}
    cycle.sql(f"CREATE OR REPLACE TABLE refused ({', '.join(f'{quote(c)} {t}' for c, t in columns.items())})")
    if tally.refused:
        cycle.con.register("refused_batches", pa.Table.from_batches(tally.refused))
        cycle.sql(f"INSERT INTO refused SELECT {names(columns)} FROM refused_batches")
        cycle.con.unregister("refused_batches")
    for side in (source, target):
        held = "true" if side is source else "false"
        cycle.make(side.table("bad"), f"SELECT rowid AS rid, {REASONS} AS reasons, false AS ambiguous FROM refused WHERE {held}")
    present = " AND ".join(f"{quote(k)} IS NOT NULL" for k in cycle.keys)
    told = f"{literal(cycle.flow.name)} AS flow, {literal(source.name)} AS binding"
    looked = "NULL" if source.binding.capture == "cursor" else "[]"  # none of them took the place of a row that was agreed
    cycle.make(
        "quarantine",
        f"""
        SELECT {told}, CASE WHEN {present} THEN {key_json(cycle.keys)} END AS key, {REASONS} AS reasons, {ROW} AS row,
            md5({ROW}) AS row_hash, $now::TIMESTAMPTZ AS since, {looked}::VARCHAR[] AS keeps
        FROM refused""",
        {"now": cycle.now},
    )
    make_waiting(cycle)


def finish(
    cycle: Cycle, source: Side, target: Side, shas: Mapping[Held, str], shape: Shape, tally: Tally, captured_at: datetime
) -> tuple[FlowResult, dict[str, list[str]]]:
    """The result of a load that is committed and proven, and the state it leaves."""
    base = shas[base_columns(cycle, target, shape.shown)]
    state = {
        f"base:{source.name}": [shas[base_columns(cycle, source, None)]],
        f"base:{target.name}": [base],
        "golden": [shas[golden_columns(cycle, source)]],
    }
    waiting = cycle.count("SELECT count(*) FROM waiting")
    if tally.refused:
        state["quarantine"] = [cycle.store.write_segment_from(cycle.con, "SELECT * FROM quarantine ORDER BY binding, key, row_hash").sha]
    note_quarantined(cycle, captured_at)
    rows = f"read_parquet({literal(str(cycle.store.read_segment(base)))})"
    changes = [changes_query(cycle, rows, source, target, captured_at.isoformat(), cycle.clock().isoformat())]
    if tally.refused:
        changes.append("SELECT * FROM changes_new")
    written = [cycle.store.write_segment_from(cycle.con, query) for query in changes]
    state["changes"] = [segment.sha for segment in written]
    counts = dict.fromkeys(_COUNTS, 0)
    told = sum(segment.rows for segment in written)
    counts |= {"inserted": tally.accepted, "quarantined": waiting, "changes": told, "verified": tally.accepted}
    _note(cycle, tally)
    findings = (*cycle.findings, *contract_findings(cycle, {}))
    read = {s.name: s.rows for s in cycle.sides}
    return FlowResult(cycle.flow.name, cycle.run, "done", counts, findings, cycle.seconds, True, read, waiting), state


def _note(cycle: Cycle, tally: Tally) -> None:
    """What the next run may rest on, as every run leaves it."""
    roles = [f"base:{s.name}" for s in cycle.sides] + ["golden"]
    cycle.sizes |= dict.fromkeys(roles, tally.accepted)
    cycle.notes |= {"sizes": dict(cycle.sizes), "key_types": {side.name: key_types(cycle, side) for side in cycle.sides}}
