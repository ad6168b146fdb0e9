"""Reading, deciding and appending as one, with many threads sharing commits."""

from __future__ import annotations

import _thread
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from accord.model.errors import TerminalError, UsageError
from accord.model.event import Event
from accord.store import Store
from accord.store.database import Rows

MakeEvent = Callable[..., Event]


def _claim(event: MakeEvent, name: str) -> Callable[[Rows], tuple[list[Event], bool]]:
    def decide(rows: Rows) -> tuple[list[Event], bool]:
        taken = rows.rows("SELECT 1 FROM event WHERE type = ?", "seat.taken")
        return ([] if taken else [event("seat.taken", id_=f"claim {name}")]), not taken

    return decide


def test_of_many_who_decide_on_what_they_read_one_wins(store: Store, event: MakeEvent) -> None:
    """A decision rests on rows that nobody may change before its events are in the log."""
    with ThreadPoolExecutor(16) as pool:
        won = list(pool.map(lambda n: store.transact(_claim(event, str(n))), range(64)))

    assert won.count(True) == 1
    assert store.head().seq == 1


def test_a_refused_decision_takes_nothing_with_it(store: Store, event: MakeEvent) -> None:
    """Pieces share a commit, never a fate."""
    ready = threading.Barrier(8)

    def work(number: int) -> str:
        def decide(rows: Rows) -> tuple[list[Event], str]:
            if number % 2:
                raise UsageError("no")
            return [event(id_=f"e{number}")], "yes"

        ready.wait()
        try:
            return store.transact(decide)
        except UsageError:
            return "no"

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(work, range(8)))

    assert answers == ["yes", "no"] * 4
    assert {stored.event.id for stored in store.read()} == {"e0", "e2", "e4", "e6"}
    store.verify()


def test_a_repeated_id_with_other_content_stops_only_its_own_piece(store: Store, event: MakeEvent) -> None:
    """The log refuses it after the decision, and must not keep half of the piece."""
    store.append([event(id_="same", n=1)])

    with pytest.raises(TerminalError):
        store.transact(lambda rows: ([event(id_="before"), event(id_="same", n=2)], None))

    assert store.transact(lambda rows: ([event(id_="after")], rows.rows("SELECT max(seq) FROM event")[0][0])) == 1
    assert [stored.event.id for stored in store.read()] == ["same", "after"]


def test_many_writers_leave_a_log_that_verifies(store: Store, event: MakeEvent) -> None:
    """The chain is extended in one order, whoever leads."""
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda n: store.transact(lambda rows: ([event(id_=f"e{n}")], None)), range(200)))

    assert store.verify().seq == 200


def test_one_who_stops_waiting_leaves_the_others_going(store: Store, event: MakeEvent) -> None:
    """A Ctrl-C while another thread commits: who is next in line gets its turn all the same."""
    begun, interrupted = threading.Event(), threading.Event()

    def slow(rows: Rows) -> tuple[list[Event], None]:
        begun.set()
        interrupted.wait(10)
        return [event(id_="slow")], None

    def late() -> None:
        begun.wait(10)
        while not store._group._waiting:  # until the main thread stands in line
            pass
        queued = threading.Thread(target=store.transact, args=(lambda rows: ([event(id_="queued")], None),))
        queued.start()
        while len(store._group._waiting) < 2:
            pass
        _thread.interrupt_main()
        interrupted.set()
        queued.join(10)

    threads = [threading.Thread(target=store.transact, args=(slow,)), threading.Thread(target=late)]
    threads[0].start()
    begun.wait(10)
    threads[1].start()
    with pytest.raises(KeyboardInterrupt):
        store.transact(lambda rows: ([event(id_="never mind")], None))
    for thread in threads:
        thread.join(10)

    store.transact(lambda rows: ([event(id_="after")], None))
    assert {"slow", "queued", "after"} <= {stored.event.id for stored in store.read()}


def test_an_id_said_to_be_fresh_that_is_in_the_log_is_refused(store: Store, event: MakeEvent) -> None:
    """Nobody looks for ids that were drawn by chance; should one be taken all the same, the log keeps what it has."""
    other = event(id_="other:0", n=1)
    store.append([event(id_="drawn:0", n=1), other])

    with pytest.raises(Exception, match=r"(?i)unique"):
        store.transact(lambda rows: ([event(id_="new"), event(id_="drawn:0", n=1)], None), fresh="drawn:")
    with pytest.raises(TerminalError, match="other content"):
        store.transact(lambda rows: ([event(id_="drawn:1"), event(id_="other:0", n=2)], None), fresh="drawn:")
    store.transact(lambda rows: ([event(id_="drawn:1"), other], None), fresh="drawn:")

    assert [stored.event.id for stored in store.read()] == ["drawn:0", "other:0", "drawn:1"]
    store.verify()


def test_who_just_decided_together_is_waited_for(store: Store, event: MakeEvent) -> None:
    """Threads come back together; the first must not go alone when the rest follows at once, nor wait when all are there."""
    store._group._expected, store._group._patience = 2, 60.0
    sizes: list[int] = []
    carry_out = store._group._carry_out
    store._group._carry_out = lambda pieces: (sizes.append(len(pieces)), carry_out(pieces))[1]  # type: ignore[method-assign]

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda n: store.transact(lambda rows: ([event(id_=str(n))], None)), range(2)))

    assert sizes == [2]


def test_who_is_waited_for_in_vain_is_not_waited_for_again(store: Store, event: MakeEvent) -> None:
    """Whoever is left alone pays once, a moment."""
    store._group._expected, store._group._patience = 2, 0.001

    for n in range(2):
        store.transact(lambda rows, n=n: ([event(id_=str(n))], None))  # type: ignore[misc]

    assert store._group._expected == 1
    assert [stored.event.id for stored in store.read()] == ["0", "1"]
