"""A run that looks only at the keys that may have changed ends as a run over all of them would."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from accord.connectors.protocol import KeyChanges
from accord.connectors.sqlite import SqliteConnector
from accord.model.entity import Field
from accord.model.errors import GuardStopped, UsageError
from accord.model.flow import FieldMapping

TABLE = "CREATE TABLE things (id TEXT PRIMARY KEY, name TEXT, size INTEGER)"
FIELDS = [Field("id", required=True), Field("name"), Field("size", "integer", minimum="0")]


class Outbox:
    """A feed over a table that triggers fill; ``broken`` makes it forget."""

    def __init__(self, path: Any, table: str, after: str | None) -> None:
        self.path, self.table, self.after, self.fresh = path, table, after, after is None
        self.acknowledged: str | None = None

    def read(self, *, wait_seconds: float = 0.0, limit: int = 100_000) -> KeyChanges | None:
        with sqlite3.connect(self.path) as db:
            last = str(db.execute("SELECT coalesce(max(n), 0) FROM outbox").fetchone()[0])
            rows = db.execute("SELECT DISTINCT id FROM outbox WHERE n > ?", (int(self.after or 0),)).fetchall()
        db.close()
        fresh, self.fresh = self.fresh, False
        lost = self.after is not None and int(self.after) > int(last)
        if fresh or lost:
            self.after = last
            return KeyChanges(None, last, "it is new" if fresh else "its log was emptied")
        if not rows:
            return None
        self.after = last
        ids = [row[0] for row in rows]
        return KeyChanges(pa.table({"id": ids, "_changed_at": pa.nulls(len(ids), pa.timestamp("us", "UTC"))}), last)

    def acknowledge(self, position: str) -> None:
        with sqlite3.connect(self.path) as db:
            db.execute("CREATE TABLE IF NOT EXISTS heard (position TEXT)")
            db.execute("INSERT INTO heard VALUES (?)", (position,))
        db.close()

    def close(self) -> None:
        """Nothing is held open."""


class Telling(SqliteConnector):
    """SQLite that computes digests and keeps an outbox; ``asked`` has what was read of it."""

    asked: list[str]
    token: str | None = None

    def scan(self, con: duckdb.DuckDBPyConnection, resource: str) -> str:
        self.asked.append("all")
        return super().scan(con, resource)

    def scan_keys(self, con: duckdb.DuckDBPyConnection, resource: str, keys: str) -> str:
        row = con.execute(f"SELECT count(*) FROM {keys}").fetchone()
        self.asked.append(f"keys {row[0] if row else 0}")
        return super().scan_keys(con, resource, keys)

    def change_token(self, resource: str) -> str | None:
        return self.token

    def digest_rows(
        self, con: duckdb.DuckDBPyConnection, resource: str, key: Sequence[str], columns: Sequence[str], where: str = ""
    ) -> str:
        relation = super().scan(con, resource)
        keys, hashed = ", ".join(f'"{k}"' for k in key), ", ".join(f'"{c}"' for c in columns)
        con.execute(
            f"CREATE OR REPLACE TEMP VIEW digests_{relation} AS SELECT {keys}, hash({hashed}) AS _digest "
            f"FROM {relation} {f'WHERE {where}' if where else ''}"
        )
        return f"digests_{relation}"

    def digest_buckets(self, resource: str, key: Sequence[str], columns: Sequence[str], buckets: int, where: str = "") -> pa.Table:
        raise UsageError("not asked for here")

    def open_feed(self, resource: str, key: Sequence[str], *, name: str, after: str | None) -> Outbox:
        if after is None:
            with sqlite3.connect(self.path) as db:
                db.execute("CREATE TABLE IF NOT EXISTS outbox (n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT)")
                for op, row in (("INSERT", "NEW"), ("UPDATE", "NEW"), ("DELETE", "OLD"), ("UPDATE OF id", "OLD")):
                    trigger = f"CREATE TRIGGER IF NOT EXISTS 'out {op}' AFTER {op} ON {resource}"
                    db.execute(f"{trigger} BEGIN INSERT INTO outbox (id) VALUES ({row}.id); END")
            db.close()
        return Outbox(self.path, resource, after)

    def drop_feed(self, resource: str, *, name: str) -> None:
        """Not asked for here."""

    def feed_lag(self, resource: str, *, name: str, after: str | None) -> int | None:
        return None


@pytest.fixture(autouse=True)
def small_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is meant for large tables, on small ones."""
    monkeypatch.setattr("accord.sync.capture.moved.DIGEST_FROM", 1)
    monkeypatch.setattr("accord.sync.state.segments.CHANGES_FROM", 1)


