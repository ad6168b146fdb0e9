"""What differs between two tables: digests of rows are compared, and only rows whose digests differ are looked at.

Systems of one kind compute the digests themselves, so that an equal row travels as sixteen bytes; for all others the rows are read once
and hashed here. Both ways end in the same place: the suspect rows are read again by key and compared by value, so a row is named only
when its values differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import duckdb
import pyarrow as pa

from accord.connectors.duck import borrowed_duck
from accord.connectors.protocol import Connector, Digested, Keyed
from accord.connectors.types import literal, quote
from accord.model.errors import DataRefused, UnknownName
from accord.sync.cycle import join_on, key_json, names

Method = Literal["pushed down", "portable"]
DIFFERENCES = ("key", "kind", "field", "left_value", "right_value")
_SUSPECT_SHARE = 4  # past a quarter of the rows, reading all of them costs less than asking for each by key


@dataclass(frozen=True, slots=True)
class TableSide:
    """One of two tables to compare.

    Args:
        connector: the system that holds it.
        resource: the table.
        columns: field: column, for every field compared, the key's included; empty: columns are called like the fields.
        where: SQL condition on the columns; only these rows take part.
    """

    connector: Connector
    resource: str
    columns: Mapping[str, str]
    where: str = ""

    def column(self, field: str) -> str:
        """The column that holds a field."""
        return self.columns.get(field, field)

    @property
    def place(self) -> str:
        """System and resource, for messages."""
        return f"{self.connector.system.name}/{self.resource}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two tables compared.

    Args:
        left_rows, right_rows: rows that took part.
        both: keys in both.
        missing: keys only in the left table.
        extra: keys only in the right one.
        different: keys in both with different values.
        left_digest, right_digest: over all rows of a side, independent of their order; equal when the tables are.
        method: where the digests were computed.
        differences: a row per missing or extra key and per different field: key (JSON), kind, field, left_value, right_value.
    """

    left_rows: int
    right_rows: int
    both: int
    missing: int
    extra: int
    different: int
    left_digest: str
    right_digest: str
    method: Method
    differences: pa.Table

    @property
    def agrees(self) -> bool:
        """Zero differences."""
        return not (self.missing or self.extra or self.different)


@dataclass(frozen=True, slots=True)
class Digests:
    """Rows and digest of each of two tables of row digests; their suspect keys are in table ``suspect``."""

    left_rows: int
    right_rows: int
    both: int
    left_digest: str
    right_digest: str


def compare_resources(
    left: Connector,
    left_resource: str,
    right: Connector,
    right_resource: str,
    *,
    key: Sequence[str],
    columns: Sequence[str] = (),
    portable: bool = False,
) -> Comparison:
    """Compare two tables whose columns are called alike, without a map.

    Args:
        left: one system.
        left_resource: its table.
        right: the other system.
        right_resource: its table.
        key: columns that identify a row in both.
        columns: further columns to compare; default: all that both have.
        portable: hash here, even if the systems could do it.

    Raises:
        DataRefused: a key stands twice, or is not there in some row.
        UnknownName: no such column.
    """
    sides = TableSide(left, left_resource, {}), TableSide(right, right_resource, {})
    with borrowed_duck() as con:
        if not portable and columns and can_push_down(sides[0], sides[1], (*key, *columns)):
            return push_down(con, *sides, key, [c for c in columns if c not in key])
        return _portable(con, sides, key, columns)


def can_push_down(left: TableSide, right: TableSide, fields: Sequence[str]) -> bool:
    """Whether digests computed by both systems can be held against each other: one kind of system, the same native types."""
    if type(left.connector) is not type(right.connector) or not isinstance(left.connector, Digested):
        return False
    types = [_native_types(side) for side in (left, right)]
    if not all(types):
        return False
    mine, theirs = ([found.get(side.column(f)) for f in fields] for side, found in zip((left, right), types, strict=True))
    return None not in mine and mine == theirs


def _native_types(side: TableSide) -> Mapping[str, str]:
    told = getattr(side.connector, "declared_types", None)
    if told is not None:
        return dict(told(side.resource))
    found = side.connector.describe().resource(side.resource)
    return {c.name: c.native_type for c in found.columns} if found else {}


def push_down(con: duckdb.DuckDBPyConnection, left: TableSide, right: TableSide, keys: Sequence[str], fields: Sequence[str]) -> Comparison:
    """Compare by digests both systems compute; call it where ``can_push_down`` holds.

    Rows are read twice, the suspect ones by key: a row that came to agree between the two reads is not named.
    """
    for side, table in ((left, "left_digests"), (right, "right_digests")):
        assert isinstance(side.connector, Digested)
        relation = side.connector.digest_rows(
            con, side.resource, [side.column(k) for k in keys], [side.column(f) for f in (*keys, *fields)], side.where
        )
        picked = ", ".join(f"{quote(side.column(k))} AS {quote(k)}" for k in keys)
        con.execute(f"CREATE OR REPLACE TEMP VIEW {table} AS SELECT {picked}, _digest FROM {relation}")
    digests = compare_digests(con, "left_digests", "right_digests", keys, (left.place, right.place))
    for side, name, rows in ((left, "left_suspects", digests.left_rows), (right, "right_suspects", digests.right_rows)):
        con.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {_suspects(con, side, keys, fields, rows)}")
    return _named(con, digests, "left_suspects", "right_suspects", keys, fields, "pushed down")


