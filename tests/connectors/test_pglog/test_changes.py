"""Changes of a real server arrive as what they were."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import psycopg

from accord.connectors.pglog import (
    UNCHANGED,
    Change,
    LogMessage,
    LogSource,
    SchemaChanged,
    Table,
    Truncated,
    begin_capture,
    open_stream,
    read_table,
)

Drain = Callable[..., list[Change]]


def _short(changes: list[Change]) -> list[tuple[Any, ...]]:
    return [(c.op, dict(c.key), None if c.new is None else dict(c.new)) for c in changes]


def test_each_kind_of_change_arrives_with_its_key_and_values(db: psycopg.Connection[Any], source: LogSource, drain: Drain) -> None:
    """The least a capture must do; a changed key carries the old one, or the old row would stay for ever."""
    db.execute("CREATE TABLE item (id int PRIMARY KEY, name text, price numeric(12,2))")
    with begin_capture(source, [Table("item")], name="accord_a") as begun:
        pass

    with open_stream(source, begun.capture, after=begun.capture.start) as stream:
        db.execute("INSERT INTO item VALUES (1, 'Käse', 1.50), (2, NULL, NULL)")
        db.execute("UPDATE item SET name = '' WHERE id = 1")
        db.execute("UPDATE item SET id = 3 WHERE id = 2")
        db.execute("DELETE FROM item WHERE id = 3")
        db.execute("TRUNCATE item")
        changes = drain(stream)

    assert _short(changes) == [
        ("insert", {"id": "1"}, {"id": "1", "name": "Käse", "price": "1.50"}),
        ("insert", {"id": "2"}, {"id": "2", "name": None, "price": None}),
        ("update", {"id": "1"}, {"id": "1", "name": "", "price": "1.50"}),
        ("update", {"id": "2"}, {"id": "3", "name": None, "price": None}),
        ("delete", {"id": "3"}, None),
        ("truncate", {}, None),
    ]
    assert [c.old for c in changes] == [None, None, None, {"id": "2"}, {"id": "3"}, None]
    assert [c.position.index for c in changes] == [1, 2, 1, 1, 1, 1]
    assert sorted(c.position for c in changes) == [c.position for c in changes]
    assert [c.type_oid for c in changes[0].relation.columns] == [23, 25, 1700]
    assert changes[0].relation.columns[2].type_modifier == (12 << 16 | 2) + 4


def test_a_large_value_that_was_not_touched_is_marked_and_never_null(db: psycopg.Connection[Any], source: LogSource, drain: Drain) -> None:
    """The log leaves out values stored apart; taking them for null would wipe them in every other system."""
    db.execute("CREATE TABLE doc (id int PRIMARY KEY, body text, note text)")
    db.execute("ALTER TABLE doc ALTER body SET STORAGE EXTERNAL")
    with begin_capture(source, [Table("doc")], name="accord_a") as begun:
        pass

    with open_stream(source, begun.capture, after=begun.capture.start) as stream:
        db.execute("INSERT INTO doc VALUES (1, repeat('x', 100000), 'a')")
        db.execute("UPDATE doc SET note = 'b'")
        db.execute("UPDATE doc SET body = NULL")
        parts: list[Any] = []
        changes = drain(stream, parts=parts)

    assert [c.new["body"] for c in changes if c.new] == ["x" * 100000, UNCHANGED, None]
    assert [row for part in parts for row in part.rows["unchanged"].to_pylist()] == [None, ["body"], None]


def test_full_identity_gives_the_old_row_and_fills_what_the_new_one_leaves_out(
    db: psycopg.Connection[Any], source: LogSource, drain: Drain
) -> None:
    """With the full old row nothing is unknown; keys are then given by the caller, for the log calls every column one."""
    db.execute("CREATE TABLE doc (id int PRIMARY KEY, body text, note text)")
    db.execute("ALTER TABLE doc ALTER body SET STORAGE EXTERNAL")
    db.execute("ALTER TABLE doc REPLICA IDENTITY FULL")
    with begin_capture(source, [Table("doc")], name="accord_a") as begun:
        pass

    with open_stream(source, begun.capture, after=begun.capture.start, keys={("public", "doc"): ("id",)}) as stream:
        db.execute("INSERT INTO doc VALUES (1, repeat('x', 100000), 'a')")
        db.execute("UPDATE doc SET note = 'b'")
        db.execute("DELETE FROM doc")
        changes = drain(stream)

    assert _short(changes[1:2]) == [("update", {"id": "1"}, {"id": "1", "body": "x" * 100000, "note": "b"})]
    assert changes[1].old == {"id": "1", "body": "x" * 100000, "note": "a"}
    assert changes[2].old == {"id": "1", "body": "x" * 100000, "note": "b"}
    assert changes[2].key == {"id": "1"}


def test_a_change_of_schema_is_an_event_before_the_first_change_that_has_it(
    db: psycopg.Connection[Any], source: LogSource, drain: Drain
) -> None:
    """Drift must be seen before the first wrong write, also when it happened between two streams."""
    db.execute("CREATE TYPE mood AS ENUM ('good', 'bad')")
    db.execute("CREATE TABLE item (id int PRIMARY KEY, name varchar(10), old text)")
    with begin_capture(source, [Table("item")], name="accord_a") as begun:
        pass
    parts: list[Any] = []
    ends: list[Any] = []

    with open_stream(source, begun.capture, after=begun.capture.start) as stream:
        db.execute("INSERT INTO item VALUES (1, 'a', 'x')")
        with db.transaction():
            db.execute("INSERT INTO item VALUES (2, 'b', 'y')")
            db.execute("ALTER TABLE item ADD mood mood DEFAULT 'good', DROP old, ALTER name TYPE varchar(20)")
            db.execute("INSERT INTO item VALUES (3, 'c', 'bad')")
        db.execute("ANALYZE item")
        db.execute("INSERT INTO item VALUES (4, 'd', NULL)")
        drain(stream, parts=parts, ends=ends)
        known = stream.relations
    db.execute("ALTER TABLE item RENAME name TO title")
    db.execute("INSERT INTO item VALUES (5, 'e', NULL)")
    with open_stream(source, begun.capture, after=ends[-1], known=known) as stream:
        drain(stream, parts=parts)

    # Rows of one shape may come in one batch or in two, as the server sends them.
    kinds = [kind for kind, _ in itertools.groupby(type(part).__name__ for part in parts)]
    assert kinds == ["TableChanges", "SchemaChanged", "TableChanges", "SchemaChanged", "TableChanges"]
    first, second = (part for part in parts if isinstance(part, SchemaChanged))
    assert (first.added, first.dropped, first.retyped) == (("mood",), ("old",), ("name",))
    assert first.after.columns[2].type_name == "public.mood"
    assert first.position.index == 2
    assert (second.added, second.dropped) == (("title",), ("name",))
    after, renamed = parts.index(first), parts.index(second)
    assert [row["new"] for part in parts[after + 1 : renamed] for row in part.rows.to_pylist()] == [
        {"id": "3", "name": "c", "mood": "bad"},
        {"id": "4", "name": "d", "mood": None},
    ]


def test_truncate_keeps_its_place_among_the_changes_of_several_tables(db: psycopg.Connection[Any], source: LogSource, drain: Drain) -> None:
    """A truncate that moved before an insert would delete it, and one that moved after it would keep what is gone."""
    db.execute("CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a)")
    with begin_capture(source, [Table("a"), Table("b")], name="accord_a") as begun:
        pass

    with open_stream(source, begun.capture, after=begun.capture.start) as stream:
        parts: list[Any] = []
        with db.transaction():
            db.execute("INSERT INTO a VALUES (1); INSERT INTO b VALUES (1, 1)")
            db.execute("TRUNCATE a RESTART IDENTITY CASCADE")
            db.execute("INSERT INTO a VALUES (2); INSERT INTO b VALUES (2, 2)")
        changes = drain(stream, parts=parts)

    assert [(c.op, c.relation.name, c.position.index) for c in changes] == [
        ("insert", "a", 1),
        ("insert", "b", 2),
        ("truncate", "a", 3),
        ("truncate", "b", 3),
        ("insert", "a", 4),
        ("insert", "b", 5),
    ]
    truncated = next(part for part in parts if isinstance(part, Truncated))
    assert truncated.restart_identity
    # The server names the tables that went along, so whether it was a cascade is of no consequence for us.
    assert {r.name for r in truncated.relations} == {"a", "b"}


def test_messages_and_origins_are_read(db: psycopg.Connection[Any], source: LogSource, drain: Drain) -> None:
    """An origin tells changes we wrote from changes of people; leaving them out is the cheapest guard against echoes."""
    db.execute("CREATE TABLE item (id int PRIMARY KEY)")
    db.execute("SELECT pg_replication_origin_create('accord_test_' || current_database())")
    with begin_capture(source, [Table("item")], name="accord_a", messages=True) as begun:
        pass
    parts: list[Any] = []

    with open_stream(source, begun.capture, after=begun.capture.start) as stream:
        db.execute("SELECT pg_logical_emit_message(true, 'batch', 'seven'), pg_logical_emit_message(false, 'note', 'now')")
        db.execute("SELECT pg_replication_origin_session_setup('accord_test_' || current_database())")
        db.execute("INSERT INTO item VALUES (1)")
        db.execute("SELECT pg_replication_origin_session_reset()")
        db.execute("INSERT INTO item VALUES (2)")
        drain(stream, parts=parts, acknowledge=False)
    with open_stream(source, begun.capture, after=begun.capture.start, foreign=False) as stream:
        own = drain(stream)
    db.execute("SELECT pg_replication_origin_drop('accord_test_' || current_database())")

    messages = [(m.prefix, m.content, m.transactional) for m in parts if isinstance(m, LogMessage)]
    assert sorted(messages) == [("batch", b"seven", True), ("note", b"now", False)]
    origins = [value for part in parts if not isinstance(part, LogMessage) for value in part.rows["origin"].to_pylist()]
    assert [bool(o) for o in origins] == [True, False]
    assert [dict(c.key) for c in own] == [{"id": "2"}]


def test_partitions_generated_columns_and_odd_names_come_as_their_table(
    db: psycopg.Connection[Any], source: LogSource, drain: Drain
) -> None:
    """The stream must hold what a read of the table holds, or a sync would see a difference that nobody made."""
    db.execute('CREATE SCHEMA "Ö s"')
    db.execute(
        'CREATE TABLE "Ö s"."a""b" ("I d" int, op text, twice int GENERATED ALWAYS AS ("I d" * 2) STORED, PRIMARY KEY ("I d"))'
        ' PARTITION BY RANGE ("I d")'
    )
    db.execute('CREATE TABLE "Ö s".p1 PARTITION OF "Ö s"."a""b" FOR VALUES FROM (0) TO (10)')
    with begin_capture(source, [Table('a"b', "Ö s")], name="accord_a") as begun:
        pass

    with open_stream(source, begun.capture, after=begun.capture.start) as stream:
        db.execute('INSERT INTO "Ö s"."a""b" VALUES (4, $$o\'p$$)')
        changes = drain(stream)

    assert [(str(c.relation), c.new) for c in changes] == [('Ö s.a"b', {"I d": "4", "op": "o'p", "twice": "8"})]


EVERY_TYPE = {
    "a": ("text", "E'line\\r\\nbreak, \"quoted\"'"),
    "b": ("text", "''"),
    "c": ("text", "NULL"),
    "d": ("numeric", "123456789012345678901234567890.00100"),
    "e": ("float4", "0.1"),
    "f": ("float8", "1e-300"),
    "g": ("timestamptz", "'2026-03-29 02:30:00.123456+01'"),
    "h": ("timestamp", "'infinity'"),
    "i": ("date", "'0044-03-15 BC'"),
    "j": ("interval", "'1 year -3 days 04:05:06.5'"),
    "k": ("bytea", "'\\x00ff5c'::bytea"),
    "l": ("text[]", "ARRAY['x', NULL, 'a,b', '']"),
    "m": ("jsonb", """'{"a": [1.0, null, "\\u00e4"]}'"""),
    "n": ("uuid", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"),
    "o": ("boolean", "true"),
    "p": ("money", "1234.5"),
    "q": ("char(4)", "'ab'"),
    "r": ("int4range", "'[1,5)'"),
    "s": ("regclass", "'public.every'::regclass"),
    "t": ("bit(3)", "B'101'"),
}


def test_the_snapshot_and_the_stream_say_the_same_of_every_type(db: psycopg.Connection[Any], source: LogSource, drain: Drain) -> None:
    """A value that reads otherwise in the log than in the copy is a change that nobody made, whatever the database's defaults are."""
    db.execute(f"ALTER DATABASE {db.info.dbname} SET DateStyle = 'German, DMY'".encode())
    for setting in ("TimeZone = 'Asia/Tokyo'", "IntervalStyle = 'iso_8601'", "bytea_output = 'escape'", "extra_float_digits = -5"):
        db.execute(f"ALTER DATABASE {db.info.dbname} SET {setting}".encode())
    columns = ", ".join(f"{name} {type_}" for name, (type_, _) in EVERY_TYPE.items())
    db.execute(f"CREATE TABLE every (id int PRIMARY KEY, {columns}, v int GENERATED ALWAYS AS (id) STORED)".encode())
    insert = f"INSERT INTO every (id, {', '.join(EVERY_TYPE)}) VALUES (%s, {', '.join(v for _, v in EVERY_TYPE.values())})"
    db.execute(insert.encode(), (1,))

    with begin_capture(source, [Table("every")], name="accord_a") as begun:
        (copied,) = [row for part in read_table(begun.snapshot, Table("every")) for row in part.to_pylist()]
    with open_stream(source, begun.capture, after=begun.capture.start) as stream:
        db.execute("UPDATE every SET id = 1")
        (change,) = drain(stream)

    assert change.new == copied
    assert list(change.new or ()) == list(copied)
    assert {name: copied[name] for name in ("b", "c", "d", "e", "g", "k")} == {
        "b": "",
        "c": None,
        "d": "123456789012345678901234567890.00100",
        "e": "0.1",
        "g": "2026-03-29 01:30:00.123456+00",
        "k": "\\x00ff5c",
    }
