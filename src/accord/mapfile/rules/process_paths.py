"""Every step of a process can be reached, and whatever is decided on the way, every path comes to an end."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from accord.mapfile.problems import Problem
from accord.mapfile.rules.facts import Facts
from accord.mapfile.rules.processes import find_circle
from accord.model.process import Process
from accord.model.ways import Way, beginnings, waits_for_all, ways_of

MOST_MARKINGS = 20_000
MOST_AT_ONCE = 3  # of one step or waiting way: enough to tell a join that is fed twice from one that is starved

Marking = tuple[tuple[str, int], ...]  # what is under way: «step», and «step<way» for a way in that waits for the others


def check(facts: Facts) -> Iterator[Problem]:
    """Steps nobody ever comes to, joins that wait for ever, and loops without a way out."""
    for process in facts.map.processes.values():
        names = {
            a for step in process.steps.values() for a in (*step.after, *(r.to for r in step.routes.values() if r.to), step.on_overdue) if a
        }
        if not process.steps or not names <= set(process.steps) or find_circle(process.steps):
            continue  # other rules report steps that do not exist, and those that wait for each other
        path, holder = ("processes", process.name, "steps"), f"process '{process.name}'"
        if not beginnings(process):
            yield facts.problem(path, f"{holder}: no step is the first.", "Expected a step that nothing leads to.")
            continue
        game = play(process)
        if game.starved:
            step, way = game.starved
            what = f"{holder}: step '{step}' waits for ever after {way}: not all of its ways in are gone."
            yield facts.problem((*path, step), what, "Expected join: any, or ways in that are always gone together.")
        elif game.endless:
            yield facts.problem(
                (*path, game.endless),
                f"{holder}: after step '{game.endless}' no path comes to an end.",
                "Give a loop a route that leaves it.",
            )
        for name in (n for n in process.steps if n not in game.begun and not (game.cut or game.starved)):
            what = f"{holder}: step '{name}' is never reached."
            yield facts.problem((*path, name), what, "Correct after:, join: or the routes that lead here.")


@dataclass
class Game:
    """What came of trying every path.

    Args:
        begun: steps that began on some path.
        starved: a step that waits for ever, and the path that leads there.
        endless: a step after which nothing ever ends.
        cut: there were more ways for things to stand than are looked at; then only what was seen is reported.
    """

    begun: set[str] = field(default_factory=set)
    starved: tuple[str, str] | None = None
    endless: str = ""
    cut: bool = False


def play(process: Process) -> Game:
    """Try every order and every decision of a process, data left aside: any step may be skipped that has a ``when``."""
    table, game = _Table(process), Game()
    first: Counter[str] = Counter()
    for step in beginnings(process):
        table.begin(first, step, game)
    start = _frozen(first)
    came: dict[Marking, tuple[Marking, str] | None] = {start: None}
    before: dict[Marking, set[Marking]] = {start: set()}
    ends: list[Marking] = []
    queue = deque([start])
    while queue:
        marking = queue.popleft()
        active = [name for name, _ in marking if "<" not in name]
        if not active:
            ends.append(marking)
            if marking and game.starved is None:
                game.starved = (marking[0][0].partition("<")[0], _told(came, marking))
            continue
        for name in active:
            for label, following in table.moves(Counter(dict(marking)), name, game):
                if any(count > MOST_AT_ONCE for count in following.values()):
                    game.cut = True
                    continue
                after = _frozen(following)
                before.setdefault(after, set()).add(marking)
                if after not in came:
                    if len(came) >= MOST_MARKINGS:
                        game.cut = True
                        continue
                    came[after] = (marking, label)
                    queue.append(after)
    if not game.cut:
        game.endless = _endless(came, before, ends)
    return game


class _Table:
    """The ways of a process, and what moves are possible on them."""

    def __init__(self, process: Process) -> None:
        self.process, self.ways = process, ways_of(process)
        self.into = {name: tuple(w for w in self.ways if w.target == name) for name in process.steps}
        self.out = {name: tuple(w for w in self.ways if w.source == name and not w.route) for name in process.steps}
        self.all_of = {name: waits_for_all(process, name, self.into[name]) for name in process.steps}

    def begin(self, marking: Counter[str], step: str, game: Game) -> None:
        """A step begins."""
        game.begun.add(step)
        marking[step] += 1

    def moves(self, marking: Counter[str], name: str, game: Game) -> Iterator[tuple[str, Counter[str]]]:
        """What may happen to an active step, and what stands then."""
        step = self.process.steps[name]
        plain = self.out[name]
        choices: list[tuple[str, tuple[Way, ...]]] = [(name, plain)] if not step.routes or step.when else []
        choices += [(f"{name} ({r.name})", (*plain, *((Way(name, r.to, r.name),) if r.to else ()))) for r in step.routes.values()]
        for label, ways in choices:
            following = +(marking - Counter([name]))
            for way in ways:
                self._arrive(following, way, game)
            yield label, following
        if step.on_overdue:
            following = +(marking - Counter([name]))
            self.begin(following, step.on_overdue, game)
            yield f"{name} (too late)", following

    def _arrive(self, marking: Counter[str], way: Way, game: Game) -> None:
        if not self.all_of[way.target]:
            self.begin(marking, way.target, game)
            return
        marking[f"{way.target}<{way.name}"] += 1
        needed = [f"{way.target}<{other.name}" for other in self.into[way.target]]
        if all(marking[place] for place in needed):
            marking.subtract(needed)
            self.begin(marking, way.target, game)
        for place in [p for p, count in marking.items() if count <= 0]:
            del marking[place]


def _endless(came: dict[Marking, tuple[Marking, str] | None], before: dict[Marking, set[Marking]], ends: list[Marking]) -> str:
    """A step under way where no end can be reached any more; empty when there is none."""
    good, queue = set(ends), deque(ends)
    while queue:
        for earlier in before.get(queue.popleft(), ()):
            if earlier not in good:
                good.add(earlier)
                queue.append(earlier)
    lost = next((marking for marking in came if marking not in good), None)
    return next(name for name, _ in lost if "<" not in name) if lost else ""


def _told(came: dict[Marking, tuple[Marking, str] | None], marking: Marking) -> str:
    """The shortest path to a marking, in words."""
    labels: list[str] = []
    step = came[marking]
    while step is not None:
        marking, label = step
        labels.append(label)
        step = came[marking]
    return " → ".join(reversed(labels)) or "the start"


def _frozen(marking: Counter[str]) -> Marking:
    return tuple(sorted((name, count) for name, count in marking.items() if count))
