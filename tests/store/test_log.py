"""The event log: what was appended is there, once, in order, on both databases."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accord.model.errors import TerminalError, UsageError
from accord.model.event import GENESIS, Event, Head, ObjectRef, chain_hash, time_in
from accord.store import Store, log
from accord.store.log import checked, decode

MakeEvent = Callable[..., Event]
NOON = datetime(2026, 3, 29, 12, tzinfo=UTC)


def test_an_empty_log_has_the_genesis_head(store: Store) -> None:
    """The first event must follow something that everybody knows."""
    assert store.head() == Head(0, GENESIS)
    assert list(store.read()) == []
    assert store.verify() == Head(0, GENESIS)


def test_an_event_larger_than_a_socket_takes_at_once_is_appended(store: Store, event: MakeEvent) -> None:
    """What is sent without waiting is sent to its end before an answer is waited for: else both sides wait for each other."""
    store.append([event("task.done", text="x" * 4_000_000)])

    assert store.head().seq == 1


def test_events_come_back_as_they_were_given_and_in_order(store: Store, event: MakeEvent) -> None:
    """The log is the only memory; a value that changes on the way is lost."""
    given_events = [
        event("task.done", (ObjectRef("task", "T-1", "subject"), ObjectRef("team", "ops")), text="a\nb «ü» 𝄞 '\"%s ? \0 x", amount="12.50"),
        event("task.done", none=None, flag=True, number=-0.1, large=2**80, nested={"list": [1, [2]], "empty": {}}),
    ]

    head = store.append(given_events)

    assert [stored.event for stored in store.read()] == given_events
    assert [stored.seq for stored in store.read()] == [1, 2]
    assert head == store.head() == Head(2, list(store.read())[-1].hash)


def test_each_event_is_chained_to_the_one_before(store: Store, event: MakeEvent) -> None:
    """The chain must be checkable by anyone with the model alone."""
    store.append([event(), event()])
    store.append([event()])

    previous = GENESIS
    for stored in store.read():
        assert stored.previous == previous
        assert stored.hash == chain_hash(previous, stored.event.canonical())
        previous = stored.hash
    assert store.verify() == Head(3, previous)


def test_a_repeated_event_is_taken_once(store: Store, event: MakeEvent) -> None:
    """A caller that does not know whether its append went through must be able to repeat it."""
    first, second = event(), event()
    store.append([first, first])

    head = store.append([first, second, second])

    assert head.seq == 2
    assert [stored.event for stored in store.read()] == [first, second]


def test_an_id_with_other_content_is_refused_with_the_whole_batch(store: Store, event: MakeEvent) -> None:
    """Ignoring it would lose an event; half a batch would be a state nobody asked for."""
    store.append([event(id_="a", note="one")])
    before = store.head()

    with pytest.raises(TerminalError, match=r"'a'.*already in the log with other content"):
        store.append([event("run.started", run="r"), event(id_="a", note="two")])

    assert store.head() == before
    assert store.table("run").num_rows == 0


def test_the_same_id_twice_in_one_batch_with_other_content_is_refused(store: Store, event: MakeEvent) -> None:
    """The rule holds inside a batch as well."""
    with pytest.raises(TerminalError, match="'a'"):
        store.append([event(id_="a", note="one"), event(id_="a", note="two")])

    assert store.head().seq == 0


def test_a_batch_whose_source_breaks_is_not_written(store: Store, event: MakeEvent) -> None:
    """Events may come from a generator that fails half way."""

    def broken() -> Any:
        yield event()
        raise OSError("the source broke")

    with pytest.raises(OSError, match="source broke"):
        store.append(broken())

    assert store.head().seq == 0


@pytest.mark.parametrize(
    "attributes",
    [
        {"a": Decimal("1")},
        {"a": float("nan")},
        {"a": float("inf")},
        {"a": NOON},
        {"a": b"x"},
        {"a": "\ud800"},
        {1: "a", "b": 2},
        {"a": {1, 2}},
    ],
    ids=["decimal", "nan", "infinite", "time", "bytes", "surrogate", "mixed keys", "set"],
)
def test_attributes_that_are_not_json_are_refused_by_name(store: Store, attributes: dict[Any, Any]) -> None:
    """What cannot be hashed the same everywhere must not come in; the message names the event."""
    with pytest.raises(UsageError, match=r"'e1'.*plain JSON"):
        store.append([Event("e1", "task.done", NOON, "test", attributes)])

    assert store.head().seq == 0


@pytest.mark.parametrize(("id_", "type_"), [("", "a.b"), ("x", ""), ("a\0b", "a.b"), (7, "a.b")])
def test_an_event_needs_an_id_and_a_type(store: Store, id_: Any, type_: str) -> None:
    """An empty id would make all such events one."""
    with pytest.raises(UsageError):
        store.append([Event(id_, type_, NOON, "test")])


def test_reading_can_start_later_and_choose_by_type_object_and_number(store: Store, event: MakeEvent) -> None:
    """Each capability reads its part of the log, not all of it."""
    task, other = ObjectRef("task", "T-1", "subject"), ObjectRef("task", "T-2")
    store.append(
        [event("a.x", (task,)), event("a.y", (other,)), event("a.x", (other, task)), event("a.z", (ObjectRef("task", "T-1", "parent"),))]
    )

    def seqs(**how: Any) -> list[int]:
        return [stored.seq for stored in store.read(**how)]

    assert seqs(after=2) == [3, 4]
    assert seqs(types=["a.x", "a.z"]) == [1, 3, 4]
    assert seqs(types="a.x") == [1, 3]
    assert seqs(types=[]) == []
    assert seqs(object=ObjectRef("task", "T-1")) == [1, 3, 4]
    assert seqs(object=task) == [1, 3]
    assert seqs(object=ObjectRef("team", "T-1")) == []
    assert seqs(limit=2) == [1, 2]
    assert seqs(types=["a.x"], after=1, limit=5) == [3]


def test_events_of_a_rare_type_are_found_without_the_many_of_processes(store: Store, event: MakeEvent) -> None:
    """A log is mostly steps of processes, and what a command asks for by type happened a few times."""
    types = ("task.noted", "handoff.seen", "process.noted", "token.seen", "run.started", "taskforce.met")
    store.append([event(type_, id_=type_, run="r") for type_ in types])
    store.append([event("task.noted") for _ in range(2000)])
    sql, values = log._selection(types[4:], None)

    found = [[stored.event.type for stored in store.read(types=given)] for given in (types[4:], types[1:4], types[1:])]
    if store.dialect == "postgresql":
        store._database.run("ANALYZE event")
    plan = str(store.rows(f"EXPLAIN {'QUERY PLAN ' if store.dialect == 'sqlite' else ''}{sql}", 0, 5000, *values, 10))

    assert found == [list(types[4:]), list(types[1:4]), list(types[1:])]
    assert "event_rare_type" in plan


def test_reading_ends_at_the_head_of_the_beginning(store: Store, event: MakeEvent) -> None:
    """A reader that appends for each event it reads must come to an end."""
    store.append([event() for _ in range(3)])

    for _ in store.read():
        store.append([event()])

    assert store.head().seq == 6


def test_a_long_log_is_read_in_batches_without_gap(store: Store, event: MakeEvent) -> None:
    """The borders of batches are where events get lost or doubled."""
    store.append(event(n=n) for n in range(1201))

    assert [stored.event.attributes["n"] for stored in store.read()] == list(range(1201))
    assert [stored.seq for stored in store.read(after=499, limit=502)] == list(range(500, 1002))


def test_two_writers_lose_nothing(open_here: Callable[..., Store]) -> None:
    """Two connections append at once: every event is there once and the chain is whole."""
    writers = [open_here(), open_here()]

    def write(store: Store, name: str) -> None:
        for number in range(25):
            store.append([Event(f"{name}{number}", "task.done", NOON, name)])

    threads = [threading.Thread(target=write, args=(store, name)) for store, name in zip(writers, "ab", strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert writers[0].verify().seq == 50
    assert sorted(stored.event.id for stored in writers[1].read()) == sorted(f"{name}{number}" for name in "ab" for number in range(25))


def test_one_store_may_be_used_from_several_threads(store: Store) -> None:
    """Progress display and work share one store."""
    failures: list[BaseException] = []

    def work(name: str) -> None:
        try:
            for number in range(15):
                store.append([Event(f"{name}{number}", "task.done", NOON, name)])
                assert sum(1 for _ in store.read(types=["task.done"])) >= number + 1
        except BaseException as error:  # noqa: BLE001 - carried to the main thread
            failures.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert store.verify().seq == 45


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4) | st.tuples(inner, inner),
    max_leaves=12,
)


@given(
    attributes=st.dictionaries(st.text() | st.integers(), json_values, max_size=4),
    offset=st.integers(-14, 14),
    objects=st.lists(st.builds(ObjectRef, st.text(), st.text(), st.text()), max_size=3),
)
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
def test_the_stored_text_hashes_like_the_event_it_gives_back(attributes: dict[Any, Any], offset: int, objects: list[ObjectRef]) -> None:
    """Otherwise the log would call itself tampered with: tuples, number keys and zones must be normal before the hash."""
    made = Event("e", "a.b", NOON.astimezone(timezone(timedelta(hours=offset))), "s", attributes, tuple(objects))

    try:
        normal = checked(made)
    except UsageError:
        return  # keys of several kinds, or half a surrogate pair

    assert decode(normal.canonical().decode()) == normal
    assert normal.time == made.time == time_in(normal.canonical().decode())
