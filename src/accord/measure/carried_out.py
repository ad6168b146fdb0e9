"""What the processes that Accord itself carries out left in the log, as the rows the standard views give.

The events are read as stored and brought into columns by one query; the tables are computed once a measurement. What is sealed in an
event stays sealed: a person stands there only as far as the task's own row names one, which is whoever had it last.
"""

from __future__ import annotations

from collections.abc import Mapping
from weakref import WeakKeyDictionary

import pyarrow as pa

from accord.connectors.duck import open_duck
from accord.store import Store

AFTER_ALL_RULES = 10**15  # the order of these events within a case, behind that of the rules of entities at the same moment
_EVENTS = (
    "SELECT seq, type, body FROM event WHERE type IN ('task.started', 'task.reopened', 'task.completed', 'gate.evaluated') ORDER BY seq"
)
_TASKS = "SELECT task, instance, process, step, kind, case_id, team, assignee, ended_by, seq FROM work_task"
_INSTANCES = "SELECT instance, parent, case_id FROM work_instance"
_HANDOFFS = (
    "SELECT handoff, instance, process, case_id, step, from_team, to_team, state, attempt, offered_at, accepted_at, started_at, automatic, "
    "sla_hours FROM handoff"
)

# One row for each attempt of a task that ended: done, or not let through by its gate. A decision that nobody but the map makes is no
# work. A second instance of the same case is a case of its own, so that its steps do not look like the first one's done again.
_LOG = f"""
WITH told AS (
    SELECT seq, type, body, body ->> '$.attributes.task' AS task, body ->> '$.attributes.by' AS person,
           CAST(body ->> '$.time' AS TIMESTAMPTZ) AS moment, coalesce(body ->> '$.attributes.state', '') AS state
    FROM events WHERE type <> 'gate.evaluated'),
begun AS (
    SELECT *,
        last_value(CASE WHEN type = 'task.started' OR state = 'started' THEN moment END IGNORE NULLS) OVER before AS start_at,
        last_value(CASE WHEN type = 'task.started' THEN person END IGNORE NULLS) OVER before AS holder
    FROM told WINDOW before AS (PARTITION BY task ORDER BY seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)),
named AS (
    SELECT *, CASE WHEN instance = first(instance) OVER (PARTITION BY process, case_id ORDER BY seq) AND case_id <> ''
                   THEN case_id ELSE instance END AS own_case
    FROM tasks)
SELECT n.process, n.own_case AS case_id, {AFTER_ALL_RULES} + b.seq AS seq, n.step AS activity,
       coalesce(nullif(coalesce(b.person, b.holder), ''), nullif(n.ended_by, ''), nullif(n.assignee, '')) AS resource,
       n.team, b.start_at, b.moment AS complete_at, b.type AS event_type,
       b.body ->> '$.attributes' AS attributes
FROM begun b JOIN named n USING (task)
WHERE (b.type = 'task.completed' OR b.state IN ('started', 'dead')) AND b.type <> 'task.started'
  AND n.kind <> 'undo' AND (n.kind <> 'decision' OR b.start_at IS NOT NULL)
ORDER BY b.seq
"""
# What belongs to one campaign varies together, so a handoff counts with the case of the outermost instance. One that was withdrawn
# before anybody accepted it was taken off with its work and is no longer due.
_HANDOFF = """
WITH RECURSIVE up AS (
    SELECT instance, parent, case_id FROM instances
    UNION ALL SELECT up.instance, above.parent, above.case_id FROM up JOIN instances above ON above.instance = up.parent),
outer_case AS (SELECT instance, case_id FROM up WHERE parent = '')
SELECT h.process, h.handoff AS handoff_id, coalesce(nullif(o.case_id, ''), h.instance) AS case_id, h.step, h.from_team, h.to_team,
       h.offered_at, h.accepted_at, h.started_at, h.attempt AS attempts, h.sla_hours, h.automatic <> 0 AS automatic
FROM handoffs h LEFT JOIN outer_case o USING (instance)
WHERE h.state <> 'withdrawn' OR h.accepted_at IS NOT NULL
ORDER BY h.handoff
"""
_GATE = """
SELECT process, instance || ':' || seq AS gate_result_id, gate, coalesce(nullif(case_id, ''), instance) AS object, team,
       moment AS "at", passed, score,
       row_number() OVER (PARTITION BY process, gate, coalesce(nullif(case_id, ''), instance) ORDER BY seq) AS attempt, failed
FROM (SELECT e.seq, t.process, t.instance, t.case_id, t.team, e.body ->> '$.attributes.gate' AS gate,
             CAST(e.body ->> '$.time' AS TIMESTAMPTZ) AS moment, CAST(e.body ->> '$.attributes.passed' AS BOOLEAN) AS passed,
             CAST(e.body ->> '$.attributes.score' AS DOUBLE) AS score,
             array_to_string(CAST(e.body -> '$.attributes.failed' AS VARCHAR[]), ',') AS failed
      FROM events e JOIN tasks t ON t.task = (e.body ->> '$.attributes.task') WHERE e.type = 'gate.evaluated')
ORDER BY seq
"""
_LAST = (
    "SELECT max(seq) FROM event WHERE type LIKE 'task.%' OR type LIKE 'handoff.%' OR type LIKE 'process.%' OR type = 'gate.evaluated' "
    "OR type LIKE 'person.%'"
)
_kept: WeakKeyDictionary[Store, tuple[int, dict[str, pa.Table]]] = WeakKeyDictionary()
_TYPES: Mapping[str, pa.DataType] = {
    "seq": pa.int64(),
    "attempt": pa.int64(),
    "automatic": pa.int64(),
    "sla_hours": pa.float64(),
}


def carried_out(store: Store) -> dict[str, pa.Table]:
    """The tables ``work log``, ``work handoffs`` and ``work gates``; none when no process was carried out.

    A run measures several times while nobody works; the tables are kept until something of work, or of a person, is added to the log.
    """
    if not store.rows("SELECT 1 FROM work_task LIMIT 1"):
        return {}
    last = store.rows(_LAST)[0][0]
    if store in _kept and _kept[store][0] == last:
        return _kept[store][1]
    made = _made(store)
    _kept[store] = (last, made)
    return made


def _made(store: Store) -> dict[str, pa.Table]:
    with open_duck() as con:
        con.execute("SET TimeZone = 'UTC'")
        con.register("events", _table(store, _EVENTS, "seq, type, body"))
        con.register("tasks", _table(store, _TASKS, "task, instance, process, step, kind, case_id, team, assignee, ended_by, seq"))
        con.register("instances", _table(store, _INSTANCES, "instance, parent, case_id"))
        con.register("handoffs", _handoffs(store))
        found = {"work log": _LOG, "work handoffs": _HANDOFF, "work gates": _GATE}
        return {name: con.execute(sql).to_arrow_table() for name, sql in found.items()}


def _handoffs(store: Store) -> pa.Table:
    names = _HANDOFFS.removeprefix("SELECT ").partition(" FROM ")[0]
    table = _table(store, _HANDOFFS, names)
    for column in ("offered_at", "accepted_at", "started_at"):
        moment = table[column].cast(pa.timestamp("us", tz="UTC"))
        table = table.set_column(table.column_names.index(column), column, moment)
    return table


def _table(store: Store, sql: str, columns: str) -> pa.Table:
    names = [name.strip() for name in columns.split(",")]
    rows = store.rows(sql)
    values = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    return pa.table([pa.array(held, _TYPES.get(name, pa.string())) for name, held in zip(names, values, strict=True)], names=names)
