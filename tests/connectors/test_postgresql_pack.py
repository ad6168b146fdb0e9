"""COPY's binary form of every type of column, against what the server makes of the same values as text."""

from __future__ import annotations

import random
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import psycopg
import pyarrow as pa
import pytest

from accord.connectors import postgresql_pack
from accord.connectors.duck import borrowed_duck
from accord.connectors.postgresql_pack import can_pack, packed
from accord.connectors.postgresql_types import columns_of

# The column, its type as it is scanned, and values as both databases write them.
KINDS = {
    "s": ("int2", "BIGINT", ["0", "-32768", "32767"]),
    "i": ("int4", "BIGINT", ["0", "-2147483648", "2147483647"]),
    "b": ("int8", "BIGINT", ["0", "-9223372036854775808", "9223372036854775807"]),
    "n": ("numeric(38,0)", "DECIMAL(38,0)", ["0", "9" * 38, "-" + "9" * 38, "10000", "-1" + "0" * 37]),
    "m": ("numeric(38,38)", "DECIMAL(38,38)", ["0", "0." + "9" * 38, "-0." + "0" * 37 + "1", "0.0001"]),
    "o": ("numeric(12,2)", "DECIMAL(12,2)", ["0.01", "-0.10", "9999999999.99", "100.00", "10000.00", "0.5"]),
    "d": ("float8", "DOUBLE", ["0", "-0", "1e308", "-5e-324", "NaN", "Infinity", "-Infinity", "0.1"]),
    "f": ("bool", "BOOLEAN", ["true", "false"]),
    "day": ("date", "DATE", ["2000-01-01", "1970-01-01", "0001-01-01", "4713-01-01 (BC)", "9999-12-31", "infinity", "-infinity"]),
    "t": ("timestamp", "TIMESTAMP", ["2000-01-01 00:00:00", "0001-01-01 00:00:00.000001", "9999-12-31 23:59:59.999999", "infinity"]),
    "tz": ("timestamptz", "TIMESTAMPTZ", ["1999-12-31 23:59:59.999999+00", "4713-01-01 (BC) 00:00:00+00", "infinity", "-infinity"]),
    "u": ("uuid", "UUID", ["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-fffffffffffe"]),
    "y": ("bytea", "BLOB", ["", "\\x00\\xFF\\x0A", "\\x50\\x47\\x43\\x4F\\x50\\x59"]),
    "x": ("text", "VARCHAR", ["", "\\N", "a\tb\nc", "Łódź 🙂", "x" * 5_000]),
    "v": ("varchar(9)", "VARCHAR", ["", "nine long"]),
    "j": ("jsonb", "VARCHAR", ["null", '{"a":[1,2.50,"ü"]}', '"1"', "1e3"]),
    "k": ("json", "VARCHAR", ["null", '{"a": 1, "a": 2}']),
}  # fmt: skip
ROWS = 200


@pytest.fixture
def db(postgres_url: str) -> Iterator[psycopg.Connection[Any]]:
    """With the tables ``sent``, filled in binary, and ``told``, filled by text."""
    with psycopg.connect(postgres_url, autocommit=True) as open_:
        for table in ("sent", "told"):
            open_.execute(f"CREATE TABLE {table} ({', '.join(f'{c} {k[0]}' for c, k in KINDS.items())})".encode())
        yield open_


def _in_postgresql(column: str, value: str | None) -> str | None:
    if value and "(BC)" in value:
        return value.replace(" (BC)", "") + " BC"
    return "\\x" + value.replace("\\x", "") if value and column == "y" else value


def _send(db: psycopg.Connection[Any], rows: list[list[str | None]]) -> None:
    with borrowed_duck() as con:
        con.execute(f"CREATE TABLE given ({', '.join(f'{c} {k[1]}' for c, k in KINDS.items())})")
        con.executemany(f"INSERT INTO given VALUES ({', '.join('?' for _ in KINDS)})", rows)
        reader = con.execute("SELECT * REPLACE (CAST(u AS BLOB) AS u) FROM given").to_arrow_reader(64)
        _copy(db, "sent", reader)


def _copy(db: psycopg.Connection[Any], table: str, reader: pa.RecordBatchReader) -> None:
    names, columns = ", ".join(reader.schema.names), {c.name: c for c in columns_of(db, table)}
    with db.cursor() as cursor, cursor.copy(f"COPY {table} ({names}) FROM STDIN (FORMAT binary)".encode()) as copy:
        for part in packed(reader, columns):
            copy.write(part)


def test_every_value_arrives_as_it_is(db: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Nulls anywhere, ends of each range, and parts of a batch that break off where its rows do."""
    monkeypatch.setattr(postgresql_pack, "_PART_BYTES", 20_000)
    chance = random.Random(7)
    most = max(len(kind[2]) for kind in KINDS.values())
    rows: list[list[str | None]] = [[kind[2][i % len(kind[2])] for kind in KINDS.values()] for i in range(most)]
    rows += [[chance.choice([*kind[2], None]) for kind in KINDS.values()] for _ in range(ROWS)]
    assert all(can_pack(column) for column in columns_of(db, "sent"))

    _send(db, rows)

    marks = ", ".join(f"%s::{kind[0]}" for kind in KINDS.values())
    db.cursor().executemany(
        f"INSERT INTO told VALUES ({marks})", [[_in_postgresql(c, v) for c, v in zip(KINDS, row, strict=True)] for row in rows]
    )
    for column in KINDS:
        held = [db.execute(f"SELECT {column}::text FROM {t} ORDER BY ctid".encode()).fetchall() for t in ("sent", "told")]
        assert held[0] == held[1], column


@pytest.mark.parametrize(
    ("column", "values", "type_"),
    [
        ("s", [32768], pa.int64()),
        ("i", [-2147483649], pa.int64()),
        ("day", [-(2**31) + 2], pa.date32()),
        ("t", [-(2**63) + 2], pa.timestamp("us")),
    ],
)
def test_a_value_without_room_is_refused_before_it_is_sent_as_another(
    db: psycopg.Connection[Any], column: str, values: list[Any], type_: pa.DataType
) -> None:
    """A number that wraps around would be a valid one."""
    batch = pa.record_batch([pa.array(values, type_)], names=[column])

    with pytest.raises(ValueError, match=r"[Oo]verflow|not in range"):
        _copy(db, "sent", pa.RecordBatchReader.from_batches(batch.schema, [batch]))

    assert db.execute("SELECT count(*) FROM sent").fetchone() == (0,)


def test_decimals_of_every_scale_keep_their_digits(db: psycopg.Connection[Any]) -> None:
    """The server takes numbers in groups of four digits on both sides of the point."""
    chance = random.Random(11)
    for scale in range(0, 38, 3):
        numbers = [Decimal(chance.randrange(-(10**d), 10**d)).scaleb(-scale) for d in range(1, 38)]
        db.execute(f"DROP TABLE IF EXISTS sent; CREATE TABLE sent (n numeric(38,{scale}))".encode())
        batch = pa.record_batch([pa.array(numbers, pa.decimal128(38, scale))], names=["n"])

        _copy(db, "sent", pa.RecordBatchReader.from_batches(batch.schema, [batch]))

        assert [row[0] for row in db.execute("SELECT n FROM sent ORDER BY ctid").fetchall()] == numbers
