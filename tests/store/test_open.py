"""Opening a store: made where there is none, brought forward where it is old, refused where it is not ours."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from accord.model.errors import DataRefused, LeaseHeld, SystemUnreachable, UsageError
from accord.model.event import Event, ObjectRef
from accord.store import Store, migrate, open_store, postgres, sqlite
from accord.store.postgres import PostgresDatabase

MakeEvent = Callable[..., Event]
OpenStore = Callable[..., Store]


def test_both_databases_have_the_same_migrations_without_gap() -> None:
    """A store of version n means the same on both."""
    names = [{number: name for number, (name, _) in migrate.migrations(dialect).items()} for dialect in ("sqlite", "postgresql")]

    assert names[0] == names[1]
    assert list(names[0]) == list(range(1, len(names[0]) + 1))


def test_a_store_of_an_earlier_version_is_brought_forward(open_here: OpenStore, event: MakeEvent, monkeypatch: pytest.MonkeyPatch) -> None:
    """An update must open what the version before wrote, with all its events, and only once."""
    open_here().append([event("run.started", run="r")])
    known = migrate.migrations
    added = (max(known("sqlite")) + 1, ("more", "CREATE TABLE more (a TEXT);\nINSERT INTO more VALUES ('x');\n"))
    monkeypatch.setattr(migrate, "migrations", lambda dialect: {**known(dialect), added[0]: added[1]})

    store = open_here()
    open_here()

    assert store.verify().seq == 1
    assert store.table("run").num_rows == 1
    assert store._database.rows("SELECT a FROM more") == [("x",)]
    assert store._database.rows("SELECT max(version), count(*) FROM schema_version") == [(added[0], added[0])]


def test_a_broken_migration_leaves_the_version_before(open_here: OpenStore, event: MakeEvent, monkeypatch: pytest.MonkeyPatch) -> None:
    """A migration is applied as a whole or not at all."""
    open_here().append([event()])
    known = migrate.migrations
    broken = "CREATE TABLE half (a TEXT);\nINSERT INTO nowhere VALUES (1);\n"
    with monkeypatch.context() as patch:
        patch.setattr(migrate, "migrations", lambda dialect: {**known(dialect), max(known(dialect)) + 1: ("broken", broken)})
        with pytest.raises((sqlite3.Error, psycopg.Error)):
            open_here()

    store = open_here()

    assert store.verify().seq == 1
    with pytest.raises((sqlite3.Error, psycopg.Error)):
        store._database.rows("SELECT * FROM half")


def test_a_store_of_a_newer_version_is_refused(open_here: OpenStore) -> None:
    """An old program must not write into what it does not understand."""
    with open_here()._database.write() as tx:
        tx.run("INSERT INTO schema_version (version, name) VALUES (99, 'future')")

    with pytest.raises(DataRefused, match=r"schema version 99.*newer Accord"):
        open_here()


def test_many_may_open_a_new_store_at_once(open_here: OpenStore, event: MakeEvent) -> None:
    """The first command and the web page start together."""
    opened: list[Store] = []
    failures: list[Exception] = []

    def work() -> None:
        try:
            opened.append(open_here())
        except Exception as error:  # noqa: BLE001 - carried to the main thread
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert [store.append([event()]).seq for store in opened] == [1, 2, 3, 4, 5]


def test_opening_again_changes_nothing(open_here: OpenStore, event: MakeEvent) -> None:
    """A command that only looks must not write, not even to say that it was here."""
    open_here().append([event()])
    looker = open_here()
    before = looker._database.rows("SELECT * FROM lease") + looker._database.rows("SELECT * FROM projection ORDER BY name")
    with looker._database.write():  # whoever wanted to write now would have to wait
        open_here()

    assert looker._database.rows("SELECT * FROM lease") + looker._database.rows("SELECT * FROM projection ORDER BY name") == before


@pytest.mark.parametrize("url", ["mysql://host/db", "", ":memory:", "https://example.org/store.db"])
def test_another_kind_of_place_is_refused(url: str, tmp_path: Path) -> None:
    """A typo must not make a file called «mysql:»."""
    with pytest.raises(UsageError, match="no place for a store"):
        open_store(url, segments=tmp_path)


def test_a_sqlite_url_is_a_path(tmp_path: Path, event: MakeEvent) -> None:
    """Both ways of writing it lead to the same file, and missing folders are made."""
    file = tmp_path / "deep" / "er" / "store.db"
    with open_store(f"sqlite:///{file}", segments=tmp_path / "s") as store:
        store.append([event()])

    with open_store(file, segments=tmp_path / "s") as store:
        assert store.head().seq == 1


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    """A wrong path in a command must not cost a file."""
    file = tmp_path / "notes.txt"
    file.write_text("important\n" * 200)

    with pytest.raises(DataRefused, match=r"notes\.txt"):
        open_store(file, segments=tmp_path)

    assert file.read_text() == "important\n" * 200


def test_another_programs_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    """The planner's own database is a system, not our store."""
    file = tmp_path / "planner.db"
    with closing(sqlite3.connect(file)) as con, con:
        con.execute("CREATE TABLE campaigns (id TEXT)")

    with pytest.raises(DataRefused, match=r"other tables \(campaigns"):
        open_store(file, segments=tmp_path)

    with closing(sqlite3.connect(file)) as con:
        assert con.execute("SELECT name FROM sqlite_schema").fetchall() == [("campaigns",)]


