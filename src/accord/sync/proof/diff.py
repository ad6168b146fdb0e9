"""What differs between two tables: digests of rows are compared, and only rows whose digests differ are looked at.

Systems of one kind compute the digests themselves, so that an equal row travels as sixteen bytes; for all others the rows are read once
and hashed here. Both ways end in the same place: the suspect rows are read again by key and compared by value, so a row is named only
when its values differ.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, Protocol, runtime_checkable

import duckdb
import pyarrow as pa

from accord.connectors.bulk import DIGEST, ODD, Stream, Streamed
from accord.connectors.duck import borrowed_duck
from accord.connectors.protocol import Connector, Digested, Keyed, Shaped
from accord.connectors.types import literal, quote
from accord.connectors.unreadable import is_flag
from accord.model.errors import DataRefused, UnknownName, UsageError
from accord.sync.cycle import join_on, key_json, names

Method = Literal["pushed down", "portable"]
Connections = tuple[duckdb.DuckDBPyConnection, duckdb.DuckDBPyConnection]
_numbers = itertools.count(1)
DIFFERENCES = ("key", "kind", "field", "left_value", "right_value")
_SUSPECT_SHARE = 4  # past a quarter of the rows, reading all of them costs less than asking for each by key


@runtime_checkable
class Closing(Protocol):
    """A stream that holds something open."""

    def close(self) -> None:
        """Let go of it."""
        ...


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
    # An engine with one thread for each: what waits for a system beside another thread of its engine looks for work all the time.
    with borrowed_duck(threads=1) as con, borrowed_duck(threads=1) as other:
        there = [_column_names(con, side) for side in sides]
        fields = [c for c in (columns or there[0]) if c not in key and (columns or c in there[1])]
        for side, known in zip(sides, there, strict=True):
            for name in (*key, *fields):
                if name not in known:
                    raise UnknownName("column", name, known, holder=side.place)
        found = None if portable else pushed_down((con, other), *sides, key, fields)
        return found or _portable((con, other), sides, key, fields)


def _column_names(con: duckdb.DuckDBPyConnection, side: TableSide) -> tuple[str, ...]:
    if isinstance(side.connector, Shaped):
        return tuple(side.connector.declared_types(side.resource))
    return tuple(c for c in _types(con, side.connector.scan(con, side.resource)) if not is_flag(c))


def pushed_down(cons: Connections, left: TableSide, right: TableSide, keys: Sequence[str], fields: Sequence[str]) -> Comparison | None:
    """Compare by digests both systems compute, or ``None`` when they cannot be held against each other.

    They can where both systems are of one kind and hold every column in the same native type, whose equal values the system hashes
    alike. Rows are read twice, the suspect ones by key: a row that came to agree between the two reads is not named.

    Args:
        cons: one for each side, which holds its digests; both of one engine.
        left: one side.
        right: the other.
        keys: fields that identify a row.
        fields: the others.
    """
    sides = left, right
    if type(left.connector) is not type(right.connector):
        return None
    natives = [side.connector.declared_types(side.resource) if isinstance(side.connector, Shaped) else {} for side in sides]
    for field in (*keys, *fields):
        types = {known.get(side.column(field)) for known, side in zip(natives, sides, strict=True)}
        if None in types or len(types) > 1:
            return None
    queries = [_digests_query(con, side, keys, fields) for con, side in zip(cons, sides, strict=True)]
    if queries[0] is None or queries[1] is None:
        return None
    tables = _fill_together(cons, (queries[0], queries[1]))
    con = cons[0]
    digests = compare_digests(con, *tables, keys, (left.place, right.place))
    rows = [_suspects(con, side, None, keys, fields, n) for side, n in zip(sides, (digests.left_rows, digests.right_rows), strict=True)]
    return _named(con, digests, rows, keys, fields, "pushed down")


def _digests_query(con: duckdb.DuckDBPyConnection, side: TableSide, keys: Sequence[str], fields: Sequence[str]) -> str | None:
    """SQL of keys and digests; ``None`` when the system cannot give them.

    The digest in the stream of a first load is none to compare by: it is the server's own, made for hash tables, where 5 and -5 may meet.
    """
    if not isinstance(side.connector, Digested):
        return None
    columns = [side.column(f) for f in (*keys, *fields)]
    try:
        relation = side.connector.digest_rows(con, side.resource, [side.column(k) for k in keys], columns, side.where)
    except UsageError:  # a condition that only DuckDB understands
        return None
    picked = ", ".join(f"{quote(side.column(k))} AS {quote(k)}" for k in keys)
    return f"SELECT {picked}, {DIGEST} FROM {relation}"


def _opened(con: duckdb.DuckDBPyConnection, opened: contextlib.ExitStack, connector: Streamed, resource: str) -> Stream:
    stream = connector.stream(con, resource)
    if isinstance(stream, Closing):
        opened.callback(stream.close)
    return stream


def _fill_together(cons: Connections, queries: tuple[str, str]) -> tuple[str, str]:
    """Make a table of each query, both at the same time, and give the names under which the first connection finds them."""
    tables = []
    for con, name in zip(cons, ("left_digests", "right_digests"), strict=True):
        found = con.execute("SELECT current_database()").fetchone()
        tables.append(f"{quote(str(found[0]))}.main.{name}" if found else name)
    statements = [f"CREATE OR REPLACE TABLE {table} AS {query}" for table, query in zip(tables, queries, strict=True)]
    if cons[0] is cons[1]:
        for statement in statements:
            cons[0].execute(statement)
        return tables[0], tables[1]
    with ThreadPoolExecutor(1, thread_name_prefix="accord-compare") as pool:
        beside = pool.submit(cons[1].execute, statements[1])
        cons[0].execute(statements[0])
        beside.result()
    return tables[0], tables[1]


def _portable(
    cons: Connections,
    sides: tuple[TableSide, TableSide],
    keys: Sequence[str],
    fields: Sequence[str],
    *,
    streamed: bool = True,
) -> Comparison:
    """Compare by digests computed here: rows pass through once, and are not kept where the system can stream them."""
    columns, con = (*keys, *fields), cons[0]
    with contextlib.ExitStack() as opened:
        streams = [_stream(c, opened, side, columns) if streamed else None for c, side in zip(cons, sides, strict=True)]
        # What is no stream is looked at again later, and so by the first connection.
        at = cons[0], cons[1] if streams[1] else con
        scans = [None if s else side.connector.scan(con, side.resource) for s, side in zip(streams, sides, strict=True)]
        types = [dict(s.columns) if s else _types(con, str(scan)) for s, scan in zip(streams, scans, strict=True)]
        alike = _spelled_alike(sides, columns)
        shown = [(f, quote(f) if f in alike else _comparable(f, types)) for f in columns]
        picked = ", ".join(
            [*(f"{sql} AS {quote(f)}" for f, sql in shown if f in keys), f"hash({', '.join(s for _, s in shown)}) AS {DIGEST}"]
        )
        left, right = (
            f"SELECT {picked}{f', {ODD}' if stream else ''} FROM {stream.read(columns, ()) if stream else scan}"
            for stream, scan in zip(streams, scans, strict=True)
        )
        tables = _fill_together(at, (left, right))
        for table, stream in zip(tables, streams, strict=True):
            if stream and _count(con, f"SELECT count(*) FROM {table} WHERE {ODD}"):
                # A value the stream cannot carry exactly; a scan carries every value, at a price.
                return _portable(cons, sides, keys, fields, streamed=False)
    digests = compare_digests(con, *tables, keys, (sides[0].place, sides[1].place))
    counts = digests.left_rows, digests.right_rows
    rows = [_suspects(con, side, scan, keys, fields, n) for side, scan, n in zip(sides, scans, counts, strict=True)]
    return _named(con, digests, rows, keys, fields, "portable")


def _spelled_alike(sides: Sequence[TableSide], columns: Sequence[str]) -> frozenset[str]:
    """Columns both systems hold as jsonb, which has one spelling for each value: no need to look for it row by row."""
    found = [side.connector.declared_types(side.resource) if isinstance(side.connector, Shaped) else {} for side in sides]
    return frozenset(c for c in columns if all(types.get(side.column(c)) == "jsonb" for side, types in zip(sides, found, strict=True)))


def _stream(con: duckdb.DuckDBPyConnection, opened: contextlib.ExitStack, side: TableSide, columns: Sequence[str]) -> Stream | None:
    """The rows on the fly, where the system can and afterwards gives single rows by key."""
    if not (isinstance(side.connector, Streamed) and isinstance(side.connector, Keyed)):
        return None
    stream = _opened(con, opened, side.connector, side.resource)
    return stream if set(columns) <= set(stream.columns) else None


def _suspects(
    con: duckdb.DuckDBPyConnection, side: TableSide, scan: str | None, keys: Sequence[str], fields: Sequence[str], rows: int
) -> str:
    """A table of a side's suspect rows: from what was read already, or read again, by key where they are few."""
    table = f"suspects_{next(_numbers)}"
    wanted = _count(con, "SELECT count(*) FROM suspect")
    if not wanted:  # nothing to look at: the columns alone, without reading a row
        con.execute(f"CREATE TEMP TABLE {table} ({', '.join(f'{quote(f)} VARCHAR' for f in (*keys, *fields))})")
        return table
    relation = scan
    if relation is None and isinstance(side.connector, Keyed) and wanted * _SUSPECT_SHARE <= rows:
        named = ", ".join(f"{quote(k)} AS {quote(side.column(k))}" for k in keys)
        con.execute(f"CREATE OR REPLACE TEMP TABLE suspect_keys AS SELECT DISTINCT {named} FROM suspect")
        relation = side.connector.scan_keys(con, side.resource, "suspect_keys")
    relation = relation or side.connector.scan(con, side.resource)
    picked = ", ".join(f"{quote(side.column(f))} AS {quote(f)}" for f in (*keys, *fields))
    rows_of = f"SELECT {picked} FROM {relation}{_filter(side)}"
    con.execute(f"CREATE TEMP TABLE {table} AS SELECT s.* FROM ({rows_of}) s SEMI JOIN suspect x ON {join_on(keys, 's', 'x')}")
    return table


