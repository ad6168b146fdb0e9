"""When a flow runs: soon, later, or not before people have acted."""

from __future__ import annotations

import random

from accord.model.errors import GuardStopped, LeaseHeld, StorageFull, SystemUnreachable, TransientError
from accord.model.flow import Binding, Flow
from accord.model.values import Duration
from accord.sync.watch.schedule import FlowSchedule, delay_seconds, ends_watch, interval_seconds, next_ready


def test_the_wait_doubles_up_to_a_limit_and_is_never_shorter_than_asked_for() -> None:
    """A system that is down must not be hammered, and one that says when to come back is believed."""
    rng = random.Random(1)

    waits = [delay_seconds(n, rng, retry_after=None, longest=60) for n in range(1, 12)]

    assert all(2 ** (n - 1) / 2 <= w <= 2 ** (n - 1) for n, w in enumerate(waits[:6], 1))
    assert max(waits) <= 60
    assert delay_seconds(1, rng, retry_after=90, longest=60) == 90


def test_a_change_does_not_shorten_the_wait_after_a_failure() -> None:
    """Otherwise every row written in one system is another attempt at the one that is away."""
    schedule = FlowSchedule("f", 10)

    schedule.failed(SystemUnreachable("s", "w", "away"), 100, random.Random(1))
    schedule.alerted = True

    assert schedule.state == "backing_off"
    assert not schedule.ready(100.1)
    assert schedule.ready(200)


def test_a_full_disk_is_looked_at_again() -> None:
    """Whoever makes room does so without a word to a watch, which would stand still until somebody notices."""
    schedule = FlowSchedule("f", 10)

    schedule.failed(StorageFull("b.db", "No space left on device"), 0, random.Random(1))

    assert schedule.state == "backing_off"
    assert schedule.ready(2)


def test_what_people_must_mend_is_parked_and_a_lost_lease_ends_all() -> None:
    """A guard stops for a reason that trying again does not change."""
    schedule = FlowSchedule("f", 10)

    schedule.failed(GuardStopped("mass delete", "all rows", "look"), 0, random.Random(1))

    assert schedule.state == "parked"
    assert not schedule.ready(1e9)
    assert ends_watch(LeaseHeld("another", "here"))
    assert not ends_watch(TransientError("away"))


def test_flows_whose_systems_never_rest_take_turns() -> None:
    """Order of references, but not for ever: a flow behind two busy ones would wait for twice its freshness."""
    flows = {name: FlowSchedule(name, 900) for name in ("first", "second", "third")}
    turns = []

    for now in range(1, 9):
        flows["first"].alerted = flows["second"].alerted = True
        flows["third"].alerted = now > 3 and "third" not in turns[3:]
        chosen = next_ready(flows, float(now))
        assert chosen is not None
        chosen.begin(now + 0.1)
        chosen.finished(now + 0.1, now + 0.9, again=False)
        turns.append(chosen.name)

    assert turns == ["first", "second", "third", "first", "second", "third", "first", "second"]


def test_sources_that_tell_of_changes_are_looked_at_less_often() -> None:
    """A third of the freshness by itself, all of it when the log is waited on."""
    swept = Flow("f", "e", {"a": Binding("a", "r", {}), "b": Binding("b", "r", {}, direction="write")}, freshness=Duration(90))
    told = Flow(
        "f", "e", {"a": Binding("a", "r", {}, capture="cdc"), "b": Binding("b", "r", {}, direction="write")}, freshness=Duration(90)
    )

    assert (interval_seconds(swept), interval_seconds(told)) == (30, 90)
