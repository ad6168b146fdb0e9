"""What is found in processes before anything runs: against a token game written down a second time, in its plainest form."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accord.mapfile import lint
from accord.mapfile.rules.process_paths import play
from accord.model.process import Process, Route, Step


def problems(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "map.yaml"
    path.write_text("name: t\nteams: {a: {owner: Ann}, b: {owner: Ben}}\n" + text)
    return [p.message for p in lint(path)]


LOOP = "{x: {team: a}, y: {team: a, join: any, after: [x]}, d: {kind: decision, after: [y], routes: {again: {to: y}}}}"
CHOICE = "d: {kind: decision, routes: {l: {to: x, when: n > 1}, r: {to: y}}}, x: {team: a}, y: {team: b}"


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ("{x: {}}", "nobody is named who does it"),
        ("{x: {team: a, sla: 1h, on_overdue: y}, y: {team: b}}", ""),
        ("{x: {team: a, on_overdue: y}, y: {team: b}}", "without sla its time is never over"),
        (LOOP, "no path comes to an end"),
        (f"{{{CHOICE}, z: {{team: a, after: [x, y]}}}}", "'z' waits for ever"),
        (f"{{{CHOICE}, z: {{team: a, join: any, after: [x, y]}}}}", ""),
        ("{x: {team: a}, d: {kind: decision, after: [x], routes: {on: {}}}, z: {team: a, join: all, after: [x, d]}}", ""),
        ("{x: {team: a, when: 'n > 1 AND'}}", "x"),
        ("{x: {kind: subprocess, process: p}}", "runs itself without end"),
        ("{x: {kind: subprocess, process: p, when: n > 1}}", ""),
    ],
)
def test_a_process_that_cannot_end_well_is_found_before_it_runs(tmp_path: Path, steps: str, said: str) -> None:
    """The person who draws it learns it, not the one who waits in it."""
    found = problems(tmp_path, f"processes: {{p: {{steps: {steps}}}}}")

    assert (found == []) if not said else (len(found) == 1 and said in found[0]), found


@st.composite
def processes(draw: Any) -> Process:
    """Small processes of every shape: splits, joins of both kinds, decisions that go on or back."""
    count = draw(st.integers(2, 6))
    names = [f"s{n}" for n in range(count)]
    steps = {}
    for position, name in enumerate(names):
        after = tuple(draw(st.sets(st.sampled_from(names[:position]), max_size=2))) if position else ()
        routes = {}
        if draw(st.integers(0, 2)) == 0:
            targets = draw(st.lists(st.sampled_from([*names, ""]), min_size=1, max_size=2))
            routes = {f"r{n}": Route(f"r{n}", to=to) for n, to in enumerate(targets) if to != name}
        join = draw(st.sampled_from(["", "all", "any"]))
        kind = "decision" if routes else "human"
        steps[name] = Step(name, kind=kind, after=tuple(sorted(after)), routes=routes, join=join)  # type: ignore[arg-type]
    return Process("p", steps=steps)


def oracle(process: Process) -> tuple[set[str], bool, bool] | None:
    """Steps that begin, whether a join starves, whether an end is always in reach; None where more is under way than is looked at."""
    into: dict[str, list[tuple[str, str]]] = {name: [] for name in process.steps}
    for step in process.steps.values():
        for before in step.after:
            into[step.name].append((before, ""))
    for step in process.steps.values():
        for route in step.routes.values():
            if route.to:
                into[route.to].append((step.name, route.name))

    def joins(name: str) -> bool:
        join = process.steps[name].join
        return join == "all" if join else len(into[name]) > 1 and not any(route for _, route in into[name])

    def arrive(state: dict[Any, int], source: str, route: str, target: str) -> None:
        if not joins(target):
            state[target] = state.get(target, 0) + 1
            return
        state[target, source, route] = state.get((target, source, route), 0) + 1
        if all(state.get((target, s, r), 0) for s, r in into[target]):
            for s, r in into[target]:
                state[target, s, r] -= 1
            state[target] = state.get(target, 0) + 1

    start = {name: 1 for name in process.steps if not into[name]}
    if not start:
        return None

    def key(state: dict[Any, int]) -> Any:
        return frozenset((k, v) for k, v in state.items() if v)

    seen = {key(start): start}
    follows: dict[Any, set[Any]] = {}
    todo = [key(start)]
    while todo:
        here = todo.pop()
        state = seen[here]
        follows[here] = set()
        for name in [k for k, v in state.items() if isinstance(k, str) and v]:
            options = list(process.steps[name].routes.values()) or [None]
            for option in options:
                after = dict(state)
                after[name] -= 1
                for target in process.steps.values():
                    if name in target.after:
                        arrive(after, name, "", target.name)
                if option is not None and option.to:
                    arrive(after, name, option.name, option.to)
                if any(v > 3 for v in after.values()) or len(seen) > 4000:
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
    return begun, any(any(v for v in seen[k].values()) for k in ends), len(good) < len(seen)


@settings(max_examples=250, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(processes())
def test_every_path_is_tried_as_the_oracle_tries_it(process: Process) -> None:
    """Unreachable steps, starved joins and loops without a way out: found exactly where the oracle finds them."""
    expected = oracle(process)
    if expected is None:
        return
    game = play(process)

    assert not game.cut
    assert (game.begun, game.starved is not None, bool(game.endless)) == expected


def test_many_steps_side_by_side_do_not_take_for_ever() -> None:
    """Twelve parallel steps stand in thousands of orders; the look is cut off and says nothing it has not seen."""
    names = [f"s{n}" for n in range(14)]
    steps = {"a": Step("a"), **{n: Step(n, after=("a",)) for n in names}, "z": Step("z", after=tuple(names))}

    game = play(Process("p", steps=steps))

    assert set(itertools.chain(["a"], names)) <= game.begun
    assert game.starved is None
