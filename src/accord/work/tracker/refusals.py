"""What a tracker wanted and the engine did not do: written down once, and shown for as long as the task stands as it stood then."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from accord.model.event import Event, ObjectRef
from accord.store.database import Rows
from accord.work.engine import Work
from accord.work.moves import Moves
from accord.work.people import find

_SAME = "SELECT wanted, person, reason, state, attempt, assignee FROM work_refusal WHERE task = ? AND system = ?"
_OPEN = """
    SELECT r.task, r.system, r.wanted, r.person, r.reason, r.at FROM work_refusal r JOIN work_task t ON t.task = r.task
    WHERE r.state = t.state AND r.attempt = t.attempt AND r.assignee = t.assignee AND (? = '' OR t.team = ?) ORDER BY r.at, r.task"""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A write of a tracker that was refused and whose task has not moved since: ``wanted`` is column → value, ``person`` who it names."""

    task: str
    system: str
    wanted: Mapping[str, Any]
    person: str
    reason: str
    at: str


def open_refusals(rows: Rows, *, team: str = "") -> list[Refusal]:
    """Where a tracker and the engine disagree and a person has to look, the longest standing first; of one team, or of all."""
    return [Refusal(task, system, json.loads(wanted), *rest) for task, system, wanted, *rest in rows.rows(_OPEN, team, team)]


def record_refusal(work: Work, system: str, task: str, told: Mapping[str, Any], reason: str) -> None:
    """Write down that a write was refused; the same one, tried again while nothing moved, is not written down again.

    Args:
        work: holds the task.
        system: whose rows they are.
        task: its id, also when there is no such task.
        told: as ``Write.shown`` gives it: ``wanted``, ``columns`` and ``person``.
        reason: for people.
    """

    def decide(moves: Moves) -> None:
        there = moves.rows.rows("SELECT 1 FROM work_task WHERE task = ?", task)
        stands: dict[str, Any] = {"state": "", "attempt": 0, "assignee": ""}
        if there:
            held = find(moves, task)[1]
            stands = {"state": held.state, "attempt": held.attempt, "assignee": held.assignee}
        for text, *rest in moves.rows.rows(_SAME, task, system):
            if (json.loads(text), rest) == (dict(told["wanted"]), [told.get("person", ""), reason, *stands.values()]):
                return
        body = {"task": task, "system": system, **told, "reason": reason, **stands}
        if there:
            moves.emit("tracker.refused", find(moves, task)[0], **body)
        else:
            about = (ObjectRef("task", task),)
            moves.events.append(Event(uuid.uuid4().hex, "tracker.refused", moves.now, f"system:{system}", body, about))

    work.command(decide, by=system)