@pytest.fixture
def telling(make_world: Any) -> Any:
    """Systems a and b that can tell what changed, captured as ``capture`` says, with 40 agreed rows."""

    def build(capture: str, **more: Any) -> Any:
        fields = more.pop("fields", FIELDS)
        table = more.pop("table", TABLE)
        bindings = {n: {"capture": capture, **more.pop(n, {})} for n in "ab"}
        world = make_world({"a": table, "b": table}, fields, bindings, **more)
        for name, connector in world.connectors.items():
            world.connectors[name] = Telling(replace(connector.system), base=world.folder)
            world.connectors[name].asked = []
        for n in range(40):
            world.sql("a", "INSERT INTO things (id, name, size) VALUES (?, ?, ?)", f"k{n:02}", f"n{n}", n)
        world.sync()
        world.sync()
        world.sync()
        for connector in world.connectors.values():
            connector.asked.clear()
        return world

    return build


def _asked(world: Any) -> set[str]:
    found = {what for c in world.connectors.values() for what in c.asked}
    for connector in world.connectors.values():
        connector.asked.clear()
    return found


def _rests(world: Any) -> None:
    """A run over everything finds nothing left to do."""
    result = world.sync(whole=True)
    assert {k: v for k, v in result.counts.items() if v} == {}
    assert not result.changed


@pytest.mark.parametrize("capture", ["cdc", "sweep"])
def test_only_the_keys_that_moved_are_read_and_everything_arrives(telling: Any, capture: str) -> None:
    """The cost of a run is what changed; its outcome is that of a run over everything."""
    world = telling(capture)
    world.sql("a", "UPDATE things SET name = 'x' WHERE id = 'k01'")
    world.sql("a", "DELETE FROM things WHERE id = 'k02'")
    world.sql("b", "INSERT INTO things VALUES ('new', 'n', 5)")
    world.sql("b", "UPDATE things SET id = 'moved' WHERE id = 'k03'")

    result = world.sync()

    assert "all" not in _asked(world)
    assert (result.counts["inserted"], result.counts["updated"], result.counts["deleted"]) == (2, 1, 2)
    assert world.rows("a") == world.rows("b")
    assert world.rows("b")["k01"] == ("x", 1)
    assert {"k02", "k03"}.isdisjoint(world.rows("a"))
    assert {"new", "moved"} <= set(world.rows("a"))
    _rests(world)


def test_a_run_told_of_nothing_reads_and_writes_nothing(telling: Any) -> None:
    """The log is the cheapest look there is."""
    world = telling("cdc")

    result = world.sync()

    assert (_asked(world), result.changed, set(result.counts.values())) == (set(), False, {0})


