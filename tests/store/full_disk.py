"""Run by test_faults.py on a file system of 2 MB: fill it in three ways, and say which were reported as they should be."""

import os
import sys
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import duckdb
import pyarrow as pa

from accord.model.errors import StorageFull
from accord.model.event import Event
from accord.store import open_store

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def say(word: str) -> None:
    sys.stdout.write(word + "\n")


if __name__ == "__main__":
    place = Path(sys.argv[1])
    ballast = place / "ballast"
    ballast.write_bytes(os.urandom(1_000_000))
    with open_store(place / "store.db", segments=place / "segments") as store:
        acknowledged = store.head()
        try:
            for number in count():
                acknowledged = store.append([Event(str(number), "task.done", NOON, "t", {"text": "x" * 20_000})])
        except StorageFull:
            say("append")
        assert acknowledged.seq > 3
        assert store.verify() == acknowledged

        ballast.write_bytes(b"")
        noise = pa.table({"noise": [os.urandom(1000).hex() for _ in range(3000)]})
        try:
            store.write_segment(noise)
        except StorageFull:
            say("table")
        with duckdb.connect() as con:
            con.register("noise", noise)
            try:
                store.write_segment_from(con, "SELECT * FROM noise")
            except StorageFull:
                say("query")
        assert list((place / "segments").iterdir()) == []

        assert (
            store.append([Event("after", "task.done", NOON, "t", {"sha": store.write_segment(noise.slice(0, 10)).sha})]).seq
            > acknowledged.seq
        )
        assert store.verify(through=acknowledged).seq == acknowledged.seq + 1
        say("again")
