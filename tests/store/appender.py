"""Run by the fault tests in a process of its own: append without end and print the last sequence number of each acknowledged append."""

import sys
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from uuid import uuid4

import pyarrow as pa

from accord.model.event import Event, ObjectRef
from accord.store import open_store

if __name__ == "__main__":
    url, segments = sys.argv[1], Path(sys.argv[2])
    life = uuid4().hex
    with open_store(url, segments=segments) as store, store.lease("appender"):
        for number in count():
            written = store.write_segment(pa.table({"life": [life], "number": [number]}))
            state = {"golden": [written.sha], "changes": [written.sha]}
            task = ObjectRef("task", str(number % 7))
            head = store.append(
                [
                    Event(
                        f"{life}-{number}-{part}", type_, datetime.now(UTC), "appender", {"flow": "f", "run": life, "state": state}, (task,)
                    )
                    for part, type_ in enumerate(("flow.run_finished", "task.done", "task.checked"))
                ]
            )
            sys.stdout.write(f"{head.seq} {head.hash} {written.sha}\n")
            sys.stdout.flush()