def test_a_position_moves_only_with_its_effect(telling: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that dies before its last event has told the log nothing, and the next one is told the same again."""
    world = telling("cdc")
    world.sql("a", "UPDATE things SET name = 'x' WHERE id = 'k01'")
    heard = world.sql("a", "SELECT count(*) FROM heard")
    with monkeypatch.context() as patched:
        patched.setattr("accord.sync.run._finish", lambda *a, **k: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            world.sync()
    assert world.sql("a", "SELECT count(*) FROM heard") == heard

    result = world.sync()

    assert world.rows("b")["k01"] == ("x", 1)
    assert result.counts["conflicts"] == 0
    assert world.sql("a", "SELECT count(*) FROM heard") > heard
    _rests(world)


def test_a_log_that_forgot_is_answered_by_comparing_every_row(telling: Any) -> None:
    """A slot dropped or an outbox emptied must not lose what happened meanwhile."""
    world = telling("cdc")
    world.sql("a", "UPDATE things SET name = 'x' WHERE id = 'k01'")
    world.sync()
    world.sql("a", "UPDATE things SET name = 'y' WHERE id = 'k05'")
    world.sql("a", "DELETE FROM outbox")
    world.sql("a", "DELETE FROM sqlite_sequence")

    result = world.sync()

    assert world.rows("b")["k05"] == ("y", 5)
    assert [f.kind for f in result.findings] == ["resnapshot"]
    assert "its log was emptied" in result.findings[0].sentence
    _rests(world)


@pytest.mark.parametrize("capture", ["cdc", pytest.param("sweep", marks=pytest.mark.prove)])
def test_a_value_that_must_be_unique_is_judged_against_the_rows_that_were_not_read(telling: Any, capture: str) -> None:
    """Both holders of a value wait, as they would if all rows were read, and both return when one lets go."""
    fields = [Field("id"), Field("name", unique=True), Field("size", "integer")]
    world = telling(capture, fields=fields)
    world.sql("a", "UPDATE things SET name = 'n7' WHERE id = 'k01'")

    world.sync()
    world.sync()
    partly = {k for (_, k) in world.reasons()}
    whole = world.sync(whole=True)
    waiting = {k for (_, k) in world.reasons()}
    world.sql("a", "UPDATE things SET name = 'free' WHERE id = 'k01'")
    released = world.sync()

    assert partly == waiting == {"k01", "k07"}
    assert whole.counts["quarantined"] == 0
    assert (released.waiting, world.rows("b")["k01"]) == (0, ("free", 1))
    _rests(world)


def test_a_merged_value_is_judged_against_agreed_rows_that_were_not_read(telling: Any) -> None:
    """Two counters add up to a number that a row outside the look holds; no side showed it."""
    fields = [Field("id"), Field("name"), Field("size", "integer", unique=True)]
    world = telling("cdc", fields=fields, authority={"size": "merge"})
    world.sql("a", "UPDATE things SET size = 1000 WHERE id = 'k01'")
    world.sql("a", "UPDATE things SET size = 1999 WHERE id = 'k30'")
    world.sync()
    world.sql("a", "UPDATE things SET size = 1500 WHERE id = 'k01'")
    world.sql("b", "UPDATE things SET size = 1499 WHERE id = 'k01'")

    world.sync()
    partly = set(world.reasons())
    world.sync(whole=True)

    assert partly == set(world.reasons()) == {("", "k01")}


def test_a_refused_row_waits_through_partial_runs_and_returns_once_corrected(telling: Any) -> None:
    """Rows in quarantine are looked at by every run."""
    world = telling("cdc")
    world.sql("a", "UPDATE things SET size = -1 WHERE id = 'k01'")
    first = world.sync()
    world.sql("a", "UPDATE things SET name = 'other' WHERE id = 'k02'")
    second = world.sync()
    world.sql("a", "UPDATE things SET size = 11 WHERE id = 'k01'")
    third = world.sync()

    assert (first.waiting, second.waiting, third.waiting) == (1, 1, 0)
    assert (second.counts["quarantined"], third.counts["released"]) == (0, 1)
    assert world.rows("b")["k01"] == ("n1", 11)
    _rests(world)


def test_the_delete_guard_counts_the_rows_that_were_not_read(telling: Any) -> None:
    """Six of forty are under a fifth, nine are not; of the keys looked at both would be all."""
    world = telling("cdc")
    world.sql("a", "DELETE FROM things WHERE id < 'k06'")
    world.sync()
    world.sql("a", "DELETE FROM things WHERE id < 'k16'")

    with pytest.raises(GuardStopped, match="delete 10 of 34 rows"):
        world.sync()

    world.sync(allow_deletes=True)
    assert len(world.rows("b")) == 24
    _rests(world)


def test_an_emptied_system_stops_a_partial_run(telling: Any) -> None:
    """A truncated table looks like a mass delete, however the changes are found."""
    world = telling("cdc", delete_guard="100%")
    world.sql("a", "DELETE FROM things")

    with pytest.raises(GuardStopped, match="shows no rows"):
        world.sync()


@pytest.mark.parametrize(
    "mapping",
    [FieldMapping("size", codes={"1": "1", "uno": "1", "2": "2"}, direction="read"), FieldMapping("size", "id")],
    ids=["codes", "column"],
)
def test_a_changed_map_is_judged_on_every_row(telling: Any, mapping: FieldMapping) -> None:
    """What was told to have moved says nothing about rows that are read otherwise now."""
    world = telling("cdc")
    world.map.flows["things"].bindings["a"].fields["size"] = mapping

    world.sync()

    assert "all" in _asked(world)


def test_a_cursor_finds_changes_late_commits_and_deletes_and_a_sweep_what_it_hides(make_world: Any, telling: Any) -> None:
    """A row whose stamp is older than the newest seen is a change like any other; one without a new stamp waits for the sweep."""
    table = "CREATE TABLE things (id TEXT PRIMARY KEY, name TEXT, size INTEGER, at TIMESTAMP DEFAULT '2026-03-01 00:00:00')"
    world = telling("cursor", table=table, a={"cursor": "at"}, b={"cursor": "at"})
    world.sql("a", "UPDATE things SET name = 'x', at = '2026-03-02 08:00:00' WHERE id = 'k01'")
    world.sync()
    world.sql("a", "UPDATE things SET name = 'late', at = '2026-03-01 12:00:00' WHERE id = 'k02'")
    world.sql("a", "UPDATE things SET name = 'hidden' WHERE id = 'k03'")
    world.sql("a", "DELETE FROM things WHERE id = 'k04'")
    _asked(world)

    world.sync()

    shown = world.rows("b")
    assert "all" not in _asked(world)
    assert (shown["k01"][0], shown["k02"][0], shown["k03"][0], "k04" in shown) == ("x", "late", "n3", False)
    world.sync(whole=True)
    assert world.rows("b")["k03"][0] == "hidden"


def test_a_second_change_within_the_step_of_the_cursor_s_clock_is_seen(telling: Any) -> None:
    """The boundary: same stamp, other value."""
    table = "CREATE TABLE things (id TEXT PRIMARY KEY, name TEXT, size INTEGER, at TIMESTAMP DEFAULT '2026-03-01 00:00:00')"
    world = telling("cursor", table=table, a={"cursor": "at"}, b={"cursor": "at"})
    world.sql("a", "UPDATE things SET name = 'x', at = '2026-03-02 09:00:00' WHERE id = 'k01'")
    world.sync()
    world.sql("a", "UPDATE things SET name = 'y', at = '2026-03-02 09:00:00' WHERE id = 'k01'")
    _asked(world)

    world.sync()

    assert "all" not in _asked(world)
    assert world.rows("b")["k01"][0] == "y"


def test_a_clock_that_was_ahead_once_puts_off_no_sweep(telling: Any) -> None:
    """A machine that believed for an hour to be a year ahead would not have found hidden changes for a year."""
    table = "CREATE TABLE things (id TEXT PRIMARY KEY, name TEXT, size INTEGER, at TIMESTAMP DEFAULT '2026-03-01 00:00:00')"
    world = telling("cursor", table=table, a={"cursor": "at"}, b={"cursor": "at"})
    today, world.now = world.now, world.now + timedelta(days=365)
    world.sync()
    world.now = today
    world.sql("a", "UPDATE things SET name = 'hidden' WHERE id = 'k03'")

    world.sync()

    assert world.rows("b")["k03"][0] == "hidden"


def test_what_changed_is_stored_as_changes_and_folded_when_it_grew(telling: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run writes what changed; the number of changes behind a full segment stays bounded."""
    monkeypatch.setattr("accord.sync.state.segments.CHANGES_MOST", 2)
    world = telling("cdc")
    counts = []
    for n in range(5):
        world.sql("a", "UPDATE things SET name = ? WHERE id = ?", f"v{n}", f"k{n:02}")
        world.sync()
        counts.append(len(world.store.flow_state("things")["golden"]))

    assert counts == [2, 3, 1, 2, 3]
    assert world.rows("a") == world.rows("b")
    _rests(world)


def test_a_system_without_a_log_cannot_be_captured_by_one(make_world: Any) -> None:
    """Said before anything is read."""
    world = make_world({"a": TABLE, "b": TABLE}, FIELDS, {"a": {"capture": "cdc"}})
    world.connectors["a"] = _Plain(world.connectors["a"])

    with pytest.raises(UsageError, match="no log of changes"):
        world.sync()


class _Plain:
    """Only what every connector has."""

    kind = "plain"

    def __init__(self, inner: Any) -> None:
        self.inner, self.system, self.capabilities = inner, inner.system, inner.capabilities

    def scan(self, con: duckdb.DuckDBPyConnection, resource: str) -> str:
        found: str = self.inner.scan(con, resource)
        return found


def test_after_a_load_in_one_pass_the_next_run_reads_on_from_the_log(make_world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log is begun before the load reads, so that nothing falls between the two."""
    monkeypatch.setattr("accord.sync.load.first.SMALLEST_ROWS", 1)
    target = {"capture": "cdc", "create": True, "resource": "made"}
    world = make_world({"a": TABLE, "b": "CREATE TABLE other (id TEXT)"}, FIELDS, {"a": {"capture": "cdc"}, "b": target})
    for n in range(50):
        world.sql("a", "INSERT INTO things VALUES (?, ?, ?)", f"k{n:02}", f"n{n}", n)
    world.sync()
    world.sql("a", "UPDATE things SET name = 'x' WHERE id = 'k01'")
    world.sql("a", "DELETE FROM things WHERE id = 'k02'")
    whole: list[str] = []
    real = SqliteConnector.scan
    monkeypatch.setattr(SqliteConnector, "scan", lambda self, con, resource: (whole.append(resource), real(self, con, resource))[1])

    result = world.sync()

    assert whole == []
    assert (result.counts["updated"], result.counts["deleted"]) == (1, 1)
    assert world.rows("b", "made") == world.rows("a")
    _rests(world)
