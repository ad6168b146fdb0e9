"""A feed stays open between runs, and what was read from it is never lost by a run that fails."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from accord.connectors.direct import EarlyChanges
from accord.connectors.protocol import KeyChanges
from accord.model.defect import Defect
from accord.sync.watch.feeds import HeldFeeds


def batch(position: str, *keys: int) -> KeyChanges:
    times = pa.array([None] * len(keys), pa.timestamp("us", tz="UTC"))
    return KeyChanges(pa.table({"id": pa.array(keys, pa.int64()), "_changed_at": times}), position)


class FakeFeed:
    """A log in memory."""

    def __init__(self) -> None:
        self.coming: queue.Queue[KeyChanges | Exception] = queue.Queue()
        self.acknowledged: list[str] = []
        self.reads = 0

    def read(self, *, wait_seconds: float = 0.0, limit: int = 0) -> KeyChanges | None:
        self.reads += 1
        try:
            found = self.coming.get(timeout=wait_seconds or 0.001)
        except queue.Empty:
            return None
        if isinstance(found, Exception):
            raise found
        return found

    def acknowledge(self, position: str) -> None:
        self.acknowledged.append(position)

    def close(self) -> None:
        """Nothing to let go of."""


class FakeSystem:
    """Opens feeds and counts them."""

    def __init__(self) -> None:
        self.feeds: list[FakeFeed] = []
        self.kind = FakeFeed

    def open_feed(self, resource: str, key: Any, *, name: str, after: str | None) -> FakeFeed:
        self.feeds.append(self.kind())
        return self.feeds[-1]

    def drop_feed(self, resource: str, *, name: str) -> None:
        """Nothing is kept."""

    def feed_lag(self, resource: str, *, name: str, after: str | None) -> int | None:
        return None


@pytest.fixture
def held() -> Iterator[tuple[HeldFeeds, FakeSystem, threading.Event]]:
    """Feeds, the system they come from, and what wakes the loop."""
    woken = threading.Event()
    feeds = HeldFeeds(woken.set)
    yield feeds, FakeSystem(), woken
    feeds.close()


def view(held: Any, after: str | None) -> Any:
    feeds, system, _ = held
    return feeds.view(system, "s", "r", ("id",), name="n", after=after)


def the_feed(held: Any) -> Any:
    return next(iter(held[0]._held.values()))


def test_what_the_thread_read_comes_to_the_run_and_again_until_it_is_acknowledged(held: Any) -> None:
    """A run that fails after reading must see the same keys once more."""
    system, woken = held[1], held[2]
    first = view(held, "p0")
    first.close()
    system.feeds[0].coming.put(batch("p1", 1, 2))
    assert woken.wait(10)

    failed = view(held, "p0")
    seen = failed.read()
    failed.close()
    again = view(held, "p0")
    repeated = again.read()
    again.acknowledge("p1")
    nothing = again.read()
    again.close()

    assert seen.position == repeated.position == "p1"
    assert nothing is None
    assert len(system.feeds) == 1
    assert system.feeds[0].acknowledged == ["p1"]


def test_the_thread_does_not_read_on_while_a_batch_waits(held: Any) -> None:
    """That is the back-pressure: the system's log keeps the rest, not our memory."""
    system, woken = held[1], held[2]
    view(held, "p0").close()
    system.feeds[0].coming.put(batch("p1", 1))
    assert woken.wait(10)
    system.feeds[0].coming.put(batch("p2", 2))
    reads = system.feeds[0].reads

    threading.Event().wait(0.3)

    assert system.feeds[0].reads == reads
    assert len(the_feed(held).waiting) == 1


def test_a_mistake_of_ours_while_waiting_is_told_by_the_run_and_the_feed_opened_anew(held: Any) -> None:
    """A thread that ended without a word would be taken for a feed in which nothing happens, and the lag for none."""
    system, woken = held[1], held[2]
    view(held, "p0").close()
    system.feeds[0].coming.put(KeyError("nobody thought of this"))

    assert woken.wait(10)
    with pytest.raises(Defect, match="nobody thought of this") as told:
        view(held, "p0")
    told.value.trace.unlink()
    view(held, "p0").close()

    assert len(system.feeds) == 2
    assert the_feed(held).failure is None