def test_a_place_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    """A folder that is a file, a path that is a folder: exit code 3 and the path."""
    (tmp_path / "file").write_text("x")

    for place in (tmp_path / "file" / "store.db", tmp_path):
        with pytest.raises(SystemUnreachable, match="store") as caught:
            open_store(place, segments=tmp_path)
        assert str(place) in str(caught.value)


def test_a_server_that_is_not_there_is_named_without_the_password(tmp_path: Path) -> None:
    """Messages end up in logs."""
    with pytest.raises(SystemUnreachable) as caught:
        open_store("postgresql://ana:secret@127.0.0.1:1/store", segments=tmp_path)

    assert "127.0.0.1:1/store" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_wrong_postgresql_url_is_refused_without_repeating_the_password(tmp_path: Path) -> None:
    """Exit code 2: what was typed must change; but not at the price of showing it."""
    with pytest.raises(UsageError) as caught:
        open_store("postgresql://ana:secret@[host/store?what=1", segments=tmp_path)

    assert "secret" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_name_too_long_for_postgresql_is_refused_in_words(new_schema: Callable[[], str], tmp_path: Path, event: MakeEvent) -> None:
    """A system may hold a key of any length; the event is refused as a whole, with what would have fitted."""
    with open_store(new_schema(), segments=tmp_path) as store:
        with pytest.raises(DataRefused, match="2,500 bytes"):
            store.append([event("a.b", (ObjectRef("task", "".join(chr(300 + n) for n in range(9000))),))])

        assert store.head().seq == 0


def test_sqlite_is_opened_for_full_durability(tmp_path: Path) -> None:
    """NORMAL loses acknowledged events at a power cut."""
    with open_store(tmp_path / "store.db", segments=tmp_path) as store:
        settings = [
            store._database.rows(f"PRAGMA {name}")[0][0] for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        ]

    assert settings == ["wal", 2, 1, 30_000]


def test_postgresql_is_opened_for_full_durability(postgres_url: str, tmp_path: Path) -> None:
    """Even where the database's default is to acknowledge early."""
    with psycopg.connect(postgres_url, autocommit=True) as con:
        con.execute(f'ALTER DATABASE "{con.info.dbname}" SET synchronous_commit = off'.encode())

    with open_store(postgres_url, segments=tmp_path) as store:
        assert store._database.rows("SHOW synchronous_commit") == [("on",)]


def test_on_postgresql_the_store_keeps_to_its_own_schema(postgres_url: str, tmp_path: Path, event: MakeEvent) -> None:
    """The same database may hold a system of the organization; several stores live side by side."""
    with psycopg.connect(postgres_url, autocommit=True) as con:
        con.execute("CREATE TABLE event (mine TEXT)")
        con.execute("CREATE TABLE run (mine TEXT)")
    other = f"{postgres_url}&options=-csearch_path%3Dother"

    with open_store(postgres_url, segments=tmp_path) as store, open_store(other, segments=tmp_path) as second:
        store.append([event()])
        assert (store.head().seq, second.head().seq) == (1, 0)

    with psycopg.connect(postgres_url) as con:
        assert con.execute("SELECT count(*) FROM public.event").fetchone() == (0,)
        assert con.execute("SELECT count(*) FROM accord.event").fetchone() == (1,)


def test_a_broken_connection_is_reported_and_opened_again(postgres_url: str, tmp_path: Path, event: MakeEvent) -> None:
    """A restarted server costs one clear error, and the repeated append goes through once."""
    first, second = event(), event()
    with open_store(postgres_url, segments=tmp_path) as store:
        store.append([first])
        _end_connections(postgres_url)

        with pytest.raises(SystemUnreachable):
            store.append([second])

        assert store.append([second]).seq == 2
        assert store.verify().seq == 2


def test_a_connection_that_breaks_in_a_transaction_does_not_go_on_in_another(postgres_url: str, tmp_path: Path) -> None:
    """Else the second half of an append would be committed alone."""
    database = PostgresDatabase(postgres_url)

    def write_on() -> None:
        with database.write() as tx:
            tx.run("CREATE TABLE first (a TEXT)")
            _end_connections(postgres_url)
            with contextlib.suppress(SystemUnreachable):
                tx.run("CREATE TABLE second (a TEXT)")
            tx.run("CREATE TABLE third (a TEXT)")

    with pytest.raises(SystemUnreachable):
        write_on()

    assert database.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'accord'") == []
    database.close()


def _end_connections(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as con:
        con.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")


def test_a_write_lock_that_is_never_let_go_is_reported(
    open_here: OpenStore, store_url: str, event: MakeEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backup tool that locks the file: a clear error that may be tried again, not a wait for ever."""
    for module in (sqlite, postgres):
        monkeypatch.setattr(module, "BUSY_SECONDS", 0.05)
    holder, waiter = open_here(), open_here()

    with holder._database.write(), pytest.raises(LeaseHeld, match="write lock"):
        waiter.append([event()])

    assert waiter.append([event()]).seq == 1
