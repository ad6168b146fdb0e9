"""Tasks and handoffs read as rows: all of them for a flow, or one of them inside the transaction that is about to change it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from accord.model.event import Event
from accord.model.integration_map import IntegrationMap
from accord.model.task_rows import ANSWER, HANDOFF_COLUMNS, STATUS, TASK_COLUMNS
from accord.store import Store
from accord.store.database import Rows

ANSWERED = ("task.noted", "task.completed")
# A refusal counts while the task stands as it stood then; afterwards the flow tries anew, and is answered anew.
_TASKS = """
    SELECT t.task, t.instance, t.process, t.step, t.case_id, t.team, h.from_team, t.assignee, t.state, t.attempt, t.reasons, r.reason,
        t.due_at, t.ready_at, t.started_at, t.ended_at, t.ended_by, t.changed_at
    FROM work_task t LEFT JOIN handoff h ON h.handoff = t.handoff
    LEFT JOIN work_refusal r ON r.task = t.task AND r.system = ? AND r.state = t.state AND r.attempt = t.attempt AND r.assignee = t.assignee
    WHERE t.state <> 'skipped' AND (t.kind = 'human'
        OR (t.kind = 'decision' AND (t.started_at IS NOT NULL OR t.state NOT IN ('started', 'completed'))))"""
_HANDOFFS = """
    SELECT handoff, to_task, instance, process, step, case_id, from_team, to_team, state, attempt, reject_reason, offered_at, accepted_at,
        rejected_at, started_at, escalated_at, sla_hours
    FROM handoff"""
_ANSWERS = """
    SELECT e.body FROM event e JOIN relation r ON r.seq = e.seq
    WHERE r.type = 'process_instance' AND r.id = ? AND e.type IN (?, ?) ORDER BY e.seq"""


def titles_of(map_: IntegrationMap) -> dict[tuple[str, str], str]:
    """How people call each step, by process and step."""
    return {(p.name, s.name): s.title or s.name for p in map_.processes.values() for s in p.steps.values()}


def task_rows(rows: Rows, system: str, titles: Mapping[tuple[str, str], str], *, task: str = "") -> list[dict[str, Any]]:
    """Tasks for people as rows of ``tasks``, without answers; times as ISO 8601 text, an empty text as none.

    Args:
        rows: the store, or a transaction on it.
        system: whose refused writes are shown.
        titles: as ``titles_of`` gives them.
        task: only this one.
    """
    found = rows.rows(f"{_TASKS} AND t.task = ?", system, task) if task else rows.rows(_TASKS, system)
    made = []
    for row in found:
        name, instance, process, step, case, team, giver, person, state, attempt, reasons, refused, *times, ender, changed = row
        title, reason = titles.get((process, step), step), "; ".join(json.loads(reasons))
        texts = (name, instance, process, step, title, case, team, giver, person, STATUS.get(state, state), state)
        values = (*(text or None for text in texts), attempt, reason or None, refused or None, *times, ender or None, changed)
        made.append(dict(zip(TASK_COLUMNS, values, strict=True)))
    return made


def handoff_rows(rows: Rows, *, handoff: str = "") -> list[dict[str, Any]]:
    """Handoffs as rows of ``handoffs``."""
    found = rows.rows(f"{_HANDOFFS} WHERE handoff = ?", handoff) if handoff else rows.rows(_HANDOFFS)
    # Times of one length and zone: the greatest text is the last moment.
    rows_ = [(*row, max(filter(None, row[11:16]), default=None)) for row in found]
    return [dict(zip(HANDOFF_COLUMNS, (None if value == "" else value for value in row), strict=True)) for row in rows_]


def answers_of(store: Store, rows: Rows, instance: str, task: str) -> dict[str, Any]:
    """What was noted or answered for one task, by name of the column, read within a transaction of the store."""
    events = store.opened(rows, [body for (body,) in rows.rows(_ANSWERS, instance, *ANSWERED)])
    return take_answers(events).get(task, {})


def take_answers(events: Iterable[Event], known: dict[str, dict[str, Any]] | None = None) -> dict[str, dict[str, Any]]:
    """Answers by task and column; a later event's word holds."""
    found = {} if known is None else known
    for event in events:
        given: Mapping[str, Any] = event.attributes.get("answers" if event.type == "task.noted" else "variables") or {}
        if given:
            held = found.setdefault(str(event.attributes["task"]), {})
            held.update({f"{ANSWER}{name}": value for name, value in given.items()})
    return found


def as_text(value: Any) -> str | None:
    """A value for a column that DuckDB then gives its type."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def columns_of(rows: Sequence[Mapping[str, Any]], names: Iterable[str]) -> dict[str, list[str | None]]:
    """The rows as columns of texts."""
    return {name: [as_text(row.get(name)) for row in rows] for name in names}
