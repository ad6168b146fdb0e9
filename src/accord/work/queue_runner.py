"""Many workers on one PostgreSQL store: procrastinate hands each job to one of them, and a dead worker's jobs to another.

A worker that is killed leaves its job marked as being done; once its heartbeat is old, any other puts the job back. The action then runs
again with the same key. Timers need no job: every worker looks after the clock, and the one whose transaction finds the timer still there
fires it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import psycopg

from accord.model.errors import AccordError, SystemUnreachable, TransientError
from accord.work.action import Context
from accord.work.engine import Work
from accord.work.jobs import NAME, QUEUE, enqueue, enqueue_forgotten, schema_of, set_up
from accord.work.runner import PAUSE_SECONDS, carry_out
from accord.work.state import load_task

if TYPE_CHECKING:
    from procrastinate import App

UPKEEP_SECONDS = 0.5  # how often timers are looked at


class QueueRunner:
    """One of many workers.

    Args:
        work: the processes, on a PostgreSQL store.
        context: what actions reach.
        url: of the store.
        threads: actions carried out at once.
        heartbeat_seconds: how often the worker says that it lives.
        stalled_seconds: a worker silent for so long is taken for dead.
        failed: told what went wrong with the store or the queue while it goes on.
    """

    def __init__(
        self,
        work: Work,
        context: Context,
        url: str,
        *,
        threads: int = 4,
        heartbeat_seconds: float = 5.0,
        stalled_seconds: float = 20.0,
        failed: Callable[[AccordError], None] = lambda error: None,
    ) -> None:
        self._work, self._context, self._url, self._failed = work, context, url, failed
        self._threads, self._heartbeat, self._stalled = threads, heartbeat_seconds, stalled_seconds
        self._done = 0
        set_up(work.store, url)
        work.store.also(enqueue)
        enqueue_forgotten(work.store)
        # Every job's end is in our own log; a traceback for each action that is tried again would say it twice.
        logging.getLogger("procrastinate").setLevel(logging.CRITICAL)

    def run(self, stop: threading.Event) -> None:
        """Work until ``stop`` is set, through restarts of the database."""
        while not stop.is_set():
            try:
                asyncio.run(self._serve(stop))
            except AccordError as error:
                if not isinstance(error, TransientError):
                    raise
                self._failed(error)
                stop.wait(PAUSE_SECONDS)

    def drain(self) -> int:
        """Carry out all that is due now and what follows at once from it; returns how many timers and actions that was."""
        self._done, fired = 0, 0
        while True:
            before = self._done
            found = self._work.fire()
            asyncio.run(self._serve(None))
            fired += found
            if not found and self._done == before:
                return self._done + fired

    async def _serve(self, stop: threading.Event | None) -> None:
        """Work until ``stop``, or without one until the queue holds nothing that is due."""
        from procrastinate.exceptions import ProcrastinateException

        app = self._app()
        try:
            async with app.open_async():
                worker = asyncio.create_task(
                    app.run_worker_async(
                        queues=[QUEUE],
                        concurrency=self._threads,
                        wait=stop is not None,
                        fetch_job_polling_interval=UPKEEP_SECONDS,
                        update_heartbeat_interval=self._heartbeat,
                        stalled_worker_timeout=self._stalled,
                        install_signal_handlers=False,
                        delete_jobs="always",
                        listen_notify=stop is not None,
                    )
                )
                upkeep = asyncio.create_task(self._upkeep(app, stop)) if stop is not None else worker
                try:
                    await asyncio.wait({worker, upkeep}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    await _end(worker, upkeep)
        except (ProcrastinateException, psycopg.Error, OSError) as error:
            reason = " ".join(str(error.__cause__ or error).split()) or type(error).__name__
            raise SystemUnreachable("queue", self._work.store.where, reason, "It is tried again.") from error

    def _app(self) -> App:
        from procrastinate import App, PsycopgConnector, RetryStrategy

        options = f"-c search_path={schema_of(self._work.store)}"
        connector = PsycopgConnector(conninfo=self._url, kwargs={"options": options}, min_size=1, max_size=self._threads + 3, timeout=10)
        app = App(connector=connector)

        @app.task(name=NAME, queue=QUEUE, retry=RetryStrategy(wait=1))
        async def action(task: str) -> None:
            await asyncio.to_thread(self._one, task)

        return app

    def _one(self, name: str) -> None:
        task = load_task(self._work.store, name)
        if task.state == "queued":
            carry_out(self._work, task, self._context)
            self._done += 1

    async def _upkeep(self, app: App, stop: threading.Event) -> None:
        """Until ``stop``: fire timers, put back what dead workers held and what was never put in."""
        looked = float("-inf")
        while not stop.is_set():
            if time.monotonic() - looked > self._stalled / 4:
                looked = time.monotonic()
                await app.job_manager.prune_stalled_workers(self._stalled)
                for job in await app.job_manager.get_stalled_jobs(queue=QUEUE, seconds_since_heartbeat=self._stalled):
                    await app.job_manager.retry_job(job)
                await asyncio.to_thread(enqueue_forgotten, self._work.store)
            if not await asyncio.to_thread(self._work.fire):
                await asyncio.to_thread(stop.wait, UPKEEP_SECONDS)


async def _end(*tasks: asyncio.Task[None]) -> None:
    """Let them end what they have begun, and raise what one of them failed by."""
    for task in tasks:
        if not task.done():
            task.cancel()
    for task in set(tasks):
        with contextlib.suppress(asyncio.CancelledError):
            await task