def _suspects(con: duckdb.DuckDBPyConnection, side: TableSide, keys: Sequence[str], fields: Sequence[str], rows: int) -> str:
    """SQL of a side's rows whose digests differ."""
    wanted = _count(con, "SELECT count(*) FROM suspect")
    if not wanted:  # nothing to look at: the columns alone, without reading a row
        return f"SELECT {', '.join(f'CAST(NULL AS VARCHAR) AS {quote(f)}' for f in (*keys, *fields))} WHERE false"
    if isinstance(side.connector, Keyed) and wanted * _SUSPECT_SHARE <= rows:
        named = ", ".join(f"{quote(k)} AS {quote(side.column(k))}" for k in keys)
        con.execute(f"CREATE OR REPLACE TEMP TABLE suspect_keys AS SELECT DISTINCT {named} FROM suspect")
        relation = side.connector.scan_keys(con, side.resource, "suspect_keys")
    else:
        relation = side.connector.scan(con, side.resource)
    types = {str(row[0]): str(row[1]) for row in con.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()}
    picked = ", ".join(f"{_by_value(side.column(f), types)} AS {quote(f)}" for f in (*keys, *fields))
    where = f" WHERE ({side.where})" if side.where else ""
    return f"SELECT * FROM (SELECT {picked} FROM {relation}{where}) SEMI JOIN suspect USING ({names(keys)})"


def _by_value(column: str, types: Mapping[str, str]) -> str:
    """SQL of a column, JSON by its value and not its spelling."""
    return f"canonical_json(CAST({quote(column)} AS VARCHAR))" if types[column] == "JSON" else quote(column)


def _portable(
    con: duckdb.DuckDBPyConnection, sides: tuple[TableSide, TableSide], keys: Sequence[str], columns: Sequence[str]
) -> Comparison:
    relations = [side.connector.scan(con, side.resource) for side in sides]
    types = [{str(r[0]): str(r[1]) for r in con.execute(f"DESCRIBE SELECT * FROM {rel}").fetchall()} for rel in relations]
    fields = [c for c in (columns or types[0]) if c not in keys and (columns or c in types[1])]
    for side, found in zip(sides, types, strict=True):
        for field in (*keys, *fields):
            if field not in found:
                raise UnknownName("column", field, found, holder=side.place)
    rows = ("left_whole", "right_whole")
    for table, relation in zip(rows, relations, strict=True):
        shown = ", ".join(f"{_comparable(f, types)} AS {quote(f)}" for f in (*keys, *fields))
        con.execute(f"CREATE OR REPLACE TEMP VIEW {table} AS SELECT {shown} FROM {relation}")
        con.execute(
            f"CREATE OR REPLACE TEMP TABLE {table.replace('whole', 'digests')} AS "
            f"SELECT {names(keys)}, hash({names((*keys, *fields))}) AS _digest FROM {table}"
        )
    digests = compare_digests(con, "left_digests", "right_digests", keys, (sides[0].place, sides[1].place))
    picked = [f"(SELECT * FROM {table} SEMI JOIN suspect USING ({names(keys)}))" for table in rows]
    return _named(con, digests, picked[0], picked[1], keys, fields, "portable")


def _comparable(field: str, types: Sequence[Mapping[str, str]]) -> str:
    """SQL of a column in a type that both sides have; JSON by its value and not its spelling."""
    left, right = (found[field] for found in types)
    if "JSON" in (left, right):
        return f"canonical_json(CAST({quote(field)} AS VARCHAR))"
    return quote(field) if left == right else f"CAST({quote(field)} AS {_common(left, right)})"


def _common(left: str, right: str) -> str:
    with borrowed_duck() as con:
        row = con.execute(f"SELECT typeof(x) FROM (SELECT CAST(NULL AS {left}) AS x UNION ALL SELECT CAST(NULL AS {right}))").fetchone()
    return str(row[0]) if row else "VARCHAR"


