"""Decisions that share a transaction: what one reads holds although another decided before it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import psycopg
import pytest

from accord.model.errors import SystemUnreachable, TerminalError, UsageError
from accord.model.event import Event, ObjectRef
from accord.store import Ahead, Store, open_store
from accord.store.database import Rows, Value
from accord.store.group import Decide, _Piece
from accord.store.projection import upsert

MakeEvent = Callable[..., Event]
SEAT = ObjectRef("seat", "1")
_SEEN = "SELECT last_seq FROM object WHERE type = ? AND id = ?"
AHEAD = Ahead((SEAT.type, SEAT.id), ((_SEEN, (SEAT.type, SEAT.id)),))


def together(store: Store, *decisions: tuple[Decide[object], Ahead | None]) -> list[_Piece]:
    """Carry decisions out in one transaction, as when they come from many threads at one moment."""
    pieces = [_Piece(decide, ahead) for decide, ahead in decisions]
    store._group._carry_out(pieces)
    return pieces


def taking(event: MakeEvent, name: str, about: ObjectRef = SEAT) -> Decide[object]:
    """Take a seat unless somebody has it."""

    def decide(rows: Rows) -> tuple[list[Event], object]:
        taken = rows.rows(_SEEN, about.type, about.id)
        return ([] if taken else [event("seat.taken", (about,), id_=name)]), not taken

    return decide


def test_rows_fetched_ahead_are_fetched_again_once_a_decision_changed_them(store: Store, event: MakeEvent) -> None:
    """Two take the same seat in one transaction: both were told ahead that it is free, and one gets it."""
    pieces = together(store, *((taking(event, f"take {n}"), AHEAD) for n in range(3)))

    assert [piece.result for piece in pieces] == [True, False, False]
    assert [stored.event.id for stored in store.read()] == ["take 0"]


def test_rows_that_were_not_named_ahead_show_what_was_decided_before(store: Store, event: MakeEvent) -> None:
    """Nobody has to say what it will read: then everything before is written first."""
    pieces = together(store, (taking(event, "first"), AHEAD), (taking(event, "second"), None))

    assert [piece.result for piece in pieces] == [True, False]


def test_what_is_refused_on_writing_takes_only_its_own_decision_with_it(store: Store, event: MakeEvent) -> None:
    """The events of all are written at once; when those of one cannot be, the others must not notice."""
    store.append([event(id_="old", n=1)])

    def again(rows: Rows) -> tuple[list[Event], object]:
        return [event(id_="old", n=2)], "never"

    def unreadable(rows: Rows) -> tuple[list[Event], object]:
        return [event("finding.seen", id_="finding")], "never"  # a projection misses what it needs

    pieces = together(store, (taking(event, "good"), AHEAD), (again, None), (unreadable, None), (taking(event, "late"), AHEAD))

    assert [piece.result for piece in pieces] == [True, None, None, False]
    assert [type(piece.error) for piece in pieces] == [type(None), TerminalError, UsageError, type(None)]
    assert [stored.event.id for stored in store.read()] == ["old", "good"]
    store.verify()


def test_a_decision_that_swallows_the_error_of_others_is_not_taken(store: Store, event: MakeEvent) -> None:
    """It read while the events before it could not be written: what it saw never was."""
    store.append([event(id_="old", n=1)])

    def careless(rows: Rows) -> tuple[list[Event], object]:
        try:
            seen = rows.rows("SELECT count(*) FROM event")
        except TerminalError:
            seen = [(-1,)]
        return [event(id_="careless")], seen[0][0]

    pieces = together(store, (lambda rows: ([event(id_="old", n=2)], None), None), (careless, None))

    assert isinstance(pieces[0].error, TerminalError)
    assert pieces[1].result == 1


def test_a_transaction_that_failed_leaves_the_store_in_order(store: Store, event: MakeEvent) -> None:
    """Statements that wait in line for a server must not turn up in the next transaction."""

    def broken() -> None:
        with store._database.write() as tx:
            tx.run("UPDATE log_head SET seq = 99")
            tx.many(f"INSERT INTO lease ({', '.join(COLUMNS)}) VALUES (?, ?, ?, ?, ?, ?, ?)", [LEASE])
            raise ZeroDivisionError

    def refused() -> None:
        with store._database.write() as tx:
            tx.run("UPDATE log_head SET seq = 98")
            tx.rows("SELECT 1 FROM no_such_table")

    with pytest.raises(ZeroDivisionError):
        broken()
    with pytest.raises(Exception, match="no_such_table"):
        refused()

    assert store.head().seq == 0
    assert store.rows("SELECT * FROM lease") == []
    store.append([event(id_="next")])
    store.verify()


WAITING = (
    'INSERT INTO "work_token" ("instance", "step", "via", "count") VALUES (?, ?, ?, ?) '
    'ON CONFLICT (instance, step, via) DO UPDATE SET "count" = work_token."count" + excluded."count"'
)
COLUMNS = ("name", "holder", "pid", "host", "process", "token", "expires_at")
LEASE: Sequence[Value] = ("x", "x", 1, "x", "x", 1, "x")


def test_the_same_query_for_many_values_gives_each_its_own_rows_in_their_order(store: Store, event: MakeEvent) -> None:
    """However many are asked for at once, with odd texts and with values that have no rows."""
    names = ["a'b", 'c"d', "e\\f", "é\u2028", "", "none", "a'b"]
    store.append(
        [
            event("thing.seen", (about,), id_=f"{n} {m}")
            for n, name in enumerate(names[:5])
            if name
            for about in [ObjectRef("t", name)]
            for m in range(3)
        ]
    )
    sql = "SELECT seq, qualifier FROM relation WHERE id = ? ORDER BY seq DESC"
    two = ("SELECT id FROM relation WHERE id = ? AND seq > ?", ("a'b", 1))

    with store._database.write() as tx:
        found = tx.several([two, *((sql, (name,)) for name in names), two])

    assert found == [store.rows(sql_, *values) for sql_, values in [two, *((sql, (name,)) for name in names), two]]
    assert [len(rows) for rows in found[1:-1]] == [3, 3, 3, 3, 0, 0, 3]


def test_many_rows_are_as_the_same_rows_one_by_one(store: Store) -> None:
    """Whatever way a database takes them: with nulls, numbers, quotes, and twice the same key, of which the last stands."""
    sql = upsert("work_variable", ("instance", "name", "value"), ("instance", "name"))
    odd = [
        "a'b",
        'c"d',
        "e\\f",
        "g\nh",
        "é\u2028",
        "{}",
        "1e400",
        "",
        None,
        "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"),
    ]
    with store._database.write() as tx:
        tx.many(sql, [("odd", str(n), value) for n, value in enumerate(odd)])
        tx.many(sql, [("same", "x", "1"), ("same", "y", "2"), ("same", "x", "3"), ("same", "z", None), ("other", "x", "4")])
        tx.many(
            "INSERT INTO handoff (handoff, attempt, sla_hours, step) VALUES (?, ?, ?, ?)",
            [(str(n), 2**40 + n, n / 7, None) for n in range(9)],
        )

        tx.many(WAITING, [("i", str(n % 4), "way", 1) for n in range(4)])
        tx.many(WAITING, [("i", str(n % 4), "way", 1) for n in range(6)])

    assert store.rows('SELECT step, "count" FROM work_token ORDER BY step') == [("0", 3), ("1", 3), ("2", 2), ("3", 2)]
    assert [value for (value,) in store.rows("SELECT value FROM work_variable WHERE instance = 'odd' ORDER BY length(name), name")] == odd
    assert store.rows("SELECT name, value FROM work_variable WHERE instance = 'same' ORDER BY name") == [
        ("x", "3"),
        ("y", "2"),
        ("z", None),
    ]
    given = [(str(n), 2**40 + n, n / 7, None) for n in range(9)]
    assert store.rows("SELECT handoff, attempt, sla_hours, step FROM handoff ORDER BY handoff") == given


def test_a_connection_that_breaks_in_the_middle_is_told_to_all_and_made_anew(
    new_schema: Callable[[], str], event: MakeEvent, tmp_path: Path
) -> None:
    """Nobody knows less than that nothing of it was kept; the next decision finds the store as it was."""
    url = new_schema()
    with open_store(url, segments=tmp_path / "segments") as store, psycopg.connect(url, autocommit=True) as admin:
        pid = store.rows("SELECT pg_backend_pid()")[0][0]

        def cutting(rows: Rows) -> tuple[list[Event], object]:
            admin.execute("SELECT pg_terminate_backend(%s, 10000)", (pid,))
            return [event(id_="cut")], "never"

        pieces = together(store, (taking(event, "before"), AHEAD), (cutting, None))

        assert [type(piece.error) for piece in pieces] == [SystemUnreachable, SystemUnreachable]
        assert store.transact(taking(event, "after"), ahead=AHEAD)
        assert [stored.event.id for stored in store.read()] == ["after"]
        store.verify()
