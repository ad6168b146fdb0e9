"""PostgreSQL: exact types, rows it refuses, rights, and what an error may show."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pytest

from accord.connectors.duck import borrowed_duck
from accord.connectors.protocol import ApplyResult, ChangeBatch, Noting
from accord.model.errors import DataRefused, SystemUnreachable, UsageError
from accord.model.types import CanonicalType

COLUMNS = """id text PRIMARY KEY, free numeric, wide numeric(60,20), money numeric(12,2), doc jsonb, raw json, tags text[], numbers int[],
    mood mood, plain timestamp, f4 real, span interval, code char(4), small smallint, email mail"""


@pytest.fixture
def db(postgres_url: str) -> Any:
    """The database as another program has it, with one table of many types."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE TYPE mood AS ENUM ('good', 'bad'); CREATE DOMAIN mail AS text CHECK (VALUE LIKE '%@%')")
        connection.execute(f"CREATE TABLE t ({COLUMNS})")  # type: ignore[arg-type]
        yield connection


def test_no_digit_and_no_microsecond_is_lost(db: Any, postgres_url: str, opened: Any, rows_of: Any, types_of: Any) -> None:
    """The scanner alone would make doubles of numbers without scale."""
    db.execute(
        """INSERT INTO t VALUES ('1', 12345678901234567890.123456789, 1.5, 10.10, '{"b": 1.10}', '{"b":  1}', '{a,"b c",NULL}', '{1,2}',
        'bad',
        '2024-02-29 23:59:59.123456', 0.1, '1 day 2:00', 'ab', 7, 'a@b')"""
    )
    connector = opened("postgresql", postgres_url)

    row = rows_of(connector, "t")[0]

    assert (row["free"], row["money"]) == (Decimal("12345678901234567890.123456789"), Decimal("10.10"))
    assert (row["doc"], row["raw"], row["tags"], row["numbers"]) == ('{"b": 1.10}', '{"b":  1}', '["a","b c",null]', "[1,2]")
    assert (row["mood"], row["f4"], row["span"], row["small"], row["email"]) == ("bad", 0.1, "1 day 02:00:00", 7, "a@b")
    assert row["plain"].microsecond == 123456
    assert types_of(connector, "t")["free"] == "DECIMAL(38,9)"


def test_values_are_read_alike_whatever_the_server_is_set_to(db: Any, postgres_url: str, opened: Any, rows_of: Any) -> None:
    """A database with a time zone of its own, or with few digits of a float, would show other values, and condition mean other moments."""
    name = db.execute("SELECT current_database()").fetchone()[0]
    db.execute("ALTER TABLE t ADD COLUMN at timestamptz, ADD COLUMN all_of timestamptz[], ADD COLUMN during tstzrange")
    moment = "2019-12-31 23:30+00"
    db.execute(
        f"INSERT INTO t (id, f4, span, at, all_of, during) VALUES ('1', 16777217, '1 day 2:00', '{moment}', '{{{moment}}}', '[{moment},)')"
    )
    for setting in ("timezone = 'Europe/Berlin'", "intervalstyle = 'iso_8601'", "extra_float_digits = 0", "datestyle = 'SQL, DMY'"):
        db.execute(f"ALTER DATABASE {name} SET {setting}".encode())
    connector = opened("postgresql", postgres_url)

    row = rows_of(connector, "t")[0]

    assert (row["f4"], row["span"], row["all_of"]) == (16777216.0, "1 day 02:00:00", '["2019-12-31T23:30:00+00:00"]')
    assert row["during"] == '["2019-12-31 23:30:00+00",)'
    with borrowed_duck(threads=2) as con:
        relation = connector.digest_rows(con, "t", ["id"], ["id"], "at >= '2020-01-01'")
        assert con.execute(f"SELECT count(*) FROM {relation}").fetchone() == (0,)


def test_a_number_that_fits_no_decimal_comes_as_text(db: Any, postgres_url: str, opened: Any, rows_of: Any) -> None:
    """NaN, or more places than nine: the digits stay, sync decides."""
    db.execute("INSERT INTO t (id, free, money) VALUES ('1', 0.12345678901, 'NaN'), ('2', 1, 1)")

    rows = {row["id"]: row for row in rows_of(opened("postgresql", postgres_url), "t")}

    assert (rows["1"]["free"], rows["1"]["money"]) == ("0.12345678901", "NaN")
    assert (rows["2"]["free"], rows["2"]["money"]) == ("1", "1.00")


def test_json_enums_and_arrays_are_written_from_their_texts(db: Any, postgres_url: str, opened: Any, change: Any) -> None:
    """And compared by value: other spelling of the same document is unchanged."""
    connector = opened("postgresql", postgres_url)
    row = {"id": "1", "doc": '{"a": 1, "b": [1]}', "raw": "[1, 2]", "tags": '["a", null]', "mood": "good", "f4": "0.1", "code": "ab"}

    first = change(connector, "t", "insert", [row])
    again = change(connector, "t", "insert", [{**row, "doc": '{"b":[1.0],"a":1}', "raw": "[1,2]"}])

    assert (first.inserted, again.unchanged) == (1, 1)
    assert db.execute("SELECT doc->'b', tags, mood::text, f4 FROM t").fetchone() == ([1], ["a", None], "good", 0.1)


