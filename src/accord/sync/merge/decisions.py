"""Decisions of people carried out by a run: the value they chose is what is agreed, unless somebody edited it meanwhile.

A decision names what each system showed when it was made. A system that shows anything else now (and not the decided value itself, which
is what a run that died has left) was edited since: then the decision is void, a conflict is open again, and nothing is overwritten. So was
one that is known to have taken the decided value from a run that died, and shows another, be it the one from before.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import pyarrow as pa

from accord.connectors.types import literal, quote
from accord.model.event import Event, ObjectRef
from accord.sync.cycle import Cycle, Side, join_on, key_json, storage_type
from accord.sync.merge.again import AGAIN, make_again
from accord.sync.merge.conflict_list import waiting_rows
from accord.sync.merge.merge import authority_of, believed
from accord.sync.state.base import load_segments

_TAKEN = "SELECT 1 FROM conflict WHERE id = ? AND flow <> ? AND status <> 'closed'"
_RULING = "id VARCHAR, key VARCHAR, field VARCHAR, kind VARCHAR, who VARCHAR, value VARCHAR, agreed VARCHAR, outcome VARCHAR, _m BIGINT"


def conflict_id(flow: str, key: str, field: str) -> str:
    """The id of the disagreement about one field of one row, the same whenever it is opened again."""
    return hashlib.sha256(json.dumps([flow, key, field]).encode()).hexdigest()[:12]


def load_decisions(cycle: Cycle) -> None:
    """Fill ``decision0`` and ``decision_seen`` with what people have decided and no run has carried out."""
    mine = [r for r in waiting_rows(cycle.store, cycle.flow.name) if r["status"] == "decided" and r["field"] in cycle.fields]
    if not mine:
        cycle.make_empty("decision0", {**dict.fromkeys(("id", "key", "field", "kind", "who", "value"), "VARCHAR"), "force": "BOOLEAN"})
        cycle.make_empty("decision_seen", dict.fromkeys(("id", "binding", "value"), "VARCHAR"))
        return
    seen = [(r["id"], binding, value) for r in mine for binding, value in json.loads(r["seen"]).items()]
    text, flag = pa.string(), pa.bool_()
    decided = {
        "id": pa.array([r["id"] for r in mine], text),
        "key": pa.array([r["key"] for r in mine], text),
        "field": pa.array([r["field"] for r in mine], text),
        "kind": pa.array([r["kind"] for r in mine], text),
        "who": pa.array([r["decided_by"] for r in mine], text),
        "value": pa.array([json.loads(r["value"]) for r in mine], text),
        "force": pa.array([bool(r["force"]) for r in mine], flag),
    }
    shown = {name: pa.array([row[place] for row in seen], text) for place, name in enumerate(("id", "binding", "value"))}
    for table, columns in (("decision0", decided), ("decision_seen", shown)):
        cycle.con.register("given", pa.table(columns))
        cycle.make(table, "SELECT * FROM given")
        cycle.con.unregister("given")


def apply_decisions(cycle: Cycle) -> None:
    """Put decided values into ``merged`` and say in ``ruling`` what became of each decision: applied, moved or gone."""
    if not cycle.rows("decision0"):
        return
    cycle.sql(f"CREATE OR REPLACE TABLE ruling ({_RULING})")
    make_again(cycle)
    _find_taken(cycle)
    for (field,) in cycle.sql("SELECT DISTINCT field FROM decision0"):
        f = str(field)
        q, kind = quote(f), storage_type(cycle.entity, f)
        joins, moved, later = [], ["false"], ["false"]
        for side in believed(cycle, f):
            i = side.index
            now = f"CAST(c{i}.{q} AS VARCHAR)"
            joins.append(f"LEFT JOIN {side.table('cap')} c{i} ON c{i}.rowid = m._rid_{i}")
            joins.append(f"LEFT JOIN decision_seen s{i} ON s{i}.id = d.id AND s{i}.binding = {literal(side.name)}")
            moved.append(f"(m._in_{i} AND s{i}.id IS NOT NULL AND {now} IS DISTINCT FROM s{i}.value AND {now} IS DISTINCT FROM d.value)")
            took = f"(d.id, {literal(side.name)}) IN (SELECT (id, binding) FROM decision_taken)"
            later.append(f"(m._in_{i} AND {took} AND c{i}.{q} IS DISTINCT FROM TRY_CAST(d.value AS {kind}))")
        cycle.sql(f"""
            INSERT INTO ruling SELECT d.id, d.key, d.field, d.kind, d.who, d.value, CAST(g.{q} AS VARCHAR),
                CASE WHEN NOT m._exists THEN 'gone'
                    WHEN d.kind = {literal(AGAIN)} AND m.rowid NOT IN (SELECT _m FROM made)
                    THEN CASE WHEN CAST(m.{q} AS VARCHAR) IS NOT DISTINCT FROM d.value THEN 'applied' ELSE 'moved' END
                    WHEN NOT d.force AND ({" OR ".join(moved)}) OR {" OR ".join(later)} THEN 'moved' ELSE 'applied' END, m.rowid
            FROM decision0 d JOIN merged m ON {key_json(cycle.keys, "m")} = d.key {" ".join(joins)}
            LEFT JOIN golden0 g ON {key_json(cycle.keys, "g")} = d.key WHERE d.field = {literal(f)}""")
        taken = f"{q} = TRY_CAST(r.value AS {kind}), {quote('w.' + f)} = 0, {quote('h.' + f)} = false"
        if authority_of(cycle, f) == "merge":
            taken += f", {quote('j.' + f)} = 0"
        cycle.sql(f"UPDATE merged SET {taken} FROM ruling r WHERE merged.rowid = r._m AND r.field = {literal(f)} AND r.outcome = 'applied'")


def carries_decisions(cycle: Cycle, side: Side) -> bool:
    """Whether rows about to be written to a side hold what people decided."""
    ruled = "_m IN (SELECT _m FROM ruling WHERE outcome = 'applied')"
    return bool(cycle.rows("decision0")) and cycle.count(f"SELECT count(*) FROM {side.table('plan')} WHERE _unfit IS NULL AND {ruled}") > 0


def _find_taken(cycle: Cycle) -> None:
    """Fill ``decision_taken`` with the decisions, and the bindings that are known to have taken their value from a run that died."""
    cycle.make_empty("decision_taken", dict.fromkeys(("id", "binding"), "VARCHAR"))
    for stored in cycle.intents:
        for target, left in cycle.outcomes.get(stored.seq, {}).items():
            sha = stored.event.attributes["segments"].get(target)
            if left is None or sha is None:
                continue
            fields = {name: storage_type(cycle.entity, name) for name in cycle.fields}
            keys = {name: fields[name] for name in cycle.keys}
            load_segments(cycle, "meant", [cycle.store.read_segment(sha)], {**fields, "_op": "VARCHAR", "_set": "VARCHAR[]"})
            load_segments(cycle, "left_over", [cycle.store.read_segment(left)] if left else [], keys)
            for (field,) in cycle.sql("SELECT DISTINCT field FROM decision0"):
                q, kind = quote(str(field)), fields[str(field)]
                cycle.sql(
                    f"INSERT INTO decision_taken SELECT d.id, {literal(target)} FROM decision0 d JOIN meant w ON d.key = "
                    f"{key_json(cycle.keys, 'w')} ANTI JOIN left_over x ON {join_on(cycle.keys, 'w', 'x')} WHERE d.field = "
                    f"{literal(str(field))} AND w._op <> 'delete' AND list_contains(w._set, d.field) "
                    f"AND w.{q} IS NOT DISTINCT FROM TRY_CAST(d.value AS {kind})"
                )


def name_deciders(cycle: Cycle) -> None:
    """Say in ``losers`` who decided, and keep the agreed value a restored one replaces."""
    if not (cycle.rows("decision0") and cycle.count("SELECT count(*) FROM ruling WHERE outcome = 'applied'")):
        return
    rule = f"CASE WHEN r.kind IN ('restore', {literal(AGAIN)}) THEN 'restored' ELSE 'decided' END"
    cycle.sql(
        f"UPDATE losers SET winner = r.who, rule = {rule} FROM ruling r "
        "WHERE r.outcome = 'applied' AND losers.key = r.key AND losers.field = r.field"
    )
    cycle.sql(
        "INSERT INTO losers SELECT key, field, who, 'agreed', value, agreed, NULL, 'restored', NULL, NULL FROM ruling "
        "WHERE outcome = 'applied' AND kind = 'restore' AND agreed IS DISTINCT FROM value"
    )


def settled_conflicts(cycle: Cycle, state: Mapping[str, object]) -> list[Event]:
    """What brings the list of disagreements to what a run leaves open: to be in the log with the run's last event, or not at all.

    A decision that was carried out and still waited would be carried out once more, over whatever was written since.

    Args:
        cycle: the run.
        state: that its last event names.
    """
    open_ = state.get("held", cycle.store.flow_state(cycle.flow.name).get("held", ()))
    return list(_events(cycle, cast(Sequence[str], open_)))


def _events(cycle: Cycle, open_: Sequence[str]) -> Iterator[Event]:
    known = {r["id"]: r for r in waiting_rows(cycle.store, cycle.flow.name)}
    held = _held(cycle, open_, known)
    ruled: dict[str, str] = {}
    if cycle.rows("decision0") and cycle.has("ruling"):
        broken = "_m IN (SELECT rowid FROM merged WHERE _held)"  # a decided row that breaks the contract waits with it
        ruled = {str(i): str(o) for i, o in cycle.sql(f"SELECT id, outcome FROM ruling WHERE NOT ({broken})")}
    for id_, task in held.items():
        row = known.get(id_)
        if row is None or json.loads(row["values"]) != task["values"] or ruled.get(id_) == "moved":
            yield _event(cycle, "conflict.opened", id_, task)
    for id_, row in known.items():
        waits = id_ in held if row["kind"] == "human" else id_ not in ruled
        if not waits:
            place = {"key": row["key"], "field": row["field"]}
            yield _event(cycle, "conflict.closed", id_, {**place, "outcome": ruled.get(id_, "settled")})


def _held(cycle: Cycle, segments: Sequence[str], known: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Open conflicts of a state: id → key, field and what each system shows.

    One that is open has the id it was opened with, also where its flow had another name then. So a flow that has that name now may find
    the id of one of its own taken.
    """
    found: dict[str, dict[str, Any]] = {}
    named = {(r["key"], r["field"]): id_ for id_, r in known.items() if r["kind"] == "human"}
    for sha in segments:
        path = str(cycle.store.read_segment(sha))
        for key, field, binding, value in cycle.sql("SELECT key, field, binding, value FROM read_parquet($path)", {"path": path}):
            id_ = named.get((key, field)) or conflict_id(cycle.flow.name, str(key), str(field))
            while id_ not in known and cycle.store.rows(_TAKEN, id_, cycle.flow.name):
                id_ = conflict_id(id_, str(key), str(field))
            task = found.setdefault(id_, {"key": key, "field": field, "values": {}})
            task["values"][str(binding)] = value
    return found


def _event(cycle: Cycle, type_: str, id_: str, attributes: dict[str, Any]) -> Event:
    number = cycle.store.head().seq + 1
    body = {"id": id_, "flow": cycle.flow.name, "run": cycle.run, **attributes}
    about = (ObjectRef("flow", cycle.flow.name), ObjectRef("conflict", id_))
    return Event(f"{cycle.run}:{cycle.flow.name}:{type_}:{id_}:{number}", type_, cycle.clock(), f"flow:{cycle.flow.name}", body, about)
