"""Reading by key is the same as scanning and choosing, for every kind of system that can."""

from __future__ import annotations

from typing import Any

import duckdb
import pyarrow as pa
import pytest

from accord.connectors.protocol import ChangeBatch, Keyed
from accord.connectors.roundtrip import VALUES
from accord.connectors.types import duckdb_type, literal, quote
from accord.model.errors import UnknownName
from accord.model.types import CanonicalType

ODD = [
    "",
    " ",
    "'",
    '"',
    "\\",
    "{",
    "}",
    ",",
    "NULL",
    "null",
    "a\nb",
    "%s",
    "ü",
    "🙂",
    'x"y\\z',
    "--",
    "a'); --",
    "A",
    "a",
    "1",
    "1.0",
    "01",
]


@pytest.fixture
def keyed(bench: Any) -> Any:
    """A system that can read by key."""
    if not isinstance(bench.connector, Keyed):
        pytest.skip("never: it is read whole")
    return bench


def fill(bench: Any, con: duckdb.DuckDBPyConnection, types: dict[str, CanonicalType], key: list[str], query: str) -> None:
    """Make the resource ``r`` of these columns with the rows of a query."""
    bench.connector.create("r", types, key)
    rest = [name for name in types if name not in key]
    olds = "".join(f", NULL AS {quote('_old_' + name)}" for name in rest)
    rows = con.execute(f"SELECT 'insert' AS _op, *{olds} FROM ({query})").to_arrow_table()
    if rows.num_rows > 1000 and bench.kind == "rest":
        pytest.skip("never: it is written row by row, so nobody fills it with that many")
    result = bench.connector.apply(ChangeBatch("r", tuple(key), tuple(rest), rows, "fill"))
    assert result.inserted == rows.num_rows


def difference(con: duckdb.DuckDBPyConnection, bench: Any, names: list[str]) -> tuple[int, int]:
    """How many rows ``keys`` names, and in how many rows reading by key and a scan differ; the types must be the same."""
    scanned = bench.connector.scan(con, "r")
    found = bench.connector.scan_keys(con, "r", "keys")
    on = " AND ".join(f"s.{quote(n)} = k.{quote(n)}" for n in names)
    con.execute(f"CREATE OR REPLACE TEMP TABLE expected AS SELECT s.* FROM {scanned} s SEMI JOIN keys k ON {on}")
    con.execute(f"CREATE OR REPLACE TEMP TABLE found AS SELECT * FROM {found}")
    described = [con.execute(f"SELECT column_name, column_type FROM (DESCRIBE {t})").fetchall() for t in ("expected", "found")]
    assert described[0] == described[1]
    (wrong,) = con.execute("""SELECT (SELECT count(*) FROM (FROM expected EXCEPT ALL FROM found))
        + (SELECT count(*) FROM (FROM found EXCEPT ALL FROM expected))""").fetchone()
    (right,) = con.execute("SELECT count(*) FROM expected").fetchone()
    return right, wrong


def test_every_type_is_read_by_key_as_by_a_scan(keyed: Any, duck: duckdb.DuckDBPyConnection) -> None:
    """A value that came otherwise would be taken for an edit."""
    types = {name: CanonicalType.parse(name) for name in VALUES}
    texts = ", ".join(f"CAST([{', '.join(map(literal, v))}][i] AS {duckdb_type(types[n])}) AS {quote(n)}" for n, v in VALUES.items())
    rows = max(map(len, VALUES.values())) + 1
    fill(keyed, duck, {"id": CanonicalType("text")} | types, ["id"], f"SELECT 'row ' || i AS id, {texts} FROM range(1, {rows + 1}) r(i)")
    duck.execute(f"CREATE TABLE keys AS SELECT 'row ' || i AS id FROM range(2, {rows + 9}) r(i)")

    assert difference(duck, keyed, ["id"]) == (rows - 1, 0)


