"""The rules by which work moves through a process, written down a second time in their plainest form; shares no code with the engine.

A state is a counter: ``step`` for one under way, ``(step, source, route)`` for a way in that waits for the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from accord.model.process import Process, Route, Step
from accord.model.values import Duration

MOST_STATES = 4000
MOST_AT_ONCE = 3
MOST_TIMES = 5
State = Counter[Any]


class Rules:
    """What leads where."""

    def __init__(self, process: Process) -> None:
        self.steps = process.steps
        self.into: dict[str, list[tuple[str, str]]] = {name: [] for name in self.steps}
        for step in self.steps.values():
            for before in step.after:
                self.into[step.name].append((before, ""))
        for step in self.steps.values():
            for route in step.routes.values():
                if route.to:
                    self.into[route.to].append((step.name, route.name))
        late = {step.on_overdue for step in self.steps.values()}
        self.first = [name for name in self.steps if not self.into[name] and name not in late]

    def joins(self, name: str) -> bool:
        """Whether a step waits for all of its ways in."""
        join = self.steps[name].join
        return join == "all" if join else len(self.into[name]) > 1 and not any(route for _, route in self.into[name])

    def leave(self, state: State, name: str, route: str) -> list[str]:
        """Go on from a step, also by one of its routes; returns the steps that begin."""
        ways = [(target.name, "") for target in self.steps.values() if name in target.after]
        if route and self.steps[name].routes[route].to:
            ways.append((self.steps[name].routes[route].to, route))
        begun = []
        for target, by in ways:
            if not self.joins(target):
                begun.append(target)
                continue
            state[target, name, by] += 1
            if all(state[target, source, through] for source, through in self.into[target]):
                for source, through in self.into[target]:
                    state[target, source, through] -= 1
                begun.append(target)
        return begun


@dataclass
class Explored:
    """Everything that can happen: steps that begin, whether a join starves, whether an end is always in reach, most tokens in a place."""

    begun: set[str]
    starves: bool
    endless: bool
    most: int


def explore(process: Process) -> Explored | None:
    """Try every order and every route; ``None`` where no step is the first, or more is under way than is looked at."""
    rules = Rules(process)
    start = Counter(rules.first)
    if not start:
        return None

    def key(state: State) -> Any:
        return frozenset((k, v) for k, v in state.items() if v)

    seen, follows, todo = {key(start): start}, {}, [key(start)]
    while todo:
        here = todo.pop()
        state = seen[here]
        follows[here] = set()
        for name in [k for k, v in state.items() if isinstance(k, str) and v]:
            for route in _choices(process.steps[name]):
                after = Counter(state)
                after[name] -= 1
                after.update(rules.leave(after, name, route))
                if any(v > MOST_AT_ONCE for v in after.values()) or len(seen) > MOST_STATES:
                    return None
                follows[here].add(key(after))
                if key(after) not in seen:
                    seen[key(after)] = after
                    todo.append(key(after))
    ends = {k for k, state in seen.items() if not any(isinstance(n, str) and v for n, v in state.items())}
    good, grown = set(ends), True
    while grown:
        more = {k for k, to in follows.items() if k not in good and to & good}
        grown = bool(more)
        good |= more
    begun = {n for state in seen.values() for n, v in state.items() if isinstance(n, str) and v}
    most = max(max(state.values()) for state in seen.values())
    return Explored(begun, any(any(seen[k].values()) for k in ends), len(good) < len(seen), most)


def _choices(step: Step) -> list[str]:
    return [*step.routes, *([""] if step.when or not step.routes else [])]


@dataclass
class Played:
    """One instance, moved by what happens to it: which steps are open, how often each has begun, and how it stands."""

    rules: Rules
    holds: Callable[[str], bool]
    state: State = field(default_factory=Counter)
    times: Counter[str] = field(default_factory=Counter)
    stuck: bool = False

    def begin(self, names: list[str]) -> None:
        """Begin steps; those nobody waits for are over at once."""
        for name in names:
            step = self.rules.steps[name]
            if self.times[name] >= step.max_times:
                self.stuck = True
                continue
            self.times[name] += 1
            if step.when and not self.holds(step.when):
                self.begin(self.rules.leave(self.state, name, ""))
            elif step.kind == "decision" and not step.form:
                self.begin(self.rules.leave(self.state, name, self.route(step)))
            else:
                self.state[name] += 1

    def route(self, step: Step) -> str:
        """The route that is open first."""
        return next((route.name for route in step.routes.values() if not route.when or self.holds(route.when)), "")

    def open(self) -> Counter[str]:
        """Steps somebody or something has to end."""
        return Counter({name: count for name, count in self.state.items() if isinstance(name, str) and count})

    def finish(self, name: str) -> None:
        """One of a step's tasks is done."""
        self.state[name] -= 1
        self.begin(self.rules.leave(self.state, name, self.route(self.rules.steps[name])))

    def late(self) -> None:
        """Everything people have open has been so for too long; what begins instead has its own time."""
        for name, count in self.open().items():
            step = self.rules.steps[name]
            if step.on_overdue:
                self.state[name] -= count
                self.begin([step.on_overdue] * count)

    @property
    def status(self) -> str:
        """As the engine calls it."""
        if not self.stuck and not self.open():
            return "stuck" if any(self.state.values()) else "completed"
        return "stuck" if self.stuck else "running"


def play(process: Process, holds: Callable[[str], bool]) -> Played:
    """Begin an instance."""
    played = Played(Rules(process), holds)
    played.begin(played.rules.first)
    return played


@st.composite
def processes(draw: Any, *, kinds: tuple[str, ...] = ("human",), skips: bool = False, late: bool = False) -> Process:
    """Small processes of every shape: splits, joins of both kinds, decisions that go on or back, asked of people or of data.

    Args:
        draw: hypothesis'.
        kinds: of steps that are no decisions.
        skips: some steps have ``when``.
        late: some steps have ``on_overdue``.
    """
    names = [f"s{n}" for n in range(draw(st.integers(2, 6)))]
    steps = {}
    for position, name in enumerate(names):
        after = tuple(sorted(draw(st.sets(st.sampled_from(names[:position]), max_size=2)))) if position else ()
        given: dict[str, Any] = {"kind": draw(st.sampled_from(kinds))}
        if draw(st.integers(0, 2)) == 0:
            targets = [to for to in draw(st.lists(st.sampled_from([*names, ""]), min_size=1, max_size=3)) if to != name]
            ways = [Route(f"r{n}", to=to, when=f"v{position}{n}" if n < len(targets) - 1 else "") for n, to in enumerate(targets)]
            given = {"kind": "decision", "routes": {route.name: route for route in ways}} if ways else given
        if skips and draw(st.integers(0, 4)) == 0:
            given["when"] = f"w{position}"
        if late and given["kind"] == "human" and draw(st.integers(0, 3)) == 0:
            given |= {"sla": Duration(3600), "on_overdue": draw(st.sampled_from(names))}
        steps[name] = Step(name, after=after, join=draw(st.sampled_from(["", "all", "any"])), max_times=MOST_TIMES, **_filled(name, given))
    return Process("p", steps=steps)


def _filled(name: str, given: dict[str, Any]) -> dict[str, Any]:
    """What the kind of a step needs besides."""
    needs = {"auto": {"action": "do"}, "wait": {"message": f"m-{name}"}}
    return {**given, **needs.get(given["kind"], {})}


def variables_of(process: Process) -> Iterator[str]:
    """The variables its conditions ask for."""
    for step in process.steps.values():
        yield from filter(None, (step.when, *(route.when for route in step.routes.values())))
