"""Run in SpiffWorkflow's own environment: processes of five steps in lanes of three teams; prints the processes a second.

    spiff_work.py FOLDER AT_ONCE TOTAL

As its manual has it, the state is serialized to JSON and saved after each step; here into SQLite in WAL mode with synchronous FULL, one
connection for each thread, one transaction for each save.
"""

from __future__ import annotations

import itertools
import sqlite3
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from SpiffWorkflow.bpmn.parser import BpmnParser
from SpiffWorkflow.bpmn.serializer import BpmnWorkflowSerializer
from SpiffWorkflow.bpmn.workflow import BpmnWorkflow
from SpiffWorkflow.util.task import TaskState

STEPS = ("one", "two", "three", "four", "five")
_here = threading.local()


def bpmn() -> str:
    places = ("start", *STEPS, "end")
    tasks = "".join(f'<bpmn:manualTask id="{name}" name="{name}"/>' for name in STEPS)
    pairs = itertools.pairwise(places)
    ways = "".join(f'<bpmn:sequenceFlow id="f{a}" sourceRef="{a}" targetRef="{b}"/>' for a, b in pairs)
    return (
        '<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" id="d"><bpmn:process id="p" isExecutable="true">'
        f'<bpmn:startEvent id="start"/>{tasks}<bpmn:endEvent id="end"/>{ways}</bpmn:process></bpmn:definitions>'
    )


def connection(folder: Path) -> sqlite3.Connection:
    if not hasattr(_here, "con"):
        _here.con = sqlite3.connect(folder / "state.db", isolation_level=None, timeout=60)
        _here.con.execute("PRAGMA journal_mode=WAL")
        _here.con.execute("PRAGMA synchronous=FULL")
        _here.con.execute("CREATE TABLE IF NOT EXISTS workflow (id TEXT PRIMARY KEY, state TEXT NOT NULL)")
    return _here.con


def main(folder: Path, at_once: int, total: int) -> None:
    (folder / "p.bpmn").write_text(bpmn())
    parser = BpmnParser()
    parser.add_bpmn_file(str(folder / "p.bpmn"))
    spec = parser.get_spec("p")
    serializer = BpmnWorkflowSerializer(BpmnWorkflowSerializer.configure())

    def one(number: int) -> None:
        con, flow = connection(folder), BpmnWorkflow(spec)
        flow.do_engine_steps()
        save(con, number, flow)
        for name in STEPS:
            (task,) = flow.get_tasks(state=TaskState.READY, manual=True)
            task.data[name] = True
            task.run()
            flow.do_engine_steps()
            save(con, number, flow)
        assert flow.is_completed()

    def save(con: sqlite3.Connection, number: int, flow: BpmnWorkflow) -> None:
        text = serializer.serialize_json(flow)
        con.execute("BEGIN IMMEDIATE")
        con.execute("INSERT INTO workflow VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET state = excluded.state", (f"w{number}", text))
        con.execute("COMMIT")

    one(-1)
    start = time.perf_counter()
    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(one, range(total)))
    sys.stdout.write(f"{total / (time.perf_counter() - start)}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
