"""``handoff``: each passage of work between teams with its clock, by the rule F2.

The clock runs from the first offer to the final acceptance, nights and holidays included. An acceptance by a rule stops it only when
work starts within the grace time; otherwise it runs until work starts. A handoff that is not accepted is open: it has no ``wait_hours``.
The agreed hours are working time of the receiving team's calendar, the rule by which its people are told when an offer is due.
A negative wait stays in the view and is marked ``valid = false``, so that it is counted and never averaged.

The handoffs of processes that Accord carries out stand beside those read from systems; one that a flow keeps in a system too stands here
once, as the log tells it.

Source: F2 of the marketing-operations specification (waiting-time analysis in process mining; ITIL response time).
"""

from __future__ import annotations

from collections.abc import Mapping

from accord.connectors.types import literal, quote
from accord.measure.carried_out import AFTER_ALL_RULES
from accord.measure.sources import Sources, View, empty, typed
from accord.measure.views.event_log import key_text, own_rows_left_out
from accord.measure.working_time import due_from
from accord.model.process import HandoffRule, Process

COLUMNS: Mapping[str, str] = {
    "process": "VARCHAR",
    "handoff_id": "VARCHAR",
    "case_id": "VARCHAR",
    "step": "VARCHAR",
    "from_team": "VARCHAR",
    "to_team": "VARCHAR",
    "offered_at": "TIMESTAMPTZ",
    "accepted_at": "TIMESTAMPTZ",
    "started_at": "TIMESTAMPTZ",
    "ended_at": "TIMESTAMPTZ",
    "due_at": "TIMESTAMPTZ",
    "attempts": "BIGINT",
    "sla_hours": "DOUBLE",
    "automatic": "BOOLEAN",
    "wait_hours": "DOUBLE",
    "valid": "BOOLEAN",
}
_READ = ("process", "handoff_id", "case_id", "step", "from_team", "to_team", "offered_at", "accepted_at", "started_at")
_KEPT = {name: COLUMNS[name] for name in (*_READ, "attempts", "sla_hours", "automatic")}
_MICROSECONDS_PER_HOUR = 3_600_000_000


def build(sources: Sources) -> View:
    """The view over all processes with a handoff rule or handoffs of Accord's own."""
    parts, needs = [], []
    for process in sources.map.processes.values():
        rule = process.handoffs
        if rule is None:
            continue
        if rule.between:
            parts.append(_clocked(_between(process, rule), rule, sources))
            needs.append("event_log")
        elif rule.entity:
            parts.append(_clocked(_from_entity(process, rule, sources), rule, sources))
            needs.append(f"entity_{rule.entity}")
    for process_name in sorted({str(name) for name in sources.work()["work handoffs"]["process"].to_pylist()}) if sources.work() else ():
        declared = sources.map.processes.get(process_name)
        own = f'FROM "work handoffs" WHERE process = {literal(process_name)}'
        rule = (declared.handoffs if declared else None) or HandoffRule()
        parts.append(_clocked(typed(_KEPT, {name: quote(name) for name in _KEPT}, own), rule, sources))
    if not parts:
        return View(empty(COLUMNS), why_empty="no process of the map says where its handoffs are read from")
    return View(" UNION ALL ".join(parts), tuple(dict.fromkeys(needs)), "no work passed between two teams", sources.work())


def _from_entity(process: Process, rule: HandoffRule, sources: Sources) -> str:
    key = key_text(sources.map.entities[rule.entity])
    fields = {
        "case_id": rule.case,
        "step": rule.step,
        "from_team": rule.from_team,
        "to_team": rule.to_team,
        "offered_at": rule.offered,
        "accepted_at": rule.accepted,
        "started_at": rule.started,
        "attempts": rule.attempts,
        "sla_hours": rule.sla_hours,
        "automatic": rule.automatic,
    }
    columns = {"case_id": key} | {name: quote(field) for name, field in fields.items() if field}
    columns |= {"process": literal(process.name), "handoff_id": key}
    # A row without an offer is no handoff yet.
    rows = f"FROM {quote('entity_' + rule.entity)} WHERE {columns.get('offered_at', 'NULL')} IS NOT NULL"
    return typed(_KEPT, columns, rows + own_rows_left_out(sources, key))


def _between(process: Process, rule: HandoffRule) -> str:
    ignored = ", ".join(map(literal, rule.ignore_activities))
    # An ignored activity takes no work over, so nothing is handed to it; it did happen, so what follows is handed on from it.
    condition = f" AND activity NOT IN ({ignored})" if ignored else ""
    owner = quote(rule.between)
    columns = {
        "process": "process",
        "handoff_id": "concat(case_id, '#', position)",
        "case_id": "case_id",
        "step": "activity",
        "from_team": "giver",
        "to_team": "owner",
        "offered_at": "offered",
        "accepted_at": "coalesce(start_at, complete_at)",
        "started_at": "start_at",
    }
    # What Accord carried out itself has handoffs of its own and is not derived again.
    events = (
        f"SELECT process, case_id, activity, start_at, complete_at, {owner} AS owner, lag({owner}) OVER w AS giver, "
        f"lag(complete_at) OVER w AS offered, row_number() OVER w AS position "
        f"FROM event_log WHERE process = {literal(process.name)} AND seq < {AFTER_ALL_RULES} "
        "WINDOW w AS (PARTITION BY case_id ORDER BY complete_at, seq)"
    )
    return typed(_KEPT, columns, f"FROM ({events}) WHERE owner <> giver{condition}")


def _clocked(handoffs: str, rule: HandoffRule, sources: Sources) -> str:
    """Add the end of the clock, the wait and its validity to handoffs that have a due time."""
    grace = f"to_seconds({rule.auto_accept_grace.seconds})"
    ended = f"CASE WHEN automatic AND NOT coalesce(started_at <= accepted_at + {grace}, false) THEN started_at ELSE accepted_at END"
    wait = f"(epoch_us(ended_at) - epoch_us(offered_at)) / {_MICROSECONDS_PER_HOUR}.0"
    columns = {name: quote(name) for name in COLUMNS} | {
        "wait_hours": wait,
        "valid": "coalesce(ended_at >= offered_at, true)",
    }
    return typed(COLUMNS, columns, f"FROM (SELECT *, {ended} AS ended_at FROM ({due_from(sources.map, handoffs)}))")
