"""Jobs for many workers: procrastinate's tables in the store's own PostgreSQL, its workers on as many machines as are wanted.

A job is put into the queue by the transaction that makes the task it is for, so there is never one without the other. A job only says
which task to look at: whether there is something to do, and with which key, the task's row says. So a job too many is harmless, and one
too few (work begun before the queue was set up) is put in by whoever keeps the queue.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from accord.model.errors import UsageError
from accord.model.event import Event, StoredEvent
from accord.store import Store
from accord.store.database import Rows, Transaction, quote

NAME, QUEUE = "accord.action", "accord"
_THERE = "SELECT 1 FROM pg_proc WHERE proname = 'procrastinate_defer_jobs_v1' AND pronamespace = current_schema()::regnamespace"
_DEFER = """
SELECT procrastinate_defer_jobs_v1(ARRAY[CAST(ROW(
  CAST(? AS varchar), CAST(? AS varchar), 0, CAST(? AS text), NULL, CAST(? AS jsonb), CAST(? AS timestamptz)
) AS procrastinate_job_to_defer_v1)])
"""
_FORGOTTEN = """
SELECT t.task, t.run_at FROM work_task t WHERE t.state = 'queued' AND NOT EXISTS (
  SELECT 1 FROM procrastinate_jobs j WHERE j.lock = t.task AND j.status IN ('todo', 'doing'))
"""
_QUEUING = ("task.ready", "task.failed", "task.reopened", "task.restarted")


def has_queue(store: Store) -> bool:
    """Whether a store has the tables of the queue."""
    return store.dialect == "postgresql" and bool(store.rows(_THERE))


def schema_of(store: Store) -> str:
    """The schema of a PostgreSQL store, which the queue's tables share."""
    return str(store.rows("SELECT current_schema()")[0][0])


def set_up(store: Store, url: str) -> None:
    """Make the tables of the queue beside those of the store; harmless when they are there.

    Raises:
        UsageError: the store is no PostgreSQL, or procrastinate is not installed.
    """
    if store.dialect != "postgresql":
        raise UsageError(f"the store at {store.where} cannot be shared by many workers.", expected="Give --store postgresql://….")
    import psycopg  # here, because the queue is beside a PostgreSQL store only

    try:
        from procrastinate.schema import SchemaManager
    except ImportError as error:
        raise UsageError("many workers need procrastinate.", expected="Install accord[workers].") from error
    if has_queue(store):
        return
    with psycopg.connect(url) as connection:
        connection.execute("SELECT set_config('search_path', %s, true)", [quote(schema_of(store))])
        connection.execute("SELECT pg_advisory_xact_lock(hashtext('accord.queue'))")
        if not connection.execute(_THERE.encode()).fetchone():  # another worker may have made them while we waited
            connection.execute(SchemaManager.get_schema())


def enqueue(tx: Transaction, events: Sequence[StoredEvent]) -> None:
    """A job for each action that events queue; called by the store in the transaction of these events."""
    for stored in events:
        given = stored.event.attributes
        if stored.event.type in _QUEUING and given.get("state", "queued") == "queued":
            _defer(tx, str(given["task"]), str(given.get("run_at") or stored.event.time.isoformat()))


def enqueue_forgotten(store: Store) -> int:
    """A job for each queued action that has none; returns how many that were."""

    def decide(rows: Rows) -> tuple[list[Event], int]:
        found = rows.rows(_FORGOTTEN)
        for task, run_at in found:
            _defer(rows, task, run_at)
        return [], len(found)

    return store.transact(decide) if store.rows(_FORGOTTEN) else 0


def _defer(rows: Rows, task: str, run_at: str) -> None:
    # The lock keeps two jobs of one task from being carried out at once.
    rows.rows(_DEFER, QUEUE, NAME, task, json.dumps({"task": task}), run_at)
