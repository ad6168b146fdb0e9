"""``event_log``: what happened in each case of each process: from imported logs, the entities' own rows, and the steps Accord carried out.

A step that Accord carried out and that a flow keeps in a system too stands here once, as the log tells it: a row of an entity whose key
is the id of a task or handoff of Accord's own is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from accord.connectors.types import literal, quote
from accord.measure.sources import Sources, View, empty, parquet, typed
from accord.model.entity import Entity, EventRule

COLUMNS: Mapping[str, str] = {
    "process": "VARCHAR",
    "case_id": "VARCHAR",
    "seq": "BIGINT",
    "activity": "VARCHAR",
    "resource": "VARCHAR",
    "team": "VARCHAR",
    "start_at": "TIMESTAMPTZ",
    "complete_at": "TIMESTAMPTZ",
    "event_type": "VARCHAR",
    "attributes": "VARCHAR",
}
_RULE_STRIDE = 1_000_000_000_000


def build(sources: Sources) -> View:
    """The view. Within a case, events are ordered by (complete_at, seq); ``seq`` is the order of the source.

    A process that names a log has its history from that log and from what Accord carried out. A log that no process names is a process
    of its own name.
    """
    parts: list[str] = []
    needs: list[str] = []
    imported = sources.logs()
    claimed = {p.log for p in sources.map.processes.values() if p.log}
    for process in sources.map.processes.values():
        if process.log in imported:
            parts.append(_from_log(process.name, imported[process.log], sources))
    parts += [_from_log(name, log, sources) for name, log in imported.items() if name not in claimed]
    with_log = {p.name for p in sources.map.processes.values() if p.log}
    ordinal = 0
    for entity in sources.map.entities.values():
        for rule in entity.events:
            ordinal += 1
            if rule.process and rule.process not in with_log:
                parts.append(_from_entity(entity, rule, ordinal) + own_rows_left_out(sources, key_text(entity)))
                needs.append(f"entity_{entity.name}")
    if sources.work():
        parts.append(typed(COLUMNS, {name: quote(name) for name in COLUMNS}, 'FROM "work log"'))
    if not parts:
        waiting = sorted(claimed - set(imported))
        why = (
            f"log '{waiting[0]}' was not imported yet"
            if waiting
            else "the map declares no event rule with a process, and no log was imported"
        )
        return View(empty(COLUMNS), why_empty=why)
    return View(
        " UNION ALL ".join(parts), tuple(dict.fromkeys(needs)), "no row of the entities with event rules holds a time", sources.work()
    )


def own_rows_left_out(sources: Sources, key: str) -> str:
    """The condition that a row is not a copy of a task or handoff of Accord's own; empty when it has none."""
    if not sources.work():
        return ""
    told = 'SELECT attributes ->> \'$.task\' FROM "work log" UNION ALL SELECT handoff_id FROM "work handoffs"'
    return f" AND {key} NOT IN ({told})"


def _from_log(process: str, log: Mapping[str, Any], sources: Sources) -> str:
    relation = parquet([sources.segment(str(log["sha"]))])
    case = "case_id"
    if log.get("ocel"):
        # An object-centric event belongs to every object of the chosen type: it stands once in the case of each, however many
        # qualifiers relate the two.
        chosen = f"list_filter(e.objects, lambda o: o.type = {literal(str(log['object_type']))})"
        relation = f"(SELECT e.*, _case FROM {relation} e, unnest(list_distinct(list_transform({chosen}, lambda o: o.id))) AS u(_case))"
        case = "_case"
    columns = {
        "process": literal(process),
        "case_id": case,
        "seq": "seq",
        "activity": "activity",
        "resource": "resource",
        "team": "team",
        "start_at": "start_at",
        "complete_at": "time",
        "event_type": "activity",
        "attributes": "attributes",
    }
    return typed(COLUMNS, columns, f"FROM {relation}")


def _from_entity(entity: Entity, rule: EventRule, ordinal: int) -> str:
    key = key_text(entity)
    columns = {
        "process": literal(rule.process),
        "case_id": quote(rule.case) if rule.case else key,
        # Rules come in the order of the map, so at equal times the map's order is the order of work.
        "seq": f"{ordinal * _RULE_STRIDE} + row_number() OVER (ORDER BY {', '.join(map(quote, entity.key))})",
        "activity": _field_or_text(rule.activity) if rule.activity else literal(rule.type),
        "resource": _field_or_text(rule.resource),
        "team": _field_or_text(rule.team),
        "start_at": quote(rule.start) if rule.start else "NULL",
        "complete_at": quote(rule.time),
        "event_type": literal(rule.type),
    }
    condition = f" AND ({rule.when})" if rule.when else ""
    return typed(COLUMNS, columns, f"FROM {quote('entity_' + entity.name)} WHERE {quote(rule.time)} IS NOT NULL{condition}")


def key_text(entity: Entity) -> str:
    """The key of a row as one text: the value itself, or the values joined by «|»."""
    if len(entity.key) == 1:
        return f"CAST({quote(entity.key[0])} AS VARCHAR)"
    return f"concat_ws('|', {', '.join(f'CAST({quote(k)} AS VARCHAR)' for k in entity.key)})"


def _field_or_text(word: str) -> str:
    if not word:
        return "NULL"
    if len(word) >= 2 and word[0] == word[-1] == "'":
        return literal(word[1:-1])
    return quote(word)
