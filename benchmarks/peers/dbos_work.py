"""Run in DBOS's own environment: workflows of five steps and two handoffs, so many at once; prints the workflows a second.

    dbos_work.py URL AT_ONCE TOTAL

A handoff is a message the workflow receives; it is sent before the workflow asks for it, so that no polling interval is measured. On
SQLite DBOS leaves journal and synchronization as SQLite has them (rollback journal, FULL); here both are set as in Accord's store, WAL
and FULL, which is the quicker of the two for DBOS as well.
"""

from __future__ import annotations

import logging
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import sqlalchemy as sa
from dbos import DBOS, SetWorkflowID


@sa.event.listens_for(sa.Engine, "connect")
def configure(connection, record):
    if type(connection).__module__.startswith("sqlite3"):
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")


@DBOS.step()
def step(name: str) -> dict[str, bool]:
    return {name: True}


@DBOS.workflow()
def campaign(case: str) -> str:
    step("one")
    step("two")
    DBOS.recv("studio", timeout_seconds=60)
    step("three")
    step("four")
    DBOS.recv("legal", timeout_seconds=60)
    step("five")
    return case


def one(name: str) -> None:
    with SetWorkflowID(name):
        handle = DBOS.start_workflow(campaign, name)
    DBOS.send(name, "take it", topic="studio")
    DBOS.send(name, "take it", topic="legal")
    assert handle.get_result(polling_interval_sec=0.02) == name


def main(url: str, at_once: int, total: int) -> None:
    DBOS(config={"name": "bench", "system_database_url": url, "log_level": "ERROR", "run_admin_server": False})
    logging.disable(logging.ERROR)
    DBOS.launch()
    one("warm")
    start = time.perf_counter()
    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(one, [f"w{n}" for n in range(total)]))
    sys.stdout.write(f"{total / (time.perf_counter() - start)}\n")
    DBOS.destroy()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
