"""Compare-and-set for a whole batch in one query: what is to become of each row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from accord.connectors.protocol import OLD, OP, ApplyResult, ChangeBatch
from accord.connectors.text_values import same_value
from accord.connectors.timestamp_style import TimestampStyle
from accord.connectors.types import as_varchar, quote
from accord.model.types import CanonicalType

ROW = "_accord_row"
_TYPES = {
    "FLOAT": "double",
    "DOUBLE": "double",
    "BOOLEAN": "boolean",
    "DATE": "date",
    "TIMESTAMP": "timestamp",
    "TIMESTAMP WITH TIME ZONE": "timestamp",
    "UUID": "uuid",
    "JSON": "json",
    "BLOB": "binary",
}


@dataclass(frozen=True, slots=True)
class Staged:
    """A batch in DuckDB: table ``given`` as it came and view ``stage`` with every value as text, both numbered by ``_accord_row``.

    ``types`` says how each column is compared, ``given`` the DuckDB type of each column of the batch.
    """

    batch: ChangeBatch
    types: Mapping[str, CanonicalType]
    given: Mapping[str, str]


def stage(con: duckdb.DuckDBPyConnection, batch: ChangeBatch, declared: Mapping[str, CanonicalType]) -> Staged:
    """Put the batch into ``con``.

    Args:
        con: where the tables ``given`` and ``stage`` are made.
        batch: what is to be done.
        declared: types of the target's columns; ``text`` where it has none, and then the batch's own type decides.
    """
    numbered = batch.rows.append_column(ROW, pa.array(range(1, batch.rows.num_rows + 1), pa.int64()))
    con.register("arrow_batch", numbered)
    con.execute("CREATE OR REPLACE TEMP TABLE given AS SELECT * FROM arrow_batch")
    con.unregister("arrow_batch")
    given = {row[0]: row[1] for row in con.execute("DESCRIBE given").fetchall()}
    texts = [f"{as_text(quote(n), kind)} AS {quote(n)}" for n, kind in given.items() if n not in (OP, ROW)]
    con.execute(f"CREATE OR REPLACE TEMP VIEW stage AS SELECT {', '.join([ROW, OP, *texts])} FROM given")
    types = {}
    for name in (*batch.key, *batch.columns):
        type_ = declared.get(name, CanonicalType("text"))
        types[name] = type_of(given[name]) if type_.name == "text" else type_
    return Staged(batch, types, given)


def as_text(value: str, kind: str) -> str:
    """SQL for a value of the DuckDB type ``kind`` as text: ISO 8601 with zone, bytes in hexadecimal, all else as DuckDB writes it."""
    if kind == "BLOB":
        return f"hex({value})"
    if kind == "TIMESTAMP WITH TIME ZONE":
        return TimestampStyle().sql(f"({value} AT TIME ZONE 'UTC')")
    if kind.startswith("TIMESTAMP"):
        return TimestampStyle(zone="").sql(f"CAST({value} AS TIMESTAMP)")
    return as_varchar(value, kind)


def type_of(kind: str) -> CanonicalType:
    """The canonical type of a DuckDB type name; ``text`` for all that is none of ours."""
    if kind.startswith("DECIMAL("):
        return CanonicalType.parse("number(" + kind[8:])
    if kind.endswith("INT") or kind == "INTEGER":
        return CanonicalType("number", 38, 0) if "HUGE" in kind or kind == "UBIGINT" else CanonicalType("integer")
    return CanonicalType("timestamp" if kind.startswith("TIMESTAMP") else _TYPES.get(kind, "text"))


def decide(con: duckdb.DuckDBPyConnection, staged: Staged, matches: str) -> None:
    """Judge every row of ``stage`` against what the target holds now, into table ``verdict``: ``_accord_row``, ``outcome``.

    Outcomes: insert, update, delete, unchanged, stale. When several rows of the target have the key, all of them must be as expected.

    Args:
        con: holds ``stage``.
        staged: the batch.
        matches: table with ``_accord_row`` and the target's values of ``batch.columns`` as text, for each row whose key is there.
    """
    batch = staged.batch
    if con.execute(f"SELECT 1 FROM {matches} LIMIT 1").fetchone() is None:
        # Nothing of the batch is there, as at the first load: no value needs to be compared.
        con.execute(f"""
            CREATE OR REPLACE TEMP TABLE verdict AS
            SELECT {ROW}, CASE {OP} WHEN 'insert' THEN 'insert' WHEN 'delete' THEN 'unchanged' ELSE 'stale' END AS outcome FROM given""")
        return
    wanted = [same_value(f"t.{quote(c)}", f"s.{quote(c)}", staged.types[c]) for c in batch.columns]
    expected = [same_value(f"t.{quote(c)}", f"s.{quote(OLD + c)}", staged.types[c]) for c in batch.columns if OLD + c in staged.given]
    has_wanted, has_expected = " AND ".join(wanted) or "true", " AND ".join(expected) or "true"
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE verdict AS
        WITH compared AS (
            SELECT s.{ROW}, s.{OP} AS op, t.{ROW} IS NOT NULL AS present, {has_wanted} AS has_wanted, {has_expected} AS has_expected
            FROM stage s LEFT JOIN {matches} t USING ({ROW})
        )
        SELECT {ROW},
            CASE
                WHEN NOT bool_or(present)
                    THEN CASE any_value(op) WHEN 'insert' THEN 'insert' WHEN 'delete' THEN 'unchanged' ELSE 'stale' END
                {"WHEN any_value(op) = 'insert' THEN 'stale'" if batch.free else ""}
                WHEN any_value(op) = 'delete' THEN CASE WHEN bool_and(has_expected) THEN 'delete' ELSE 'stale' END
                WHEN bool_and(has_wanted) THEN 'unchanged'
                WHEN any_value(op) = 'update' AND bool_and(has_wanted OR has_expected) THEN 'update'
                ELSE 'stale'
            END AS outcome
        FROM compared GROUP BY {ROW}""")