def _filter(side: TableSide) -> str:
    return f" WHERE ({side.where})" if side.where else ""


def _types(con: duckdb.DuckDBPyConnection, relation: str) -> dict[str, str]:
    return {str(row[0]): str(row[1]) for row in con.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()}


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
    con: duckdb.DuckDBPyConnection,
    left: str,
    right: str,
    keys: Sequence[str],
    fields: Sequence[str],
    kept: str,
    start: str = "",
    held: Mapping[str, str] = MappingProxyType({}),
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
        held: field: column of both that says what is to be shown of it, where that is not what is compared.
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
    values = {f: [f"CAST({side}.{quote(held.get(f, f))} AS VARCHAR)" for side in "lr"] for f in fields}
    named = ", ".join(f"CASE WHEN {sql} THEN {{f: {literal(f)}, l: {values[f][0]}, r: {values[f][1]}}} END" for f, sql in differs.items())
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
    rows: Sequence[str],
    keys: Sequence[str],
    fields: Sequence[str],
    method: Method,
) -> Comparison:
    types = [_types(con, table) for table in rows]
    shown = ", ".join(f"{_comparable(f, types)} AS {quote(f)}" for f in (*keys, *fields))
    left, right = (f"(SELECT {shown} FROM {table})" for table in rows)
    con.execute(f"CREATE OR REPLACE TEMP TABLE named ({', '.join(f'{quote(c)} VARCHAR' for c in DIFFERENCES)})")
    missing, extra, different = name_differences(con, left, right, keys, fields, "named")
    table = con.execute("SELECT * FROM named ORDER BY ALL").to_arrow_table()
    n, m, both, mine, theirs = digests.left_rows, digests.right_rows, digests.both, digests.left_digest, digests.right_digest
    return Comparison(n, m, both, missing, extra, different, mine, theirs, method, table)


def _count(con: duckdb.DuckDBPyConnection, query: str) -> int:
    row = con.execute(query).fetchone()
    return int(row[0]) if row else 0
