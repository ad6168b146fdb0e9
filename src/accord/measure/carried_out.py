"""What the processes that Accord itself carries out left in the log, as the rows the standard views give.

The events are read as stored and brought into columns by one query; the tables are computed once a measurement. What is sealed in an
event stays sealed: a person stands there only as far as the task's own row names one, which is whoever had it last.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import pyarrow as pa

from accord.connectors.duck import open_duck
from accord.store import Store

AFTER_ALL_RULES = 10**15  # the order of these events within a case, behind that of the rules of entities at the same moment
_TYPES_READ = (
    "('task.ready', 'task.offered', 'task.accepted', 'task.started', 'task.released', 'task.returned', 'task.reopened', 'task.failed', "
    "'task.dead', 'task.restarted', 'task.escalated', 'task.completed', 'task.cancelled', 'gate.evaluated')"
)
_EVENTS = f"SELECT seq, type, body FROM event WHERE seq > ? AND type IN {_TYPES_READ} ORDER BY seq"
# Each body is looked into once; what a step gave and a gate said is kept as text.
_TOLD = """
SELECT seq, type, v[1] AS task, CAST(v[2] AS TIMESTAMPTZ) AS moment, v[3] AS person, coalesce(v[4], '') AS state,
       CAST(v[5] AS TIMESTAMPTZ) AS due_at, v[6] AS kind,
       CASE WHEN type IN ('task.completed', 'task.reopened', 'gate.evaluated') THEN body ->> '$.attributes' END AS attributes
FROM (SELECT *, json_extract_string(body, ['$.attributes.task', '$.time', '$.attributes.by', '$.attributes.state', '$.attributes.due_at',
                                           '$.attributes.kind']) AS v FROM events)
ORDER BY seq
"""
_TASKS = "SELECT task, instance, process, step, kind, case_id, team, assignee, ended_by, seq FROM work_task"
_INSTANCES = "SELECT instance, parent, case_id, process, status, started_at, ended_at FROM work_instance"
_HANDOFFS = (
    "SELECT handoff, instance, process, case_id, step, from_team, to_team, state, attempt, offered_at, accepted_at, started_at, automatic, "
    "sla_hours FROM handoff"
)

# One row for each attempt of a task that ended: done, or not let through by its gate. A decision that nobody but the map makes is no
# work. A second instance of the same case is a case of its own, so that its steps do not look like the first one's done again.
_LOG = f"""
WITH worked AS (SELECT * FROM told WHERE type IN ('task.started', 'task.reopened', 'task.completed')),
begun AS (
    SELECT *,
        last_value(CASE WHEN type = 'task.started' OR state = 'started' THEN moment END IGNORE NULLS) OVER before AS start_at,
        last_value(CASE WHEN type = 'task.started' THEN person END IGNORE NULLS) OVER before AS holder
    FROM worked WINDOW before AS (PARTITION BY task ORDER BY seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)),
named AS (
    SELECT *, CASE WHEN instance = first(instance) OVER (PARTITION BY process, case_id ORDER BY seq) AND case_id <> ''
                   THEN case_id ELSE instance END AS own_case
    FROM tasks)
SELECT n.process, n.instance, n.own_case AS case_id, {AFTER_ALL_RULES} + b.seq AS seq, n.step AS activity,
       coalesce(nullif(coalesce(b.person, b.holder), ''), nullif(n.ended_by, ''), nullif(n.assignee, '')) AS resource,
       n.team, b.start_at, b.moment AS complete_at, b.type AS event_type,
       b.attributes
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
FROM (SELECT e.seq, t.process, t.instance, t.case_id, t.team, e.attributes ->> '$.gate' AS gate, e.moment,
             CAST(e.attributes ->> '$.passed' AS BOOLEAN) AS passed, CAST(e.attributes ->> '$.score' AS DOUBLE) AS score,
             array_to_string(CAST(e.attributes -> '$.failed' AS VARCHAR[]), ',') AS failed
      FROM told e JOIN tasks t USING (task) WHERE e.type = 'gate.evaluated')
ORDER BY seq
"""
# What a task was in from one event about it to the next; an open one has no end.
_TIME = """
WITH moves AS (
    SELECT task, seq, moment AS from_at,
           CASE type WHEN 'task.ready' THEN state WHEN 'task.reopened' THEN state WHEN 'task.offered' THEN 'offered'
                     WHEN 'task.accepted' THEN 'ready' WHEN 'task.released' THEN 'ready' WHEN 'task.started' THEN 'started'
                     WHEN 'task.returned' THEN 'returned' WHEN 'task.dead' THEN 'dead' WHEN 'task.failed' THEN 'queued'
                     WHEN 'task.restarted' THEN 'queued' ELSE '' END AS state
    FROM told WHERE type NOT IN ('gate.evaluated', 'task.escalated')),
