"""What the auto steps of the pack's processes compute."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import pytest

from accord.model.errors import UsageError
from accord.work.action import Call
from accord_marketing_operations.actions.capacity_check import capacity_check
from accord_marketing_operations.actions.compare_gates import compare_gates
from accord_marketing_operations.actions.content_load import content_load
from accord_marketing_operations.actions.link_outcomes import link_outcomes
from accord_marketing_operations.actions.propose_allocation import propose_allocation
from accord_marketing_operations.actions.publish_content import publish_content
from accord_marketing_operations.actions.schedule_publication import RATES, schedule_publication
from accord_marketing_operations.actions.schedule_work import schedule_work
from accord_marketing_operations.planning.schedule import STAGES, schedule

BEGINS = date(2026, 1, 12)
PEOPLE = [
    {"id": "A", "team": "creative_studio", "hours": 4},
    {"id": "B", "team": "creative_studio", "hours": 2},
    {"id": "C", "team": "brand_legal", "hours": 4},
    {"id": "D", "team": "channel_operations", "hours": 4},
]


def item(number: int, hours: float = 10.0, **more: Any) -> dict[str, Any]:
    """A deliverable due two weeks after the beginning."""
    due = (BEGINS + timedelta(days=14 + number)).isoformat()
    full = {"id": f"D{number}", "kind": "email", "std_hours": hours, "due": due, "channel": "email", "audience": "all", "owner": "x"}
    return full | more


def call(**arguments: Any) -> Call:
    """A call with these arguments."""
    return Call("a", "t", "i", "p", "s", "c", arguments, "key", 1, 0, 60.0)


def test_nobody_is_booked_above_their_hours_and_stages_follow_each_other() -> None:
    """The two hard rules of an allocation; everything else is taste."""
    jobs = schedule([item(n) for n in range(6)], PEOPLE, BEGINS)

    worked: dict[str, float] = defaultdict(float)
    for job in jobs:
        worked[job.person] += job.hours
    for person in PEOPLE:
        days = sum((BEGINS + timedelta(days=n)).weekday() < 5 for n in range((max(j.end for j in jobs) - BEGINS).days + 1))
        assert worked[str(person["id"])] <= days * float(str(person["hours"]))
    for number in range(6):
        mine = [job for job in jobs if job.item == f"D{number}"]
        assert [job.stage for job in mine] == [stage for stage, _, _ in STAGES]
        assert all(later.end >= earlier.end for earlier, later in pairwise(mine))
        assert all(job.begin.weekday() < 5 for job in mine)


def test_a_day_holds_no_more_than_its_hours() -> None:
    """An hour that is given away twice is the mistake a plan is made to avoid: ten hours at four a day end on the third day."""
    (job, *_) = schedule([item(1, 16.5)], [PEOPLE[0], *PEOPLE[2:]], BEGINS)

    assert (job.hours, job.begin, job.end) == (10.0, BEGINS, BEGINS + timedelta(days=2))


def test_capacity_check_names_the_team_that_lacks_hours() -> None:
    """«Not feasible» helps nobody; which team, how much, and when it would be possible does."""
    found = capacity_check(call(items=[item(1, 100)], people=PEOPLE, begins="2026-01-12", launch="2026-01-16"))

    assert found["capacity_gaps"] == {"creative_studio": 65.0}  # 95 h of 100 standard hours are the studio's, and it has 30
    assert found["first_feasible"] > "2026-01-16"


def test_timeline_that_cannot_be_kept_offers_three_ways_out() -> None:
    """A planner has to choose between date, scope and people; the way that leaves nothing late comes first."""
    items = [item(1, 60), item(2, 60, mandatory=False)]
    given = {"items": items, "people": PEOPLE, "begins": "2026-01-12", "launch": "2026-01-20"}

    proposed, timeline = propose_allocation(call(**given)), schedule_work(call(**given))

    assert proposed["late_days"] > 0
    assert sorted(way["change"] for way in timeline["alternatives"]) == ["later_launch", "more_people", "smaller_scope"]
    assert timeline["alternatives"][0] == {"change": "later_launch", "to": timeline["alternatives"][0]["to"], "late_days": 0}
    assert all(step.startswith(timeline["critical_path"][0].split("/")[0]) for step in timeline["critical_path"])


def test_difference_of_two_gates_names_each_check_and_who_wants_it() -> None:
    """Both teams sign one gate only when they see where they differ."""
    found = compare_gates(call(ours=["brand", "legal"], theirs=["legal", "sizes"], our_threshold=80, their_threshold=90))

    assert found["conflicts"] == 3
    assert {"check": "brand", "wanted_by": "brand_legal"} in found["difference"]
    assert {"threshold": [80, 90]} in found["difference"]
    assert compare_gates(call(ours=["a"], theirs=["a"], our_threshold=80, their_threshold=80))["conflicts"] == 0


def test_content_that_lacks_a_field_is_counted_and_load_is_told_by_week() -> None:
    """The calendar passes its gate only when every item has channel, audience, owner and due time."""
    found = content_load(call(items=[item(1), item(2, audience="")], people=PEOPLE))

    assert (found["items_incomplete"], found["incomplete"]) == (1, ["D2"])
    assert set(found["load"]) == {"creative_studio", "brand_legal", "channel_operations"}


def test_channel_takes_no_more_than_its_rate_and_nothing_at_night() -> None:
    """More than a channel takes is refused by it; a mail at three in the morning is read by nobody."""
    wanted, taken = "2026-01-14T22:30:00+00:00", []
    for _ in range(RATES["email"] * 3):
        taken.append(schedule_publication(call(channel="email", wanted=wanted, taken=taken))["publish_at"])

    hours = [moment[:13] for moment in taken]
    assert max(hours.count(hour) for hour in hours) <= RATES["email"]
    assert not any(int(hour[11:]) < 6 for hour in hours)
    assert taken[0] == wanted


def test_publication_repeated_after_a_crash_is_the_same_one() -> None:
    """Nobody knows after a crash whether it happened; the key makes the repeat harmless."""
    given = {"deliverable": "D1", "channel": "email", "file": "f", "version": 1}

    assert publish_content(call(**given)) == publish_content(call(**given))


def test_broken_chain_of_keys_is_refused() -> None:
    """Outcomes of a publication nobody can name would be counted to nothing."""
    with pytest.raises(UsageError, match="chain of keys"):
        link_outcomes(call(campaign="C", deliverable="D", publication=None))
