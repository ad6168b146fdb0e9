"""Gateways of any diagram become steps that go the same ways: both are walked with the same answers, a token at a time."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from accord.mapfile.bpmn import BpmnProblems, import_bpmn

QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
MOST_MOVES = 200
HEAD = '<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL"><process id="p">'


@dataclass
class Drawn:
    """A diagram: elements by id, and flows in order, with the fact that opens them."""

    nodes: dict[str, str]
    flows: list[tuple[str, str, str]]

    def text(self) -> str:
        """As a file."""
        defaults = {
            source: f"f{n}" for n, (source, _, fact) in enumerate(self.flows) if self.nodes[source] == "exclusiveGateway" and not fact
        }
        lines = [
            f'<{kind} id="{name}"' + (f' default="{defaults[name]}"' if name in defaults else "") + "/>"
            for name, kind in self.nodes.items()
        ]
        for n, (source, target, fact) in enumerate(self.flows):
            condition = f"<conditionExpression>{fact}</conditionExpression>" if fact else ""
            lines.append(f'<sequenceFlow id="f{n}" sourceRef="{source}" targetRef="{target}">{condition}</sequenceFlow>')
        return f"{HEAD}{chr(10).join(lines)}</process></definitions>"


class Endless(Exception):
    """Tokens that move on without anybody doing anything."""


@dataclass
class Walk:
    """Tokens on the flows of a diagram, by the rules of BPMN 2.0 (13.3): nothing of the import is used."""

    drawn: Drawn
    facts: dict[str, bool]
    open: Counter[str] = field(default_factory=Counter)
    waiting: Counter[int] = field(default_factory=Counter)
    moves: int = 0

    def leave(self, node: str) -> None:
        """A token on every way out, or on the one a gateway chooses."""
        self.moves += 1
        if self.moves > MOST_MOVES:
            raise Endless
        out = [(n, target, fact) for n, (source, target, fact) in enumerate(self.drawn.flows) if source == node]
        if self.drawn.nodes[node] == "exclusiveGateway":
            out = [next((way for way in out if way[2] and self.facts[way[2]]), next(way for way in out if not way[2]))]
        for n, target, _ in out:
            self.arrive(n, target)

    def arrive(self, flow: int, node: str) -> None:
        """A token reaches a node."""
        kind = self.drawn.nodes[node]
        if kind == "task":
            self.open[node] += 1
        elif kind == "exclusiveGateway":
            self.leave(node)
        elif kind == "parallelGateway":
            self.waiting[flow] += 1
            into = [n for n, (_, target, _) in enumerate(self.drawn.flows) if target == node]
            if all(self.waiting[n] for n in into):
                self.waiting.subtract(into)
                self.leave(node)


@st.composite
def diagrams(draw: Any) -> Drawn:
    """Tasks and gateways with flows between any of them."""
    kinds = draw(st.lists(st.sampled_from(["task", "task", "exclusiveGateway", "parallelGateway"]), min_size=1, max_size=8))
    nodes = {"s": "startEvent", **{f"{kind[0]}{n}": kind for n, kind in enumerate(kinds)}, "t": "task", "e": "endEvent"}
    inner = [name for name in nodes if name not in ("s", "e")]
    pairs: list[tuple[str, str]] = [("s", draw(st.sampled_from(inner)))]
    for position, name in enumerate(inner):
        ahead = [*inner[position + 1 :], "e"]
        anywhere = st.sampled_from(ahead) if draw(st.integers(0, 3)) else st.sampled_from([*inner, "e"])
        pairs += [
            (name, target) for target in draw(st.lists(anywhere, min_size=1, max_size=2 if nodes[name] == "task" else 3, unique=True))
        ]
    for position, name in enumerate(inner):
        if all(target != name for _, target in pairs):
            pairs.append((draw(st.sampled_from(["s", *inner[:position]])), name))
    flows = []
    for n, (source, target) in enumerate(pairs):
        later = any(other == source for other, _ in pairs[n + 1 :])
        flows.append((source, target, f"{source}_{n}" if nodes[source] == "exclusiveGateway" and later else ""))
    return Drawn(nodes, flows)


def walk_both(data: Any, token_game: Any) -> None:
    drawn = data.draw(diagrams())
    try:
        process = import_bpmn(drawn.text()).processes["p"]
    except BpmnProblems as refused:
        event(f"refused: {refused.problems[0].message.split(chr(39))[-1]}")
        return
    names = [fact for _, _, fact in drawn.flows if fact]

    def answers() -> dict[str, bool]:
        return {name: data.draw(st.booleans()) for name in names}

    facts = answers()
    walk = Walk(drawn, facts)
    try:
        walk.leave("s")
        game = token_game.play(process, lambda sql: facts[sql])
        for _ in range(15):
            assert game.open() == +walk.open
            if not game.open():
                left = any(walk.waiting.values())
                assert game.status == ("stuck" if left else "completed")
                event("ended")
                return
            chosen = data.draw(st.sampled_from(sorted(game.open())))
            facts.update(answers())
            walk.moves, walk.open[chosen] = 0, walk.open[chosen] - 1
            walk.leave(chosen)
            game.finish(chosen)
    except Endless:
        event("endless")


@settings(max_examples=60, derandomize=True, suppress_health_check=QUIET, deadline=None)
@given(st.data())
def test_steps_go_the_ways_of_the_diagram(token_game: Any, data: Any) -> None:
    """A gateway folded wrongly begins work too early, twice or never."""
    walk_both(data, token_game)


@pytest.mark.prove
@settings(max_examples=6000, suppress_health_check=QUIET, deadline=None)
@given(st.data())
def test_steps_go_the_ways_of_the_diagram_for_long(token_game: Any, data: Any) -> None:
    """As above, with thousands."""
    walk_both(data, token_game)