spans AS (SELECT *, lead(from_at) OVER (PARTITION BY task ORDER BY seq) AS to_at FROM moves)
SELECT t.process, t.instance, t.case_id, t.step, t.team, t.kind, s.state, s.from_at, s.to_at
FROM spans s JOIN tasks t USING (task) WHERE s.state <> '' AND t.kind <> 'undo' ORDER BY s.seq
"""
# The time a task was to be accepted or done by when it was told that this time is over.
_ALERT = """
WITH alerts AS (
    SELECT seq, type, task, kind, moment AS alert_at, last_value(due_at IGNORE NULLS) OVER before AS breach_at
    FROM told WHERE type <> 'gate.evaluated'
    WINDOW before AS (PARTITION BY task ORDER BY seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING))
SELECT t.process, t.instance, t.case_id, t.step, t.team, a.kind, a.breach_at, a.alert_at
FROM alerts a JOIN tasks t USING (task) WHERE a.type = 'task.escalated' ORDER BY a.seq
"""
_INSTANCE = """
SELECT process, instance, case_id, parent, status, CAST(started_at AS TIMESTAMPTZ) AS started_at, CAST(ended_at AS TIMESTAMPTZ) AS ended_at
FROM instances ORDER BY instance
"""
_LAST = (
    "SELECT max(seq) FROM event WHERE type LIKE 'task.%' OR type LIKE 'handoff.%' OR type LIKE 'process.%' OR type = 'gate.evaluated' "
    "OR type LIKE 'person.%'"
)
_FEW = 50_000
_MOST_KEPT_BYTES = 64 * 1024 * 1024  # of events looked into, so that a large store does not stand in memory twice


@dataclass(frozen=True, slots=True)
class _Kept:
    """What was made of a store's log so far: the last event that changes it, the events looked into (if few), and the tables."""

    last: int
    told: pa.Table | None
    tables: dict[str, pa.Table]


_kept: WeakKeyDictionary[Store, _Kept] = WeakKeyDictionary()
_TYPES: Mapping[str, pa.DataType] = {
    "seq": pa.int64(),
    "attempt": pa.int64(),
    "automatic": pa.int64(),
    "sla_hours": pa.float64(),
}


def carried_out(store: Store) -> dict[str, pa.Table]:
    """The tables ``work log``, ``handoffs``, ``gates``, ``instances``, ``time`` and ``alerts``; none when no process was carried out.

    A run measures several times while nobody works; the tables are kept until something of work, or of a person, is added to the log.
    """
    if not store.rows("SELECT 1 FROM work_task LIMIT 1"):
        return {}
    last = store.rows(_LAST)[0][0]
    before = _kept.get(store)
    if before is None or before.last != last:
        _kept[store] = _made(store, last, before.told if before else None)
    return _kept[store].tables


def _made(store: Store, last: int, told: pa.Table | None) -> _Kept:
    with open_duck() as con:
        con.execute("SET TimeZone = 'UTC'")
        # The log is only ever added to, so what was looked into before stands.
        known = told.column("seq")[-1].as_py() if told is not None and told.num_rows else 0
        events = _table(store, _EVENTS, "seq, type, body", known)
        if events.num_rows + (told.num_rows if told is not None else 0) < _FEW:
            con.execute("SET threads = 1")  # to share out little costs more than to do it
        con.register("events", events)
        fresh = con.execute(_TOLD).to_arrow_table()
        told = pa.concat_tables([told, fresh]) if told is not None else fresh
        con.register("told", told)
        con.register("tasks", _table(store, _TASKS, "task, instance, process, step, kind, case_id, team, assignee, ended_by, seq"))
        con.register("instances", _table(store, _INSTANCES, "instance, parent, case_id, process, status, started_at, ended_at"))
        con.register("handoffs", _handoffs(store))
        found = {"work log": _LOG, "work handoffs": _HANDOFF, "work gates": _GATE}
        found |= {"work instances": _INSTANCE, "work time": _TIME, "work alerts": _ALERT}
        tables = {name: con.execute(sql).to_arrow_table() for name, sql in found.items()}
    return _Kept(last, told if told.nbytes <= _MOST_KEPT_BYTES else None, tables)


def _handoffs(store: Store) -> pa.Table:
    names = _HANDOFFS.removeprefix("SELECT ").partition(" FROM ")[0]
    table = _table(store, _HANDOFFS, names)
    for column in ("offered_at", "accepted_at", "started_at"):
        moment = table[column].cast(pa.timestamp("us", tz="UTC"))
        table = table.set_column(table.column_names.index(column), column, moment)
    return table


def _table(store: Store, sql: str, columns: str, *values: int) -> pa.Table:
    names = [name.strip() for name in columns.split(",")]
    rows = store.rows(sql, *values)
    held_by = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    return pa.table([pa.array(held, _TYPES.get(name, pa.string())) for name, held in zip(names, held_by, strict=True)], names=names)