def of(relation: str, *outcomes: str) -> str:
    """SQL of those rows of a relation with ``_accord_row`` that have one of the outcomes.

    With no column of ``verdict`` beside its own: a system's columns may be called «outcome» or «rowid», too.
    """
    chosen = ", ".join(f"'{outcome}'" for outcome in outcomes)
    return f"{relation} SEMI JOIN (SELECT {ROW} FROM verdict WHERE outcome IN ({chosen})) v USING ({ROW})"


def result(
    con: duckdb.DuckDBPyConnection, batch: ChangeBatch, refusals: Mapping[int, str], given: Mapping[int, str] | None = None
) -> ApplyResult:
    """The counts of ``verdict``, with the keys of stale and refused rows.

    Args:
        con: holds ``verdict``.
        batch: what was to be done.
        refusals: number of a row: why the target refused it.
        given: number of a row: the key the target gave it.
    """
    counts = {"insert": 0, "update": 0, "delete": 0, "unchanged": 0, "stale": 0}
    counts |= dict(con.execute("SELECT outcome, count(*) FROM verdict GROUP BY outcome").fetchall())
    if refusals:
        for row, outcome in con.execute(f"SELECT {ROW}, outcome FROM verdict").fetchall():
            if row in refusals:
                counts[outcome] -= 1
    stale = [
        row for (row,) in con.execute(f"SELECT {ROW} FROM verdict WHERE outcome = 'stale' ORDER BY 1").fetchall() if row not in refusals
    ]
    keys = batch.rows.select(list(batch.key))
    if batch.gives:
        keys = keys.append_column(ROW, pa.array(range(1, keys.num_rows + 1), pa.int64()))
    refused = sorted(refusals)
    return ApplyResult(
        inserted=counts["insert"],
        updated=counts["update"],
        deleted=counts["delete"],
        unchanged=counts["unchanged"],
        stale=keys.take([row - 1 for row in stale]) if stale else None,
        refused=keys.take([row - 1 for row in refused]).append_column("reason", pa.array([refusals[row] for row in refused], pa.string()))
        if refused
        else None,
        given=pa.table({ROW: pa.array(given, pa.int64()), "key": pa.array(given.values(), pa.string())}) if given else None,
    )