def compare_digests(con: duckdb.DuckDBPyConnection, left: str, right: str, keys: Sequence[str], places: tuple[str, str]) -> Digests:
    """Fill ``suspect`` with the keys whose ``_digest`` is not the same in both tables.

    Args:
        con: holds the tables.
        left: key columns and ``_digest`` of one side.
        right: and of the other.
        keys: the key columns.
        places: the two sides, for messages.

    Raises:
        DataRefused: a key stands twice with different rows, so that a difference could not be told from its twin.
    """
    both_keys = ", ".join(f"coalesce(l.{quote(k)}, r.{quote(k)}) AS {quote(k)}" for k in keys)
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE suspect AS
        SELECT {both_keys}, l._digest IS NOT NULL AS _left, r._digest IS NOT NULL AS _right
        FROM {left} l FULL JOIN {right} r ON {join_on(keys, "l", "r")} WHERE l._digest IS DISTINCT FROM r._digest""")
    told = []
    for table in (left, right):
        # The key is part of it: two rows that changed places are a difference.
        found = con.execute(f"SELECT count(*), bit_xor(d), sum(d) FROM (SELECT hash({names(keys)}, _digest) AS d FROM {table})").fetchone()
        n, mixed, added = found or (0, None, None)
        told.append((int(n), f"{int(mixed or 0):016x}{int(added or 0) % 2**64:016x}"))
    (left_rows, left_digest), (right_rows, right_digest) = told
    suspects = [_count(con, f"SELECT count(*) FROM suspect WHERE {side}") for side in ("_left", "_right", "_left AND _right")]
    twice = con.execute(f"SELECT {key_json(keys)} FROM suspect GROUP BY {names(keys)} HAVING count(*) > 1 LIMIT 1").fetchone()
    if twice or left_rows - suspects[0] != right_rows - suspects[1]:
        what = f"the key {twice[0]} stands twice" if twice else "a key stands twice"
        raise DataRefused(what, " or ".join(places), "keys that identify one row each")
    return Digests(left_rows, right_rows, left_rows - suspects[0] + suspects[2], left_digest, right_digest)


def name_differences(
    con: duckdb.DuckDBPyConnection, left: str, right: str, keys: Sequence[str], fields: Sequence[str], kept: str, start: str = ""
) -> tuple[int, int, int]:
    """Compare two relations by value and insert each difference into table ``kept``; returns missing, extra and different keys.

    Args:
        con: holds the relations.
        left: key and field columns of one side; SQL that can stand after FROM.
        right: and of the other, in the same types.
        keys: the key columns.
        fields: the others.
        kept: table with the columns of ``DIFFERENCES`` after those of ``start``.
        start: SQL values that come first in each row.
    """
    first = f"{start}, " if start else ""
    on = join_on(keys, "l", "r")
    counted = []
    for kind, here, there in (("missing", f"{left} l", f"{right} r"), ("extra", f"{right} r", f"{left} l")):
        alias = here[-1]
        found = con.execute(
            f"INSERT INTO {kept} SELECT {first}{key_json(keys, alias)}, {literal(kind)}, '', NULL, NULL "
            f"FROM {here} ANTI JOIN {there} ON {on}"
        ).fetchone()
        counted.append(int(found[0]) if found else 0)
    differs = {f: f"l.{quote(f)} IS DISTINCT FROM r.{quote(f)}" for f in fields}
    if not fields:
        return counted[0], counted[1], 0
    named = ", ".join(
        f"CASE WHEN {sql} THEN {{f: {literal(f)}, l: CAST(l.{quote(f)} AS VARCHAR), r: CAST(r.{quote(f)} AS VARCHAR)}} END"
        for f, sql in differs.items()
    )
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE different_rows AS
        SELECT {key_json(keys, "l")} AS key, [{named}] AS v FROM {left} l JOIN {right} r ON {on} WHERE {" OR ".join(differs.values())}""")
    con.execute(
        f"INSERT INTO {kept} SELECT {first}key, 'different', v.f, v.l, v.r FROM (SELECT key, unnest(v) AS v FROM different_rows) "
        "WHERE v IS NOT NULL"
    )
    return counted[0], counted[1], _count(con, "SELECT count(*) FROM different_rows")


def _named(
    con: duckdb.DuckDBPyConnection,
    digests: Digests,
    left: str,
    right: str,
    keys: Sequence[str],
    fields: Sequence[str],
    method: Method,
) -> Comparison:
    con.execute(f"CREATE OR REPLACE TEMP TABLE named ({', '.join(f'{quote(c)} VARCHAR' for c in DIFFERENCES)})")
    missing, extra, different = name_differences(con, left, right, keys, fields, "named")
    table = con.execute("SELECT * FROM named ORDER BY ALL").to_arrow_table()
    return Comparison(
        digests.left_rows,
        digests.right_rows,
        digests.both,
        missing,
        extra,
        different,
        digests.left_digest,
        digests.right_digest,
        method,
        table,
    )


def _count(con: duckdb.DuckDBPyConnection, query: str) -> int:
    row = con.execute(query).fetchone()
    return int(row[0]) if row else 0
