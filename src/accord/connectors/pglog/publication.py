"""Publications: which tables a log stream holds, and proof that nobody changed that in between."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from accord.connectors.pglog.connection import LogSource
from accord.connectors.types import literal, quote
from accord.model.errors import DataRefused, UnknownName, UsageError

LOCK_SECONDS = 30
_TABLE = """
    SELECT c.oid, c.relkind, c.relpersistence, c.relreplident,
        EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND CASE c.relreplident WHEN 'i' THEN i.indisreplident
            ELSE i.indisprimary END)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname = %s"""
_NAMES = """
    SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_%'"""
_STATE = """
    SELECT p.oid::text || ' ' || (to_jsonb(p) - 'pubowner' - 'pubname')::text || ' ' || coalesce((
            SELECT string_agg((to_jsonb(r))::text, ' ' ORDER BY r.prrelid) FROM pg_publication_rel r WHERE r.prpubid = p.oid), '')
        || ' ' || coalesce((SELECT string_agg(n.pnnspid::text, ' ' ORDER BY n.pnnspid) FROM pg_publication_namespace n
            WHERE n.pnpubid = p.oid), '')
    FROM pg_publication p WHERE p.pubname = {}"""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the source, by its exact names."""

    name: str
    schema: str = "public"

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def quoted(self) -> str:
        """As an SQL identifier."""
        return f"{quote(self.schema)}.{quote(self.name)}"


def create_publication(db: psycopg.Connection[Any], source: LogSource, name: str, tables: Sequence[Table]) -> str:
    """Publish exactly these tables, replacing a publication of that name, and return its fingerprint.

    Changes of a partition count as changes of the table it belongs to; stored generated columns are included where the server can
    (PostgreSQL 18), so that the stream holds what the table holds.

    Raises:
        UsageError: no table is given.
        UnknownName: there is no such table.
        DataRefused: a table logs nothing of a row before its change. Publishing it would make every UPDATE and DELETE of it fail *in the
            source*, so it is refused before anything is made. Also: no right to publish.
    """
    if not tables:
        raise UsageError("a log capture needs at least one table.")
    for table in tables:
        _check(db, source, table)
    options = "publish_via_partition_root = true"
    if db.info.server_version >= 180000:
        options += ", publish_generated_columns = stored"
    try:
        with db.transaction():
            # Waits only for changes of the tables' structure; writers of rows are neither waited for nor held up.
            db.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'".encode())
            db.execute(f"DROP PUBLICATION IF EXISTS {quote(name)}".encode())
            db.execute(f"CREATE PUBLICATION {quote(name)} FOR TABLE {', '.join(t.quoted for t in tables)} WITH ({options})".encode())
    except psycopg.Error as error:
        raise source.translated(error) from None
    row = db.execute(state_query(name).encode()).fetchone()
    assert row is not None
    return fingerprint(str(row[0]))


def drop_publication(db: psycopg.Connection[Any], name: str) -> None:
    """Remove it where it is there."""
    db.execute(f"DROP PUBLICATION IF EXISTS {quote(name)}".encode())


def state_query(name: str) -> str:
    """SQL giving one text with what is published and the identities of the publication and of each table's membership; or no row."""
    return _STATE.format(literal(name))


def fingerprint(state: str) -> str:
    """A hash of what ``state_query`` gives.

    A table that was taken out and put back, or a publication that was made anew, has another fingerprint: changes in between were not
    logged for us, and since PostgreSQL 18 the server does not say so (it skips a missing publication with a warning).
    """
    return hashlib.sha256(state.encode()).hexdigest()


def _check(db: psycopg.Connection[Any], source: LogSource, table: Table) -> None:
    row = db.execute(_TABLE, (table.schema, table.name)).fetchone()
    if row is None:
        known = [str(found[0]) for found in db.execute(_NAMES).fetchall()]
        raise UnknownName("table", str(table), known, holder=f"the log capture of system '{source.system}'")
    _, kind, persistence, identity, has_index = row
    place = f"{source.where}, table {table}"
    if kind not in ("r", "p") or persistence != "p":
        raise DataRefused("it has no log of its changes", place, "an ordinary, logged table; others are compared by sweep")
    if identity == "n" or (identity != "f" and not has_index):
        raise DataRefused(
            "it has no primary key and no other replica identity; publishing it would make its updates and deletes fail in the source",
            place,
            "a primary key, or ALTER TABLE … REPLICA IDENTITY FULL",
        )
