"""What is found in processes before anything runs: against the token game told a second time."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accord.mapfile import lint
from accord.mapfile.rules.process_paths import play
from accord.model.process import Process, Step


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
        ("{x: {team: a}, y: {team: b, after: [x], accept_gate: g}}", ""),
        ("{x: {team: b}, y: {team: b, after: [x], accept_gate: g}}", "accept_gate is never looked at"),
        (
            "{x: {team: a}, d: {kind: decision, team: a, after: [x], routes: {on: {to: y}}}, y: {team: b, accept_gate: g}}",
            "is never looked at",
        ),
    ],
)
def test_a_process_that_cannot_end_well_is_found_before_it_runs(tmp_path: Path, steps: str, said: str) -> None:
    """The person who draws it learns it, not the one who waits in it."""
    found = problems(tmp_path, f"processes: {{p: {{steps: {steps}}}}}")

    assert (found == []) if not said else (len(found) == 1 and said in found[0]), found


@settings(max_examples=250, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.data())
def test_every_path_is_tried_as_the_oracle_tries_it(token_game: Any, data: Any) -> None:
    """Unreachable steps, starved joins and loops without a way out: found exactly where the oracle finds them."""
    process = data.draw(token_game.processes(skips=True))
    expected = token_game.explore(process)
    if expected is None:
        return
    game = play(process)

    assert not game.cut
    assert (game.begun, game.starved is not None, bool(game.endless)) == (expected.begun, expected.starves, expected.endless)


def test_many_steps_side_by_side_do_not_take_for_ever() -> None:
    """Twelve parallel steps stand in thousands of orders; the look is cut off and says nothing it has not seen."""
    names = [f"s{n}" for n in range(14)]
    steps = {"a": Step("a"), **{n: Step(n, after=("a",)) for n in names}, "z": Step("z", after=tuple(names))}

    game = play(Process("p", steps=steps))

    assert set(itertools.chain(["a"], names)) <= game.begun
    assert game.starved is None
