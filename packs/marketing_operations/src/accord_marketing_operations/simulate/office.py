"""The office: a clock that jumps from one moment something happens to the next, and people who look into their team's inbox."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Final, Protocol

from accord.model.integration_map import IntegrationMap
from accord.model.process import Gate
from accord.model.values import Duration
from accord.model.working_time import due
from accord.store import Store
from accord.work import Task, Work, open_work
from accord.work.action import Context, Function
from accord.work.runner import carry_out
from accord_marketing_operations.simulate.habits import Habits

_REASONS: Final = ("wrong format", "unclear")  # what a form or gate finds is found before the offer
_WITH_FILE: Final = ("hand_in", "review", "approve", "publish")  # its format was looked at when it was handed in
_CALENDAR: Final = "office"
_RESTARTS: Final = 3  # what does not work then waits for somebody who knows more
_LONGEST_DAYS: Final = 200  # by then every instance has ended, or something waits for ever


class Desk(Protocol):
    """What the people know: how long something takes, what they fill in, and what follows from what was done."""

    def minutes(self, task: Task) -> int:
        """Working minutes a task takes."""
        ...

    def answer(self, task: Task) -> dict[str, object]:
        """What is filled in to finish it."""
        ...

    def done(self, task: Task) -> None:
        """A step or action was finished."""
        ...


@dataclass(slots=True)
class Person:
    """Somebody of a team; an owner only looks after what is overdue."""

    name: str
    team: str
    owner: bool = False
    doing: str = ""
    away_until: datetime | None = None


@dataclass
class Office:
    """The people of the map's teams at work.

    Args:
        map: the map.
        store: where work is kept.
        start: the first moment; aware.
        random: decides what people do.
        habits: what is assumed of them.
        people: name and team of everybody.
        functions: what auto steps call.
    """

    map: IntegrationMap
    store: Store
    start: datetime
    random: Random
    habits: Habits
    people: list[Person]
    functions: dict[str, Function]
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.now = self.start
        self.work: Work = open_work(self.map, self.store, clock=lambda: self.now)
        self.desk: Desk
        self._context = Context(functions=self.functions)
        self._queue: list[tuple[datetime, int, Callable[[], None]]] = []
        self._number, self._ahead = 0, 0
        self._sent_back: Counter[str] = Counter()
        self._restarts: Counter[str] = Counter()
        self._seen: dict[tuple[str, ...], tuple[int, list[Task]]] = {}

    def at(self, moment: datetime, then: Callable[[], None]) -> None:
        """Let something happen that the story waits for."""
        self._ahead += 1

        def happen() -> None:
            self._ahead -= 1
            then()

        self._at(moment, happen)

    def later(self, minutes: float) -> datetime:
        """The moment so many working minutes are over."""
        return due(self.now, Duration(round(minutes * 60)), self.map.calendars[_CALENDAR])

    def run(self) -> None:
        """Until the story is told and nothing is left to do."""
        for person in self.people:
            self._at(self.later(self.random.uniform(0, 60)), lambda who=person: self._look(who))  # type: ignore[misc]
        self._at(self.later(1), self._morning)
        last = self.start + timedelta(days=_LONGEST_DAYS)
        while self._queue and self._queue[0][0] < last:
            self.now, _, then = heapq.heappop(self._queue)
            then()
            self._carry_out()

    def command(self, name: str) -> Work:
        """The public functions, each call counted by name."""
        self.counts[name] += 1
        return self.work

    def left(self, task: Task) -> float:
        """Share of the reasons for sending work back that no form or gate has looked at before this offer.

        Where the map's gate before the review looks at the format of a file, nobody finds a wrong one behind it.
        """
        checked = any("format" in gate.checks for gate in self._gates_before(task)) and task.step in _WITH_FILE
        return self.habits.left_after_format_check if checked else self.habits.left_after_checks

    def _gates_before(self, task: Task) -> list[Gate]:
        names = {step.accept_gate for step in self.map.processes[task.process].steps.values()}
        return [self.map.gates[name] for name in sorted(names) if name in self.map.gates]

    def _at(self, moment: datetime, then: Callable[[], None]) -> None:
        self._number += 1
        heapq.heappush(self._queue, (max(moment, self.now), self._number, then))

    def _carry_out(self) -> None:
        """What a worker does: fire what is due, run what is queued."""
        while True:
            fired = self.work.fire()
            queued = self.work.queued()
            if not fired and not queued:
                return
            self.counts["fire"] += fired
            for task in queued:
                self.counts["action"] += 1
                carry_out(self.work, task, self._context)
                self._after_action(self.work.task(task.task))

    def _after_action(self, task: Task) -> None:
        if task.state == "completed":
            self.desk.done(task)
        elif task.state == "dead":
            by = next(p.name for p in self.people if p.team == task.team)
            self.at(self.later(30), lambda: self._restart(task.task, by))

    def _restart(self, task: str, by: str) -> None:
        self._restarts[task] += 1
        if self.work.task(task).state == "dead" and self._restarts[task] <= _RESTARTS:
            self.command("restart").restart(task, by=by)

    def _morning(self) -> None:
        """Who falls ill today; when nothing is left to do, nobody comes any more."""
        states = ("offered", "ready", "started", "queued", "waiting", "returned", "dead")
        if not self._ahead and not self.work.tasks(states=states):
            self._queue.clear()
            return
        for person in self.people:
            if person.away_until and person.away_until <= self.now:
                person.away_until = None
            if not person.owner and person.away_until is None and self.random.random() < self.habits.absent:
                self._fall_ill(person)
        self._at(self.later(8 * 60), self._morning)

    def _fall_ill(self, person: Person) -> None:
        """Whoever answers for the team gives the absent one's work to somebody else of it."""
        others = [p for p in self.people if p.team == person.team and p is not person and not p.owner and p.away_until is None]
        if not others:
            return
        person.away_until, person.doing = self.now + timedelta(days=self.random.randrange(2, 6)), ""
        owner = self.map.teams[person.team].owner
        for task in self.work.tasks(person=person.name):
            self.command("delegate").delegate(task.task, by=owner, to=self.random.choice(others).name)

    def _look(self, person: Person) -> None:
        self._at(self.later(self.random.uniform(*self.habits.looks_after_minutes)), lambda: self._look(person))
        if person.away_until is None or person.away_until <= self.now:
            self._see(person)

    def _see(self, person: Person) -> None:
        for task in self._open(person.team, "offered"):
            if task.assignee in ("", person.name) and (not person.owner or task.escalated_at is not None):
                self._take_on(person, task)
        if not person.owner and not person.doing:
            self._begin(person)

    def _open(self, team: str, *states: str) -> list[Task]:
        """A team's tasks; most looks into an inbox find it as it was, so it is read again only when something was done since."""
        done = self.counts.total()
        if self._seen.get((team, *states), (-1,))[0] != done:
            self._seen[team, *states] = (done, self.work.tasks(team=team, states=states))
        return self._seen[team, *states][1]

    def _take_on(self, person: Person, task: Task) -> None:
        giver = self.work.task(task.from_task)
        share = self.habits.rejected * self.left(task) / (1 + self._sent_back[task.task])
        if giver.kind in ("human", "decision") and self.random.random() < share:
            self._sent_back[task.task] += 1
            found = _REASONS if self.left(task) == self.habits.left_after_checks else ("unclear",)
            self.command("reject").reject(task.task, by=person.name, reason=self.random.choice(found))
        else:
            self.command("accept").accept(task.task, by=person.name)

    def _begin(self, person: Person) -> None:
        mine = [t for t in self._open(person.team, "ready", "started") if t.assignee in ("", person.name)]
        task = next((t for t in mine if t.state == "ready" or t.assignee == person.name), None)
        if task is None:
            return
        if task.state == "ready":
            self.command("claim").claim(task.task, by=person.name)
        person.doing = task.task
        minutes = self.desk.minutes(task) * (1.0 if task.attempt == 1 else 0.25)
        self._at(self.later(minutes), lambda: self._finish(person, task.task))

    def _finish(self, person: Person, name: str) -> None:
        if person.doing != name:
            return  # fell ill meanwhile; somebody else has it now
        if not self.work.task(name).open:  # called off under the person's hands
            person.doing = ""
            self._see(person)
            return
        task = self.command("complete").complete(name, by=person.name, answer=self.desk.answer(self.work.task(name)))
        if task.state != "completed":
            self.counts["refused by a gate"] += 1
            self._at(self.later(max(5, self.desk.minutes(task) * 0.25)), lambda: self._finish(person, name))
            return
        person.doing = ""
        self.desk.done(task)
        self._see(person)
