"""What took the short way becomes part of the flow's segments, at the beginning of its next run.

A change of state like a run's: one event names the new segments and up to where changes are in them. Before it, the changes stand in the
projection ``live_change``; after it, in the segments; never in both, never in neither.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from accord.connectors.types import literal, quote
from accord.store.folding import REMOVED, folded, is_change
from accord.store.projections.segment import ROWS_KEPT
from accord.store.records import CHANGES
from accord.sync.cycle import Cycle, names, storage_type
from accord.sync.state.record import append, last_finished

_APPLIED = "SELECT seq, body FROM live_change WHERE flow = ? AND kind = 'applied' ORDER BY seq, number"
_INTENDED = "SELECT seq, body FROM live_change WHERE flow = ? AND kind = 'intended' ORDER BY seq, number"
_MOST_SEGMENTS = 16
_NOT_KEPT = ("flow", "from", "run", "status", "counts", "seconds", "state", "seen", "live_folded", "live_closed", "limited", "folded")


def fold_live(cycle: Cycle) -> int:
    """Write the flow's applied changes into its state; returns how many rows they were."""
    found = cycle.store.rows(_APPLIED, cycle.flow.name)
    if not found:
        return 0
    rows = [json.loads(body) for _, body in found]
    last = {tuple(row["key"]): row for row in rows}  # the last word on a key holds
    state: dict[str, list[str]] = {}
    for side in cycle.sides:
        # A row that is gone has none of its sides, and is taken out of each.
        held = {key: row["sides"].get(side.name) for key, row in last.items() if side.name in row["sides"] or row["golden"] is None}
        _fold_role(cycle, state, f"base:{side.name}", held, marks=True)
    _fold_role(cycle, state, "golden", {key: row["golden"] for key, row in last.items()}, marks=False)
    state["changes"] = [_changes(cycle, rows)]
    previous = dict(last_finished(cycle))
    made, gone = (sum(len(row["targets"]) for row in rows if row["op"] == op) for op in ("insert", "delete"))
    born = sum(row["op"] == "insert" for row in rows) - sum(row["op"] == "delete" for row in rows)
    if born and isinstance(previous.get("sizes"), Mapping):
        previous["sizes"] = {role: count + born for role, count in previous["sizes"].items()}
    kept = {name: value for name, value in previous.items() if name not in _NOT_KEPT}
    written = sum(len(row["targets"]) for row in rows)
    counts = {"inserted": made, "updated": written - made - gone, "deleted": gone, "changes": written, "verified": written}
    more = {**kept, ROWS_KEPT: True}
    append(cycle, "flow.run_finished", status="done", counts=counts, seconds=0.0, state=state, live_folded=int(found[-1][0]), **more)
    return len(rows)


def pend_live(cycle: Cycle) -> None:
    """Add to ``pend_<i>`` what the short way meant to write and never came to agree on."""
    found = cycle.store.rows(_INTENDED, cycle.flow.name)
    if not found:
        return
    rows = [json.loads(body) for _, body in found]
    for side in cycle.sides:
        mine = [row for row in rows if row["target"] == side.name]
        if not mine:
            continue
        table = {f: [row["values"].get(f) for row in mine] for f in cycle.fields}
        table |= {k: [row["key"][n] for row in mine] for n, k in enumerate(cycle.keys)}
        given = pa.table({f: pa.array(values, pa.string()) for f, values in table.items()})
        given = given.append_column("_op", pa.array([row["op"] for row in mine], pa.string()))
        given = given.append_column("_set", pa.array([row["set"] for row in mine], pa.list_(pa.string())))
        cycle.con.register("live_pending", given)
        typed = ", ".join(f"TRY_CAST({quote(f)} AS {storage_type(cycle.entity, f)})" for f in cycle.fields)
        cycle.sql(f"INSERT INTO {side.table('pend')} ({names(cycle.fields)}, _op, _set) SELECT {typed}, _op, _set FROM live_pending")
        cycle.con.unregister("live_pending")
    cycle.notes["live_closed"] = int(found[-1][0])