def test_rows_the_server_refuses_are_named_and_the_others_go_in(db: Any, postgres_url: str, opened: Any, change: Any) -> None:
    """Constraint, type, rounding, enum, domain, a character it cannot store: each with the reason."""
    bad: dict[str, dict[str, str]] = {
        "3": {"money": "1.005"},
        "400": {"money": "many"},
        "401": {"mood": "worse"},
        "402": {"email": "nobody"},
        "403": {"email": "nul\0@"},
        "404": {"code": "toolong"},
        "799": {"money": "99999999999"},
    }
    good = {"money": "1.00", "mood": "good", "email": "a@b", "code": "ab"}

    result = change(opened("postgresql", postgres_url), "t", "insert", [{"id": str(i)} | good | bad.get(str(i), {}) for i in range(800)])

    reasons = {row["id"]: row["reason"] for row in result.refused.to_pylist()}
    assert result.inserted == 793
    assert set(reasons) == set(bad)
    for key, words in {"3": "does not fit numeric(12,2)", "401": "enum mood", "402": "mail_check", "403": "NUL", "404": "too long"}.items():
        assert words in reasons[key]
    assert db.execute("SELECT count(*) FROM t").fetchone() == (793,)


def test_rows_that_exchange_unique_values_are_written_together(db: Any, postgres_url: str, opened: Any, change: Any) -> None:
    """One by one each is refused for ever; a value that really is another row's is refused all the same, with who waits for it."""
    db.execute("CREATE TABLE lists (id int PRIMARY KEY); INSERT INTO lists VALUES (1)")
    place = "list int DEFAULT 1 REFERENCES lists, n int CHECK (n > 0), UNIQUE (list, n)"
    db.execute(f"CREATE TABLE u (id text PRIMARY KEY, code varchar(4) NOT NULL UNIQUE, guid uuid UNIQUE, more text, {place})")
    guid = "00000000-0000-0000-0000-00000000000"
    db.execute(f"INSERT INTO u SELECT i, 'u' || i, ('{guid}' || i)::uuid, 'kept', 1, i FROM generate_series(1, 9) i")
    turned = {"1": "2", "2": "1", "3": "9", "4": "3", "5": "6", "6": "7", "7": "5"}
    old, rows = (
        [{"id": k, "code": f"u{v}", "list": "1", "n": v, "guid": guid + v} for k, v in t.items()] for t in ({k: k for k in turned}, turned)
    )

    result = change(opened("postgresql", postgres_url), "u", "update", rows, old)

    assert (result.updated, result.refused.column("id").to_pylist()) == (5, ["3", "4"])
    found = db.execute("SELECT n FROM u WHERE code = 'u' || n AND right(guid::text, 1) = n::text AND more = 'kept' ORDER BY id").fetchall()
    assert [n for (n,) in found] == [2, 1, 3, 4, 6, 7, 5, 8, 9]


def test_tables_of_other_schemas_and_views_are_resources(db: Any, postgres_url: str, opened: Any, rows_of: Any) -> None:
    """``schema.table``; a view is read and not offered for writing."""
    db.execute('CREATE SCHEMA "Sales"; CREATE TABLE "Sales"."Order" (a int, b int, PRIMARY KEY (b, a)); CREATE VIEW v AS SELECT id FROM t')
    db.execute('INSERT INTO "Sales"."Order" VALUES (1, 2); CREATE TABLE "Sales"."of.2026" (a int); CREATE TABLE "old.list" (a int)')
    connector = opened("postgresql", postgres_url)

    found = {r.name: r for r in connector.describe().resources}

    assert {name: (r.key, r.row_count, r.writable) for name, r in found.items()} == {
        "Sales.Order": (("b", "a"), 1, True),
        "Sales.of.2026": ((), 0, True),
        "old.list": ((), 0, True),
        "t": (("id",), 0, True),
        "v": ((), 0, False),
    }
    assert rows_of(connector, "Sales.Order") == [{"a": 1, "b": 2}]
    assert rows_of(connector, "Sales.of.2026") == rows_of(connector, "old.list") == []


def test_what_this_user_may_not_do_is_said(db: Any, postgres_url: str, opened: Any, change: Any) -> None:
    """assess reports the rights; a write without them is a clear refusal."""
    role = "reader_of_" + psycopg.conninfo.conninfo_to_dict(postgres_url)["dbname"]
    db.execute(f"CREATE ROLE {role} LOGIN; GRANT SELECT ON t TO {role}")
    connector = opened("postgresql", postgres_url.replace("postgres:", role))

    try:
        assert connector.describe().resource("t").writable is False
        with pytest.raises(DataRefused, match="permission denied"):
            change(connector, "t", "insert", [{"id": "1", "mood": "good"}])
        db.execute(f"REVOKE TEMPORARY ON DATABASE {db.info.dbname} FROM public; GRANT INSERT, UPDATE, DELETE ON t TO {role}")
        with pytest.raises(DataRefused, match="GRANT TEMPORARY ON DATABASE"):
            change(connector, "t", "insert", [{"id": str(i), "mood": "good"} for i in range(200)])
    finally:
        db.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


