"""The shop floor: a discrete-event clock, people who take the oldest task first, and the exchange of work between teams."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Final

from accord_marketing_operations.organization.calendar import END, START, after_work, intervals, next_exchange, utc
from accord_marketing_operations.organization.world import Row, World

Then = Callable[[datetime], None]

SLA_HOURS: Final = {"plan": 48, "produce": 72, "review": 48, "publish": 48}
_REJECTED: Final = 0.23
_NEVER_ACCEPTED: Final = 0.004
_REASONS: Final = ("incomplete", "wrong format", "unclear", "missing approval")


class Floor:
    """Runs the year: callbacks in the order of time, first in, first out for each team."""

    def __init__(self, world: World, random: Random) -> None:
        self.world, self.random = world, random
        self._queue: list[tuple[datetime, int, Then]] = []
        self._count = 0
        self._free: dict[str, list[tuple[datetime, str]]] = {}
        for person in world.resource:
            heapq.heappush(self._free.setdefault(person["team"], []), (START, person["id"]))

    def at(self, moment: datetime, then: Then) -> None:
        """Call ``then`` at ``moment``; what falls after the end of the year does not happen."""
        self._count += 1
        heapq.heappush(self._queue, (moment, self._count, then))

    def run(self) -> None:
        """Let the year pass."""
        while self._queue and self._queue[0][0] <= END:
            moment, _, then = heapq.heappop(self._queue)
            then(moment)

    def open_task(self, step: str, team: str, minutes: int, campaign: Row, deliverable: Row | None, ready: datetime) -> Row:
        """Write a task down as ready; nobody works on it yet. ``minutes`` is the estimate."""
        due = after_work(ready, minutes + 3 * 480)
        task: Row = {
            "id": f"TSK-{len(self.world.task) + 1:05d}",
            "campaign_id": campaign["id"],
            "deliverable_id": deliverable["id"] if deliverable else None,
            "step": step,
            "team": team,
            "assignee": None,
            "est_hours": quarter_hours(minutes),
            "ready_at": utc(ready),
            "started_at": None,
            "completed_at": None,
            "reopened_at": None,
            "due_at": utc(due),
            "attempt": 1,
            "status": "ready",
            "updated_at": utc(ready),
        }
        self.world.task.append(task)
        return task

    def work(self, task: Row, minutes: int, ready: datetime, then: Then, *, started: Then | None = None) -> None:
        """Give a task to the person of its team who is free first; ``then`` is called when it is done."""
        people = self._free[task["team"]]
        free, person = heapq.heappop(people)
        done = intervals(_quarter(max(ready, free)), max(15, round(minutes / 15) * 15))
        start, end = done[0][0], done[-1][1]
        heapq.heappush(people, (end, person))

        def begin(moment: datetime) -> None:
            task["assignee"] = person
            task["started_at"] = task["started_at"] or utc(moment)
            _touch(task, moment, status="in_progress")
            if started:
                started(moment)

        def finish(moment: datetime) -> None:
            task["completed_at"] = utc(moment)
            _touch(task, moment, status="done")
            for begun, ended in done:
                self._log_time(task, person, begun, ended)
            then(moment)

        self.at(start, begin)
        self.at(end, finish)

    def reopen(self, task: Row, minutes: int, moment: datetime, then: Then) -> None:
        """Send a finished task back to the team that did it."""
        task["attempt"] += 1
        task["reopened_at"] = utc(moment)
        task["completed_at"] = None
        _touch(task, moment, status="in_progress")
        self.work(task, minutes, moment, then)

    def hand_over(self, giver: Row, minutes: int, to: Row, moment: datetime, then: Callable[[datetime, Row], None]) -> None:
        """Offer work to another team through the daily exchange and wait until someone answers the e-mail.

        The clock runs from this first offer to the final acceptance. ``minutes`` is the work done so far, of which a part is done again
        after a rejection. ``then`` is called with the time of acceptance and the handoff.
        """
        handoff: Row = {
            "id": f"HND-{len(self.world.handoff) + 1:05d}",
            "campaign_id": to["campaign_id"],
            "deliverable_id": to["deliverable_id"],
            "step": to["step"],
            "task_from": giver["id"],
            "task_to": to["id"],
            "from_team": giver["team"],
            "to_team": to["team"],
            "handed_over_at": utc(moment),
            "accepted_at": None,
            "started_at": None,
            "reject_reason": None,
            "sla_hours": SLA_HOURS[to["step"]],
            "attempt": 1,
            "automatic": False,
        }
        self.world.handoff.append(handoff)
        if self.random.random() >= _NEVER_ACCEPTED:
            self._offer(handoff, giver, minutes, moment, then)

    def _offer(self, handoff: Row, giver: Row, minutes: int, moment: datetime, then: Callable[[datetime, Row], None]) -> None:
        seen = next_exchange(moment)
        answered = after_work(seen, 5 + round(self.random.lognormvariate(5.75, 0.7)))

        def answer(now: datetime) -> None:
            if self.random.random() < _REJECTED / handoff["attempt"]:
                handoff["reject_reason"] = self.random.choice(_REASONS)
                handoff["attempt"] += 1
                self.reopen(giver, round(minutes * 0.25), now, lambda done: self._offer(handoff, giver, minutes, done, then))
            else:
                handoff["accepted_at"] = utc(now)
                then(now, handoff)

        self.at(answered, answer)

    def _log_time(self, task: Row, person: str, begun: datetime, ended: datetime) -> None:
        minutes = int((ended - begun).total_seconds()) // 60
        # One paid hour in nine goes into coordination: it is logged on the task, but produces nothing.
        idle = minutes // 9 // 15 * 15
        for part, productive in ((minutes - idle, True), (idle, False)):
            if part:
                self.world.time_entry.append(
                    {
                        "id": f"TME-{len(self.world.time_entry) + 1:06d}",
                        "resource_id": person,
                        "task_id": task["id"],
                        "campaign_id": task["campaign_id"],
                        "day": begun.date(),
                        "hours": Decimal(part) / 60,
                        "productive": productive,
                    }
                )


def quarter_hours(minutes: float) -> Decimal:
    """Minutes as hours, rounded to a quarter, at least one."""
    return Decimal(max(1, round(minutes / 15))) / 4


def _quarter(moment: datetime) -> datetime:
    """The next quarter of an hour: people write their time down in quarters."""
    past = moment.minute % 15
    return moment + timedelta(minutes=15 - past) if past else moment


def _touch(row: Row, moment: datetime, *, status: str) -> None:
    row["status"] = status
    row["updated_at"] = utc(moment)


def minutes_later(moment: datetime, minutes: int) -> datetime:
    """Calendar minutes later, for what machines do."""
    return moment + timedelta(minutes=minutes)
