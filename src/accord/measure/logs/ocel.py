"""OCEL 2.0 (SQLite and JSON) as an event log: every event once, with all its objects.

An event that is related to an object more than once stands once in its history;
relations to events or objects the log does not declare are left out. Both are told in notes.
Events at the same time are ordered by their id, because the format has no other order.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb

from accord.connectors.duck import load_scanner
from accord.connectors.types import literal, path_literal, quote
from accord.measure.logs.parsed import zoned_time
from accord.model.errors import DataRefused
from accord.model.process import Log

_TABLES = {
    "event": ("ocel_id", "ocel_type"),
    "object": ("ocel_id", "ocel_type"),
    "event_object": ("ocel_event_id", "ocel_object_id", "ocel_qualifier"),
    "event_map_type": ("ocel_type", "ocel_type_map"),
}


def read_ocel_sqlite(con: duckdb.DuckDBPyConnection, path: Path, log: Log) -> tuple[str, ...]:
    """Make the table ``parsed`` from an OCEL 2.0 SQLite file and return notes on what was left out.

    Raises:
        DataRefused: not SQLite, or not the tables of OCEL 2.0.
    """
    load_scanner(con, "sqlite")
    con.execute("SET sqlite_all_varchar = true")  # declared types in such files are often not those of the values
    try:
        con.execute(f"ATTACH {literal(str(path))} AS ocel (TYPE sqlite, READ_ONLY)")
        names = {str(n) for (n,) in con.execute("SELECT table_name FROM duckdb_tables() WHERE database_name = 'ocel'").fetchall()}
    except duckdb.Error as error:
        raise DataRefused(str(error).splitlines()[0], str(path), "an OCEL 2.0 file in SQLite") from error
    try:
        missing = [name for name in _TABLES if name not in names]
        if missing:
            raise DataRefused(
                f"there is no table '{missing[0]}'", str(path), f"an OCEL 2.0 file with {', '.join(_TABLES)} and a table per event type"
            )
        for name, columns in _TABLES.items():
            _check_columns(con, name, columns, path)
        parts = []
        for (short,) in con.execute("SELECT DISTINCT ocel_type_map FROM ocel.event_map_type ORDER BY 1").fetchall():
            table = f"event_{short}"
            if table not in names:
                raise DataRefused(f"event_map_type names '{short}', but there is no table '{table}'", str(path), f"a table '{table}'")
            _check_columns(con, table, ("ocel_id", "ocel_time"), path)
            parts.append(f"SELECT ocel_id, ocel_time, {_attributes(con, table, log)} AS attributes FROM ocel.{quote(table)}")
        times = (
            " UNION ALL ".join(parts)
            or "SELECT NULL::VARCHAR AS ocel_id, NULL::VARCHAR AS ocel_time, NULL::VARCHAR AS attributes WHERE false"
        )
        con.execute(
            "CREATE OR REPLACE TEMP TABLE ocel_event AS SELECT e.ocel_id AS id, e.ocel_type AS type, t.ocel_time AS time, t.attributes "
            f"FROM ocel.event e LEFT JOIN ({times}) t USING (ocel_id)"
        )
        con.execute("CREATE OR REPLACE TEMP TABLE ocel_object AS SELECT ocel_id AS id, ocel_type AS type FROM ocel.object")
        con.execute(
            "CREATE OR REPLACE TEMP TABLE ocel_relation AS SELECT ocel_event_id AS event, ocel_object_id AS object, "
            "coalesce(ocel_qualifier, '') AS qualifier FROM ocel.event_object"
        )
    finally:
        con.execute("DETACH ocel")
    return _assemble(con, path, log)


def _check_columns(con: duckdb.DuckDBPyConnection, table: str, columns: Sequence[str], path: Path) -> None:
    there = {str(row[0]).lower() for row in con.execute(f"DESCRIBE ocel.{quote(table)}").fetchall()}
    missing = [name for name in columns if name not in there]
    if missing:
        raise DataRefused(f"the table '{table}' has no column '{missing[0]}'", str(path), f"the columns {', '.join(columns)}")


def _attributes(con: duckdb.DuckDBPyConnection, table: str, log: Log) -> str:
    columns = [str(row[0]) for row in con.execute(f"DESCRIBE ocel.{quote(table)}").fetchall()]
    kept = [c for c in columns if c not in ("ocel_id", "ocel_time") and (not log.attributes or c in log.attributes)]
    if not kept:
        return "NULL::VARCHAR"
    return f"CAST(to_json({{{', '.join(f'{literal(c)}: {quote(c)}' for c in kept)}}}) AS VARCHAR)"


def read_ocel_json(con: duckdb.DuckDBPyConnection, path: Path, log: Log) -> tuple[str, ...]:
    """Make the table ``parsed`` from an OCEL 2.0 JSON file and return notes on what was left out.

    Raises:
        DataRefused: no JSON, or not the shape of OCEL 2.0.
    """
    event = (
        'STRUCT(id VARCHAR, "type" VARCHAR, "time" VARCHAR, attributes STRUCT("name" VARCHAR, "value" VARCHAR)[], '
        "relationships STRUCT(objectId VARCHAR, qualifier VARCHAR)[])[]"
    )
    largest = max(16_777_216, path.stat().st_size * 2)
    try:
        con.execute(
            "CREATE OR REPLACE TEMP TABLE ocel_file AS SELECT * FROM read_json("
            f"{path_literal(path)}, columns = {{events: '{event}', objects: 'STRUCT(id VARCHAR, \"type\" VARCHAR)[]'}}, "
            f"maximum_object_size = {largest})"
        )
        shape = con.execute("SELECT count(*), count(events), count(objects) FROM ocel_file").fetchone()
    except duckdb.Error as error:
        raise DataRefused(str(error).splitlines()[0], str(path), "an OCEL 2.0 file in JSON") from error
    if shape != (1, 1, 1):
        raise DataRefused("there is no list of 'events' and of 'objects' at the top", str(path), "an OCEL 2.0 file in JSON")
    broken = con.execute(
        "SELECT e.id FROM (SELECT unnest(events) AS e FROM ocel_file) WHERE len(e.attributes) <> "
        "len(list_distinct(list_filter(list_transform(e.attributes, lambda a: a.name), lambda n: n IS NOT NULL))) LIMIT 1"
    ).fetchone()
    if broken:
        raise DataRefused(f"event '{broken[0]}' has an attribute twice, or one without a name", str(path), "each attribute once")
    wanted = f"list_contains([{', '.join(map(literal, log.attributes))}], a.name)" if log.attributes else "true"
    con.execute("CREATE OR REPLACE TEMP TABLE ocel_whole AS SELECT unnest(events) AS e FROM ocel_file")
    con.execute(
        "CREATE OR REPLACE TEMP TABLE ocel_event AS SELECT e.id AS id, e.type AS type, e.time AS time, "
        f"CASE WHEN len(e.attributes) > 0 THEN CAST(to_json(map_from_entries(list_transform(list_filter(e.attributes, lambda a: {wanted}), "
        "lambda a: {'k': a.name, 'v': a.value}))) AS VARCHAR) END AS attributes FROM ocel_whole"
    )
    con.execute(
        "CREATE OR REPLACE TEMP TABLE ocel_object AS SELECT o.id AS id, o.type AS type FROM (SELECT unnest(objects) AS o FROM ocel_file)"
    )
    con.execute(
        "CREATE OR REPLACE TEMP TABLE ocel_relation AS SELECT id AS event, r.objectId AS object, coalesce(r.qualifier, '') AS qualifier "
        "FROM (SELECT e.id AS id, unnest(e.relationships) AS r FROM ocel_whole)"
    )
    return _assemble(con, path, log)


def _assemble(con: duckdb.DuckDBPyConnection, path: Path, log: Log) -> tuple[str, ...]:
    for table, what in (("ocel_event", "event"), ("ocel_object", "object")):
        twice = con.execute(f"SELECT id FROM {table} GROUP BY id HAVING count(*) > 1 ORDER BY id LIMIT 1").fetchone()
        if twice:
            raise DataRefused(f"the {what} '{twice[0]}' is declared twice", str(path), f"each {what} once")
    time = zoned_time("nullif(trim(e.time), '')", log)
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE parsed AS
        WITH relation AS (
            SELECT r.event, list({{'type': o.type, 'id': o.id, 'qualifier': r.qualifier}} ORDER BY o.type, o.id, r.qualifier) AS objects
            FROM (SELECT DISTINCT * FROM ocel_relation) r JOIN ocel_object o ON o.id = r.object GROUP BY r.event)
        SELECT row_number() OVER (ORDER BY e.id) AS seq, e.id AS source_id, NULL::VARCHAR AS case_id, nullif(e.type, '') AS activity,
               {time} AS time, NULL::VARCHAR AS resource, NULL::VARCHAR AS team, NULL::TIMESTAMPTZ AS start_at, e.attributes,
               coalesce(r.objects, []) AS objects,
               nullif(concat_ws('; ', CASE WHEN coalesce(e.type, '') = '' THEN 'the event type is empty' END,
                   CASE WHEN {time} IS NULL THEN coalesce('time «' || e.time || '» cannot be read', 'the time is empty') END), '') AS reason
        FROM ocel_event e LEFT JOIN relation r ON r.event = e.id
        """
    )
    row = con.execute(
        """
        SELECT count(*) - count(DISTINCT (event, object)),
               count(*) FILTER (object NOT IN (SELECT id FROM ocel_object)), count(*) FILTER (event NOT IN (SELECT id FROM ocel_event))
        FROM ocel_relation
        """
    ).fetchone()
    assert row is not None
    texts = (
        "further relations of an event to an object it is related to already; they count once",
        "relations to objects the log does not declare, left out",
        "relations of events the log does not declare, left out",
    )
    return tuple(f"{count:,} {text}" for count, text in zip(row, texts, strict=True) if count)