def test_what_went_the_short_way_is_acknowledged_by_the_next_run_as_one_batch(held: Any) -> None:
    """A position is stored by runs only; until then the thread reads on."""
    system, woken = held[1], held[2]
    view(held, "p0").close()
    for number in (1, 2):
        woken.clear()
        system.feeds[0].coming.put(batch(f"p{number}", number, 7))
        assert woken.wait(10)
        the_feed(held).went_short(1, demand=False)

    run = view(held, "p0")
    seen = run.read()
    run.acknowledge(seen.position)
    run.close()

    assert sorted(seen.keys["id"].to_pylist()) == [1, 2, 7]
    assert system.feeds[0].acknowledged == ["p2"]
    assert the_feed(held).waiting == []


def test_a_run_that_stands_elsewhere_gets_a_feed_of_its_own(held: Any) -> None:
    """The stored position decides, never what the process remembers."""
    view(held, "p0").close()
    view(held, "p9").close()

    assert len(held[1].feeds) == 2


def test_a_batch_that_has_just_come_asks_for_no_run(held: Any) -> None:
    """Under load something has always just come; a run for it would hold up all the changes behind it. Only what is left presses."""
    woken = held[2]
    view(held, "p0").close()
    held[1].feeds[0].coming.put(batch("p1", 1))
    assert woken.wait(10)
    feed = the_feed(held)
    fresh = (feed.alerted, feed.pressing)

    feed.went_short(1, demand=True)

    assert fresh == (True, False)
    assert feed.pressing


def test_many_batches_that_went_the_short_way_are_kept_as_one(held: Any) -> None:
    """Neither memory nor the time of the next run grows with the number of changes, but with that of rows."""
    view(held, "p0").close()
    feed = the_feed(held)
    view(held, "p0")  # the thread keeps away
    feed.waiting.extend(batch(f"p{number}", number % 5) for number in range(1, 601))

    feed.went_short(600, demand=False)

    assert [(b.position, sorted(b.keys["id"].to_pylist())) for b in feed.waiting] == [("p600", [0, 1, 2, 3, 4])]
    assert (feed.handled, feed.pressing) == (1, False)


class EarlyFake(FakeFeed):
    """A log that tells of changes before they can be read."""

    def __init__(self) -> None:
        super().__init__()
        self.waited: list[frozenset[int]] = []

    def read_early(self, *, wait_seconds: float = 0.0, limit: int = 0) -> KeyChanges | None:
        found = self.read(wait_seconds=wait_seconds, limit=limit)
        return None if found is None else EarlyChanges(found.keys, found.position, unseen=frozenset({self.reads}))

    def wait(self, unseen: frozenset[int]) -> None:
        self.waited.append(unseen)


def test_a_run_waits_until_what_came_early_can_be_read(held: Any) -> None:
    """Only the short way looks for itself whether it sees a change; a run that read too early would find no change and lose it."""
    system, woken = held[1], held[2]
    system.kind = EarlyFake
    view(held, "p0").close()
    feed = system.feeds[0]
    feed.coming.put(batch("p1", 7))
    assert woken.wait(10)
    assert feed.waited == []

    found = view(held, "p0").read()

    assert found.position == "p1"
    assert feed.waited == [found.unseen]


def test_the_oldest_change_that_waits_is_known_by_when_it_was_committed(held: Any) -> None:
    """The lag under a steady load is the age of what waits, and not the time since the last run."""
    view(held, None).close()
    feed, early, late = the_feed(held), datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
    feed.close()  # so that its thread leaves the batches alone
    times = pa.array([late, early], pa.timestamp("us", tz="UTC"))
    feed.waiting.append(KeyChanges(pa.table({"id": pa.array([1, 2]), "_changed_at": times}), "1"))

    assert feed.oldest() == early
    feed.went_short(1, demand=False)
    assert feed.oldest() is None  # nothing waits
    feed.waiting.append(batch("2", 3))
    assert feed.oldest() is None  # a log that tells no times
