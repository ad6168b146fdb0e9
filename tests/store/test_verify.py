"""Tampering with the log shows, whoever does it and however."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import psycopg
import pytest

from accord.model.errors import LogTampered
from accord.model.event import Event, Head, chain_hash
from accord.store import Store

MakeEvent = Callable[..., Event]
Sql = Callable[..., None]


@pytest.fixture
def behind_our_back(store_url: str) -> Sql:
    """Carry out SQL on the store's database past our code; ``disarm`` takes the triggers away first."""

    def carry_out(sql: str, *values: str | int, disarm: bool = True) -> None:
        if store_url.startswith("postgresql"):
            with psycopg.connect(store_url, autocommit=True) as con:
                if disarm:
                    con.execute("ALTER TABLE event DISABLE TRIGGER ALL")
                con.execute(sql.replace("?", "%s").encode(), values)
        else:
            import sqlite3

            with closing(sqlite3.connect(store_url)) as lite, lite:
                if disarm:
                    for (name,) in lite.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
                        lite.execute(f"DROP TRIGGER {name}")
                lite.execute(sql, values)

    return carry_out


@pytest.fixture
def five(store: Store, event: MakeEvent) -> Store:
    """A log of five events."""
    store.append([event(amount=str(n)) for n in range(1, 6)])
    return store


def _hashes(store: Store, seq: int, body: str) -> str:
    previous = next(iter(store.read(after=seq - 1, limit=1))).previous
    return chain_hash(previous, body.encode())


@pytest.mark.parametrize("sql", ["UPDATE event SET type = 'x' WHERE seq = 2", "DELETE FROM event WHERE seq = 5"])
def test_the_database_refuses_to_change_or_remove_events(five: Store, behind_our_back: Sql, sql: str) -> None:
    """A slip in a console must not cost the trail."""
    with pytest.raises(Exception, match="append-only"):
        behind_our_back(sql, disarm=False)

    assert five.verify().seq == 5


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)  # SQLite has no TRUNCATE
def test_postgresql_refuses_to_truncate(five: Store, behind_our_back: Sql) -> None:
    """TRUNCATE passes row triggers by."""
    with pytest.raises(psycopg.errors.RaiseException, match="append-only"):
        behind_our_back("TRUNCATE event", disarm=False)


@pytest.mark.parametrize(
    ("sql", "seq"),
    [
        ("""UPDATE event SET body = replace(body, '"amount":"3"', '"amount":"9"') WHERE seq = 3""", 3),
        ("UPDATE event SET type = 'task.undone' WHERE seq = 3", 3),
        ("UPDATE event SET id = 'other' WHERE seq = 1", 1),
        ("UPDATE event SET previous = hash WHERE seq = 4", 4),
        ("UPDATE event SET hash = previous WHERE seq = 2", 2),
        ("DELETE FROM event WHERE seq = 1", 1),
        ("DELETE FROM event WHERE seq = 3", 3),
        ("DELETE FROM event WHERE seq = 5", 5),
        ("DELETE FROM event", 1),
        ("UPDATE event SET seq = CASE seq WHEN 2 THEN -3 ELSE -2 END WHERE seq IN (2, 3)", 2),
        ("INSERT INTO event SELECT 6, 'six', type, body, hash, hash FROM event WHERE seq = 5", 6),
        ("INSERT INTO event SELECT 0, 'zero', type, body, previous, hash FROM event WHERE seq = 1", 0),
        ("UPDATE log_head SET seq = 4, hash = (SELECT hash FROM event WHERE seq = 4)", 5),
        ("UPDATE log_head SET hash = (SELECT hash FROM event WHERE seq = 4)", 6),
    ],
)
def test_verify_finds_what_was_changed_removed_moved_or_put_in(five: Store, behind_our_back: Sql, sql: str, seq: int) -> None:
    """Anyone who can write to the database can drop the triggers; the chain still tells."""
    behind_our_back(sql)
    if "-3" in sql:
        behind_our_back("UPDATE event SET seq = -seq WHERE seq < 0")

    with pytest.raises(LogTampered) as caught:
        five.verify()
    assert caught.value.seq == seq


def test_an_event_changed_together_with_its_hash_is_found_at_the_next(five: Store, behind_our_back: Sql) -> None:
    """Whoever knows the scheme recomputes one hash; the next event then no longer follows."""
    body = next(iter(five.read(after=2, limit=1))).event.canonical().decode().replace('"amount":"3"', '"amount":"9"')
    behind_our_back("UPDATE event SET body = ?, hash = ? WHERE seq = 3", body, _hashes(five, 3, body))

    with pytest.raises(LogTampered, match="event 4"):
        five.verify()


def test_a_last_event_that_is_no_event_is_found(five: Store, behind_our_back: Sql) -> None:
    """Also with a right hash and head: content that cannot be read is tampering, not a crash."""
    digest = _hashes(five, 5, "{}")
    behind_our_back("UPDATE event SET body = '{}', hash = ? WHERE seq = 5", digest)
    behind_our_back("UPDATE log_head SET hash = ?", digest)

    with pytest.raises(LogTampered, match="no event"):
        five.verify()


def test_a_log_rewritten_as_a_whole_shows_against_a_noted_head(five: Store, behind_our_back: Sql) -> None:
    """A chain proves only that it is a chain; a head kept elsewhere proves that it is the same one."""
    noted = five.head()
    stored = list(five.read())
    body = stored[4].event.canonical().decode().replace('"amount":"5"', '"amount":"7"')
    digest = chain_hash(stored[4].previous, body.encode())
    behind_our_back("UPDATE event SET body = ?, hash = ? WHERE seq = 5", body, digest)
    behind_our_back("UPDATE log_head SET hash = ?", digest)

    assert five.verify() == Head(5, digest)
    with pytest.raises(LogTampered, match="event 5"):
        five.verify(through=noted)


def test_a_log_cut_back_with_its_head_shows_against_a_noted_head(five: Store, behind_our_back: Sql) -> None:
    """The same for events that were cut off at the end."""
    noted = five.head()
    behind_our_back("DELETE FROM event WHERE seq = 5")
    behind_our_back("UPDATE log_head SET seq = 4, hash = (SELECT hash FROM event WHERE seq = 4)")

    assert five.verify().seq == 4
    with pytest.raises(LogTampered, match="once reached 5"):
        five.verify(through=noted)


def test_a_log_that_grew_passes_through_an_earlier_head(five: Store, event: MakeEvent) -> None:
    """An honest log contains every earlier state of itself."""
    noted = five.head()
    five.append([event()])

    assert five.verify(through=noted).seq == 6
    assert five.verify(through=Head(0, "0" * 64)).seq == 6


@pytest.mark.parametrize("sql", ["DELETE FROM event WHERE seq = 5", "UPDATE event SET hash = previous WHERE seq = 5"])
def test_a_log_with_a_broken_end_is_not_extended(five: Store, event: MakeEvent, behind_our_back: Sql, sql: str) -> None:
    """New events on top would bury the break."""
    behind_our_back(sql)

    with pytest.raises(LogTampered, match="event 5"):
        five.append([event()])