@pytest.mark.parametrize("type_", [name for name in VALUES if name not in ("json", "double", "binary")])
def test_a_key_may_be_of_any_type(keyed: Any, duck: duckdb.DuckDBPyConnection, type_: str) -> None:
    """Numbers, instants and UUIDs have several spellings; the key is the value."""
    kind = CanonicalType.parse(type_)
    values = list(VALUES[type_])
    fill(
        keyed,
        duck,
        {"k0": kind, "v": CanonicalType("text")},  # a column may be called like one of ours
        ["k0"],
        f"SELECT CAST(k AS {duckdb_type(kind)}) AS k0, 'v' AS v FROM (SELECT unnest([{', '.join(map(literal, values))}]) AS k)",
    )
    duck.execute(f"CREATE TABLE keys AS SELECT k0 FROM {keyed.connector.scan(duck, 'r')} ORDER BY k0 LIMIT {len(values) - 1}")

    assert difference(duck, keyed, ["k0"]) == (len(values) - 1, 0)
    found = keyed.connector.scan_keys(duck, "r", "keys")
    assert duck.execute(f"SELECT count(*) FROM {found} SEMI JOIN (FROM keys LIMIT 1) USING (k0)").fetchone() == (1,)  # as a run reads it


def test_odd_absent_and_null_keys_choose_the_rows_they_equal_and_no_other(keyed: Any, duck: duckdb.DuckDBPyConnection) -> None:
    """Keys are what people typed; nothing in them may end a quote, and case and spaces count."""
    duck.register("odd", pa.table({"id": ODD}))
    fill(keyed, duck, {"id": CanonicalType("text"), "v": CanonicalType("text")}, ["id"], "SELECT id, 'v' AS v FROM odd")
    absent = [*ODD[::2], "nowhere", "nul\0inside", "b'x'", None]
    duck.execute("CREATE TABLE keys AS SELECT unnest(?::VARCHAR[]) AS id", [[*absent, *absent]])

    assert difference(duck, keyed, ["id"]) == (len(ODD[::2]), 0)


def test_keys_of_another_type_than_the_column_are_compared_where_they_can_be(keyed: Any, duck: duckdb.DuckDBPyConnection) -> None:
    """The key of one system is looked for in another, whose column may hold numbers only."""
    fill(keyed, duck, {"id": CanonicalType("integer"), "v": CanonicalType("text")}, ["id"], "SELECT i AS id, 'v' AS v FROM range(9) r(i)")
    duck.execute("CREATE TABLE keys AS SELECT unnest(['1', '5', 'x', '', '99999999999999999999', '2.5', NULL]) AS id")

    found = keyed.connector.scan_keys(duck, "r", "keys")

    rows = duck.execute(f"SELECT id, v FROM {found}").fetchall()
    assert sorted((int(key), value) for key, value in rows) == [(1, "v"), (5, "v")]


def test_no_key_gives_no_row_in_the_types_of_the_resource(keyed: Any, duck: duckdb.DuckDBPyConnection) -> None:
    """An empty change is asked like any other."""
    fill(
        keyed,
        duck,
        {"id": CanonicalType("text"), "n": CanonicalType("number", 12, 2)},
        ["id"],
        "SELECT 'a' AS id, 1.00::DECIMAL(12,2) AS n",
    )
    duck.execute("CREATE TABLE keys (id VARCHAR)")

    assert difference(duck, keyed, ["id"]) == (0, 0)


def test_ten_thousand_keys_of_two_columns_are_read_at_once(keyed: Any, duck: duckdb.DuckDBPyConnection) -> None:
    """As after an hour of another program's work."""
    types = {
        "a": CanonicalType("integer"),
        "b": CanonicalType("text"),
        "v": CanonicalType("number", 12, 2),
        "w": CanonicalType("timestamp"),
    }
    columns = "i AS a, 'k\"' || (i % 7) AS b, (i / 4)::DECIMAL(12,2) AS v, TIMESTAMPTZ '2024-01-01' + i * INTERVAL 1 SECOND AS w"
    fill(keyed, duck, types, ["a", "b"], f"SELECT {columns} FROM range(20000) r(i)")
    duck.execute("CREATE TABLE keys AS SELECT i AS a, 'k\"' || (i % 7) AS b FROM range(0, 20010, 2) r(i)")

    assert difference(duck, keyed, ["a", "b"]) == (10_000, 0)


def test_a_key_column_that_is_not_there_is_named(keyed: Any, duck: duckdb.DuckDBPyConnection) -> None:
    """Schema drift, not an empty answer."""
    keyed.create()
    duck.execute("CREATE TABLE keys AS SELECT '1' AS ident")

    with pytest.raises(UnknownName, match="Known: amount, at, id, name"):
        keyed.connector.scan_keys(duck, "items", "keys")