def _fold_role(
    cycle: Cycle, state: dict[str, list[str]], role: str, rows: Mapping[tuple[str, ...], Mapping[str, str] | None], *, marks: bool
) -> None:
    if not rows:
        return
    full = [dict(zip(cycle.keys, key, strict=True)) if values is None else values for key, values in rows.items()]
    given = pa.table({f: pa.array([values.get(f) for values in full], pa.string()) for f in cycle.fields})
    given = given.append_column(REMOVED, pa.array([values is None for values in rows.values()], pa.bool_()))
    cycle.con.register("live_rows", given)
    typed = ", ".join(f"TRY_CAST({quote(f)} AS {storage_type(cycle.entity, f)}) AS {quote(f)}" for f in cycle.fields)
    more = ", false AS _gone, true AS _settled" if marks else ""
    cycle.sql(f"CREATE OR REPLACE TEMP TABLE live_typed AS SELECT {typed}{more}, {REMOVED} FROM live_rows")
    # The map may have changed since: a key of another type now is none of the rows in the segments.
    cycle.sql(f"DELETE FROM live_typed WHERE {' OR '.join(f'{quote(k)} IS NULL' for k in cycle.keys)}")
    cycle.con.unregister("live_rows")
    shas = cycle.store.flow_state(cycle.flow.name).get(role, ())
    paths = [cycle.store.read_segment(sha) for sha in shas]
    order = names(cycle.keys)
    if paths and sum(map(is_change, paths)) < _MOST_SEGMENTS:
        query = f"SELECT * FROM live_typed ORDER BY {order}"
        state[role] = [*shas, cycle.store.write_segment_from(cycle.con, query).sha]
        return
    whole = f"SELECT * EXCLUDE ({REMOVED}) FROM live_typed WHERE NOT {REMOVED}"
    if paths:
        columns = ", ".join(quote(str(row[0])) for row in cycle.sql("DESCRIBE live_typed") if row[0] != REMOVED)
        old = f"SELECT * FROM ({folded(paths, cycle.keys)}) ANTI JOIN live_typed {cycle.using()}"
        whole = f"SELECT {columns} FROM ({old} UNION ALL BY NAME {whole})"
    state[role] = [cycle.store.write_segment_from(cycle.con, f"SELECT * FROM ({whole}) ORDER BY {order}").sha]


def _changes(cycle: Cycle, rows: Sequence[Mapping[str, Any]]) -> str:
    """Each (change, target) pair as ``changes`` records it; verified, because it was read back before it was agreed on."""
    pairs = [(row, target) for row in rows for target in row["targets"]]
    given = pa.table(
        {
            "key": pa.array([_label(cycle, row) for row, _ in pairs], pa.string()),
            "source": pa.array([r["source"] for r, _ in pairs], pa.string()),
            "target": pa.array([t for _, t in pairs], pa.string()),
            "op": pa.array([r["op"] for r, _ in pairs], pa.string()),
            "changed_at": pa.array([r["changed_at"] for r, _ in pairs], pa.string()),
            "applied_at": pa.array([r["applied_at"] for r, _ in pairs], pa.string()),
        }
    )
    cycle.con.register("live_pairs", given)
    values = {
        "flow": literal(cycle.flow.name),
        "run": literal(cycle.run),
        "due": "true",
        "verified": "true",
        "quarantined": "false",
        "source_broken": "false",
        "source_changed_at": "CAST(changed_at AS TIMESTAMPTZ)",
        "captured_at": "CAST(applied_at AS TIMESTAMPTZ)",
        "verified_at": "CAST(applied_at AS TIMESTAMPTZ)",
        "freshness_seconds": "greatest(0, epoch(CAST(applied_at AS TIMESTAMPTZ)) - "
        "epoch(coalesce(CAST(changed_at AS TIMESTAMPTZ), CAST(applied_at AS TIMESTAMPTZ))))",
    }
    picked = ", ".join(f"CAST({values.get(c, quote(c))} AS {t}) AS {quote(c)}" for c, t in CHANGES.items())
    sha = cycle.store.write_segment_from(cycle.con, f"SELECT {picked} FROM live_pairs ORDER BY key, source, target, op").sha
    cycle.con.unregister("live_pairs")
    return sha


def _label(cycle: Cycle, row: Mapping[str, Any]) -> str:
    """The key as ``cycle.key_json`` writes it."""
    return json.dumps(dict(zip(cycle.keys, row["key"], strict=True)), ensure_ascii=False, separators=(",", ":"))
