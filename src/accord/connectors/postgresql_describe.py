"""What there is in a PostgreSQL database, and under which name: tables and views, their keys, columns and rows."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import errors

from accord.connectors.postgresql_types import PgColumn, columns_of
from accord.connectors.types import quote
from accord.model.errors import UnknownName
from accord.model.system import ColumnDescription, ResourceDescription, System

VIEW_SECONDS = 5
_RESOURCES = """
    SELECT CASE WHEN n.nspname = current_schema() THEN c.relname ELSE n.nspname || '.' || c.relname END, n.nspname, c.relname,
        c.relkind IN ('r', 'p') AND has_table_privilege(c.oid, 'INSERT') AND has_table_privilege(c.oid, 'UPDATE')
        AND has_table_privilege(c.oid, 'DELETE'), has_table_privilege(c.oid, 'SELECT'), c.relkind IN ('v', 'm')
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
        AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_%'
    ORDER BY 1"""
# As above, of one name: a server may hold thousands of tables.
_PLACE = """
    SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relname = ANY(%(names)s)
        AND (n.nspname || '.' || c.relname = %(path)s OR (n.nspname = current_schema() AND c.relname = %(path)s))
        AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
        AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_%%'
    ORDER BY c.relname = %(path)s"""
_KEY = """
    SELECT array_agg(a.attname ORDER BY k.position)
    FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k(attnum, position)
    LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
    WHERE i.indrelid = %s::regclass AND i.indisunique AND i.indpred IS NULL AND i.indexprs IS NULL AND k.position <= i.indnkeyatts
    GROUP BY i.indexrelid, i.indisprimary ORDER BY i.indisprimary DESC, i.indexrelid LIMIT 1"""


def describe(db: psycopg.Connection[Any], system: System) -> tuple[ResourceDescription, ...]:
    """Every table and view that can be read, as one state of the database; within a transaction of its own."""
    with db.transaction():
        db.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        described = [_view(db, system, row) if row[5] else _one(db, system, row) for row in db.execute(_RESOURCES).fetchall()]
    return tuple(resource for resource in described if resource is not None)


def split(system: System, resource: str) -> tuple[str, str]:
    """Schema, empty where none is named, and name of a resource as the map spells it."""
    schema, _, name = _path(system, resource).rpartition(".")
    return schema, name


def located(db: psycopg.Connection[Any], system: System, resource: str) -> tuple[str, str]:
    """Schema and name of an existing table or view.

    Raises:
        UnknownName: there is none.
    """
    path = _path(system, resource)
    parts = path.split(".")  # a name may hold dots itself
    names = [".".join(parts[at:]) for at in range(len(parts))]
    found = db.execute(_PLACE, {"path": path, "names": names}, prepare=True).fetchone()
    if found is not None:
        return str(found[0]), str(found[1])
    known = [row[0] for row in db.execute(_RESOURCES).fetchall()]
    raise UnknownName("resource", resource, known, place=system.place, holder=f"system '{system.name}'")


def _path(system: System, resource: str) -> str:
    given = system.resources.get(resource)
    return given.path if given and given.path else resource


def _view(db: psycopg.Connection[Any], system: System, row: tuple[Any, ...]) -> ResourceDescription | None:
    """As for a table; none for a view that cannot be read or takes too long, which must not hide all the others."""
    try:
        with db.transaction():  # a savepoint
            db.execute(f"SET LOCAL statement_timeout = '{VIEW_SECONDS}s'".encode())
            described = _one(db, system, row)
            db.execute("SET LOCAL statement_timeout TO DEFAULT")
            return described
    except psycopg.OperationalError as error:
        if not isinstance(error, errors.QueryCanceled):
            raise
        return None
    except psycopg.DatabaseError:
        return None


def _one(db: psycopg.Connection[Any], system: System, row: tuple[Any, ...]) -> ResourceDescription:
    label, schema, name, writable, readable, _ = row
    table = f"{quote(schema)}.{quote(name)}"
    renamed = {r.path: r for r in system.resources.values() if r.path}
    given = renamed.get(label) or system.resources.get(label)
    key = db.execute(_KEY, (table,)).fetchone()
    count = db.execute(f"SELECT count(*) FROM {table}".encode()).fetchone() if readable else None
    columns: tuple[PgColumn, ...] = columns_of(db, table)
    return ResourceDescription(
        given.name if given else label,
        tuple(ColumnDescription(c.name, c.native, c.type, c.nullable) for c in columns),
        key=given.key if given and given.key else tuple(key[0]) if key else (),
        row_count=int(count[0]) if count else 0,
        writable=bool(writable),
        readable=bool(readable),
    )