@pytest.mark.parametrize("noted", [False, True])
@pytest.mark.parametrize("rows", [4, 1200])
def test_a_key_that_is_judged_when_all_is_written_holds_back_no_other_row(
    db: Any, postgres_url: str, opened: Any, rows: int, noted: bool
) -> None:
    """The server would refuse the commit, and with it every row of the batch, of which only what is committed is noted."""
    db.execute("CREATE TABLE parents (id text PRIMARY KEY)")
    db.execute("CREATE TABLE child (id text, of text REFERENCES parents DEFERRABLE INITIALLY DEFERRED)")
    db.execute("INSERT INTO parents SELECT i::text FROM generate_series(1, %s) i", [rows])
    db.execute("INSERT INTO child VALUES ('c', '2')")
    keys = [str(i) for i in range(1, rows + 1)]
    batch = ChangeBatch("parents", ("id",), (), pa.table({"_op": ["delete"] * rows, "id": keys}), "test")
    connector, told = opened("postgresql", postgres_url), list[ApplyResult]()
    noting = Noting("w", "f/b", True, lambda receipt, why, result: told.append(result))

    gone = connector.apply_noted(batch, noting) if noted else connector.apply(batch)

    assert (gone.deleted, [row["id"] for row in gone.refused.to_pylist()]) == (rows - 1, ["2"])
    assert [result.deleted for result in told] == [rows - 1] * noted


def test_a_row_that_is_refused_behind_a_view_leaves_the_others_through(
    db: Any, postgres_url: str, opened: Any, rows_of: Any, change: Any
) -> None:
    """A view has no places of rows that could be asked for; the whole batch was refused with the server's words about that."""
    db.execute("CREATE TABLE sizes (id text PRIMARY KEY, size int CHECK (size < 9)); CREATE VIEW v AS SELECT id, size FROM sizes")
    connector = opened("postgresql", postgres_url)

    done = change(connector, "v", "insert", [{"id": "1", "size": "1"}, {"id": "2", "size": "99"}, {"id": "3", "size": "3"}])

    assert (done.inserted, [row["id"] for row in done.refused.to_pylist()]) == (2, ["2"])
    assert sorted(rows_of(connector, "v"), key=str) == [{"id": "1", "size": 1}, {"id": "3", "size": 3}]


def test_names_that_differ_in_capitals_are_refused_and_read_through_a_view(db: Any, postgres_url: str, opened: Any, rows_of: Any) -> None:
    """The engine that reads them takes them for one column; the server was said not to be reached."""
    db.execute("""CREATE TABLE people (id text PRIMARY KEY, "Name" text, name text)""")
    db.execute("""CREATE VIEW v AS SELECT id, "Name" AS full_name, name FROM people""")
    db.execute("INSERT INTO people VALUES ('1', 'Ann Lee', 'Ann')")
    connector = opened("postgresql", postgres_url)

    with pytest.raises(DataRefused, match=r"people.: the columns 'Name', 'name' differ in capitals only.* a view"):
        rows_of(connector, "people")

    assert "people" in {r.name for r in connector.describe().resources}
    assert rows_of(connector, "v") == [{"id": "1", "full_name": "Ann Lee", "name": "Ann"}]


@pytest.mark.parametrize(
    "at", ["postgresql://ana:hunter2@127.0.0.1:1/x", "host=127.0.0.1 port=1 user=ana password=hunter2", "postgresql://[hunter2"]
)
def test_an_error_never_shows_a_password(at: str, opened: Any) -> None:
    """Errors end in logs and reports."""
    with pytest.raises((SystemUnreachable, UsageError)) as caught:
        opened("postgresql", at).describe()

    assert "hunter2" not in str(caught.value) + repr(caught.value)


def test_a_database_that_is_not_there_is_unreachable(postgres_url: str, opened: Any) -> None:
    """Exit code 3, with the server's own words."""
    host = postgres_url.partition("?")[2]

    with pytest.raises(SystemUnreachable, match='database "nowhere" does not exist') as caught:
        opened("postgresql", f"postgresql://postgres:@/nowhere?{host}").describe()

    assert caught.value.exit_code == 3


def test_an_embedded_server_is_started_in_its_folder(tmp_path: Path, opened: Any, change: Any, rows_of: Any) -> None:
    """The way to try PostgreSQL without installing one."""
    connector = opened("postgresql", "embedded:pg")
    connector.create("t", {"id": CanonicalType("text"), "v": CanonicalType("text")}, ["id"])

    assert change(connector, "t", "insert", [{"id": "1", "v": "x"}]).inserted == 1
    assert rows_of(connector, "t") == [{"id": "1", "v": "x"}]
    assert (tmp_path / "pg" / "PG_VERSION").exists()
