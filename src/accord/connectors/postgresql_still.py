"""One moment of a PostgreSQL database, read as often as need be."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import duckdb
import psycopg

from accord.connectors.types import literal
from accord.store.alive import Watched

# No snapshot shows the rows of a table that was emptied or rewritten after it; to lock it instead would keep our own other sessions
# waiting behind whoever waits for us.
_FILES: Final = """
    SELECT array_agg(x.oid::text || ':' || pg_relation_filenode(x.oid)::text ORDER BY x.oid)
    FROM (SELECT name::regclass::oid AS oid FROM unnest(%(tables)s::text[]) AS t(name)
        UNION SELECT p.relid::oid FROM unnest(%(tables)s::text[]) AS t(name), pg_partition_tree(t.name::regclass) AS p) AS x"""


class Rewritten(Exception):
    """A table was emptied or rewritten while its moment was held."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A snapshot that is held: ``db`` reads it, and any other session that takes over ``snapshot``."""

    db: psycopg.Connection[Any]
    snapshot: str

    @contextmanager
    def imported(self, con: duckdb.DuckDBPyConnection, alias: str) -> Iterator[None]:
        """What ``con`` reads of an attached database meanwhile, it reads as of the moment; all in one transaction of ``con``."""
        con.execute("BEGIN")
        try:
            con.execute(f"CALL postgres_execute({literal(alias)}, {literal(f'SET TRANSACTION SNAPSHOT {literal(self.snapshot)}')})")
            yield
            con.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(duckdb.Error):  # what went wrong is what is raised
                con.execute("ROLLBACK")
            raise


@contextmanager
def held(dsn: str, tables: Sequence[str]) -> Iterator[Moment]:
    """Hold the present moment of a database until the context is left.

    Args:
        dsn: how to connect.
        tables: quoted names of what will be read.

    Raises:
        psycopg.Error: no connection.
        Rewritten: when the context is left: what was read may be no moment at all.
    """
    with contextlib.closing(Watched.open(dsn)) as db:
        files = db.execute(_FILES, {"tables": list(tables)}).fetchone()
        db.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        db.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        snapshot = db.execute("SELECT pg_export_snapshot()").fetchone()
        assert snapshot is not None  # a function without FROM gives one row
        yield Moment(db, str(snapshot[0]))
        db.execute("COMMIT")
        if db.execute(_FILES, {"tables": list(tables)}).fetchone() != files:
            raise Rewritten
