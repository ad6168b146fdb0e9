"""Tasks as lines of an inbox: whose they are, and how much time is left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from accord.model.errors import UsageError
from accord.store.database import Rows
from accord.work.moves import stamp
from accord.work.state import NOT_OVER, OPEN, Task, find_tasks

SlaState = Literal["no limit", "on time", "due soon", "overdue"]
FOR_PEOPLE = ("offered", "ready", "started")
SOON_SHARE = 0.25  # of the time a task may take: with less left it is due soon
MOST_ROWS = 1000


@dataclass(frozen=True, slots=True)
class Item:
    """A task as a line of an inbox; ``hours_left`` is negative when it is overdue, ``None`` without a limit."""

    task: Task
    title: str
    sla: SlaState
    hours_left: float | None


def inbox(
    rows: Rows,
    *,
    now: datetime,
    team: str = "",
    person: str = "",
    states: Sequence[str] = FOR_PEOPLE,
    overdue: bool = False,
    titles: Mapping[tuple[str, str], str] | None = None,
    limit: int = MOST_ROWS,
    offset: int = 0,
) -> list[Item]:
    """Tasks for people, the most urgent first: by due time, then the oldest.

    Args:
        rows: the store.
        now: decides what is late.
        team: only this team's.
        person: only what this person has or is meant to do.
        states: only tasks in these states.
        overdue: only those whose time is over.
        titles: how people call a step, by process and step.
        limit: at most so many.
        offset: leave out so many first.

    Raises:
        UsageError: a state there is none of, or a limit that is none.
    """
    unknown = [state for state in states if state not in OPEN]
    if unknown or not 1 <= limit <= MOST_ROWS or offset < 0:
        raise UsageError(
            f"no tasks can be listed for states {', '.join(states)}, limit {limit}, offset {offset}.",
            expected=f"States: {', '.join(OPEN)}. Limit: 1 to {MOST_ROWS}.",
        )
    conditions, values = [f"{NOT_OVER} AND state IN ({', '.join('?' * len(states))})"], [*states]
    for column, value in (("team", team), ("assignee", person)):
        if value:
            conditions.append(f"{column} = ?")
            values.append(value)
    if overdue:
        conditions.append("due_at < ?")
        values.append(stamp(now))
    order = "ORDER BY due_at IS NULL, due_at, seq LIMIT ? OFFSET ?"
    found = find_tasks(rows, f"{' AND '.join(conditions)} {order}", *values, limit, offset)
    return [item(task, now, (titles or {}).get((task.process, task.step), "")) for task in found]


def item(task: Task, now: datetime, title: str = "") -> Item:
    """A task with how much time is left."""
    if task.due_at is None:
        return Item(task, title or task.step, "no limit", None)
    left = (task.due_at - now).total_seconds() / 3600
    whole = (task.due_at - (task.ready_at or now)).total_seconds() / 3600
    state: SlaState = "overdue" if left < 0 else "due soon" if left < SOON_SHARE * max(whole, 0.0) else "on time"
    return Item(task, title or task.step, state, round(left, 3))


def counts(rows: Rows) -> dict[str, dict[str, int]]:
    """Open tasks by team and state."""
    found: dict[str, dict[str, int]] = {}
    states = ", ".join("?" * len(OPEN))
    for team, state, count in rows.rows(
        f"SELECT team, state, count(*) FROM work_task WHERE {NOT_OVER} AND state IN ({states}) GROUP BY team, state ORDER BY team, state",
        *OPEN,
    ):
        found.setdefault(team, {})[state] = int(count)
    return found
