"""Running instances as cards of a board: what is open in each, and since when it is blocked."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from accord.store.database import Rows
from accord.work.inbox.tasks import MOST_ROWS
from accord.work.moves import stamp
from accord.work.state import NOT_OVER, OPEN, Task, find_tasks

_RUNNING = "status IN ('running', 'stuck', 'cancelling')"


@dataclass(frozen=True, slots=True)
class Board:
    """A running instance as a card: what is open in it and since when it is blocked.

    ``blocked_since`` is when the last open task became something nobody works on (offered, ready, dead), ``None`` while somebody does;
    ``blocked_hours`` is how long that is, and ``age_hours`` how long the instance runs.
    """

    instance: str
    process: str
    case: str
    status: str
    started_at: str
    open_steps: tuple[str, ...]
    blocked_since: str | None
    blocked_hours: float
    age_hours: float


def board(rows: Rows, *, now: datetime, process: str = "", limit: int = MOST_ROWS, offset: int = 0) -> list[Board]:
    """Instances that are not over, the oldest first.

    Args:
        rows: the store.
        now: decides how long something has waited.
        process: only instances of this process.
        limit: at most so many.
        offset: leave out so many first.
    """
    where, values = (f"{_RUNNING} AND process = ?", [process]) if process else (_RUNNING, [])
    page = f"FROM work_instance WHERE {where} ORDER BY started_at, instance LIMIT ? OFFSET ?"
    instances = rows.rows(f"SELECT instance, process, case_id, status, started_at {page}", *values, limit, offset)
    tasks: dict[str, list[Task]] = defaultdict(list)
    states = ", ".join("?" * len(OPEN))
    # One question for the whole page: a question for each card would be a thousand of them.
    inside = f"{NOT_OVER} AND state IN ({states}) AND instance IN (SELECT instance {page}) ORDER BY seq"
    for task in find_tasks(rows, inside, *OPEN, *values, limit, offset):
        tasks[task.instance].append(task)
    return [_card(row, tasks[row[0]], now) for row in instances]


def _card(row: tuple[str, ...], tasks: list[Task], now: datetime) -> Board:
    instance, process, case, status, started = row
    waiting = [task for task in tasks if task.state in ("offered", "ready", "dead")]
    # A step that waits for a message or a time has nobody to take it, and so is not blocked.
    idle = waiting and not any(task.state in ("started", "queued") for task in tasks)
    since = max(task.ready_at for task in waiting if task.ready_at) if idle else None
    blocked = _hours(since, now) if since else 0.0
    steps = tuple(task.step for task in tasks)
    return Board(
        instance,
        process,
        case,
        status,
        started,
        steps,
        stamp(since) if since else None,
        blocked,
        _hours(datetime.fromisoformat(started), now),
    )


def _hours(since: datetime, now: datetime) -> float:
    return round(max(0.0, (now - since).total_seconds() / 3600), 3)
