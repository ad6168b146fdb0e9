"""The collaboration network, against counts made by hand over the same handoffs."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accord.lifecycle.coordinate.network import Network, Pair, network, network_of
from accord.measure import Measure

At = Callable[[float], datetime]
TEAMS = ("red", "blue", "green", "gray")


def chain(at: At, case: str, *teams: str, hours: float = 5.0) -> list[dict[str, Any]]:
    """The handoffs of a case that goes from team to team."""
    rows = []
    for i, (giver, taker) in enumerate(itertools.pairwise(teams)):
        rows.append({"case": case, "giver": giver, "taker": taker, "offered": at(i * 100), "accepted": at(i * 100 + hours), "attempts": 1})
    return rows


def test_reciprocity_is_the_share_of_handoffs_between_teams_that_hand_to_each_other(measured: Callable[..., Measure], at: At) -> None:
    """It tells teams that work together from a one-way line."""
    rows = chain(at, "a", "red", "blue", "red") + chain(at, "b", "blue", "green") + chain(at, "c", "blue", "green")

    found = network(measured(handoffs=rows))

    assert found.reciprocity == pytest.approx(2 / 4)


def test_a_handoff_within_one_team_is_no_reciprocity() -> None:
    """Work that stays in a team is not handed back by another."""
    found = network_of([Pair("red", "red", 9, None, None, 0, 0, 0), Pair("red", "blue", 1, None, None, 0, 0, 0)], ping_pong=None)

    assert found.reciprocity == 0.0


def test_ping_pong_counts_only_the_very_next_handoff_of_the_case(measured: Callable[..., Measure], at: At) -> None:
    """A return after other work is no ping-pong."""
    rows = chain(at, "a", "red", "blue", "red") + chain(at, "b", "red", "blue", "green", "red")

    found = network(measured(handoffs=rows))

    assert found.ping_pong == pytest.approx(1 / 5)


def test_silos_are_groups_without_a_handoff_between_them(measured: Callable[..., Measure], at: At) -> None:
    """A cut network is a finding; a path over a third team connects."""
    rows = chain(at, "a", "red", "blue", "green") + chain(at, "b", "gray", "black")

    found = network(measured(handoffs=rows))

    assert sorted(found.silos) == [("black", "gray"), ("blue", "green", "red")]


def test_a_team_is_overloaded_only_above_two_fifths_of_all_handoffs(measured: Callable[..., Measure], at: At) -> None:
    """The border itself is no overload."""
    just = chain(at, "a", "red", "blue") + chain(at, "b", "red", "blue") + chain(at, "c", "blue", "green", "gray", "red")

    found = network(measured(handoffs=just))

    assert found.overloaded == ()
    assert network(measured(handoffs=[*just, *chain(at, "d", "gray", "blue")])).overloaded == ("blue",)


def test_late_and_open_handoffs_are_counted_apart(measured: Callable[..., Measure], at: At) -> None:
    """What is still open has no wait and is not late by itself; a negative wait is not averaged."""
    rows = [
        {"case": "a", "giver": "red", "taker": "blue", "offered": at(0), "accepted": at(3), "sla": 2.0, "attempts": 2},
        {"case": "b", "giver": "red", "taker": "blue", "offered": at(0), "accepted": at(1), "sla": 2.0, "attempts": 1},
        {"case": "c", "giver": "red", "taker": "blue", "offered": at(0), "accepted": None, "sla": 2.0, "attempts": 1},
        {"case": "d", "giver": "red", "taker": "blue", "offered": at(9), "accepted": at(2), "sla": 2.0, "attempts": 1},
    ]

    (pair,) = network(measured(handoffs=rows)).pairs

    assert (pair.n, pair.late, pair.open, pair.returned) == (4, 1, 1, 1)
    assert (pair.median_hours, pair.hours) == (2.0, 4.0)


@given(st.lists(st.tuples(st.sampled_from(TEAMS), st.sampled_from(TEAMS), st.integers(1, 20)), min_size=1, max_size=12))
def test_the_network_adds_up(handoffs: list[tuple[str, str, int]]) -> None:
    """Given equals received equals all; shares are shares; every team is in exactly one group."""
    pairs = Counter[tuple[str, str]]()
    for giver, taker, n in handoffs:
        pairs[giver, taker] += n

    found: Network = network_of([Pair(g, t, n, None, None, 0, 0, 0) for (g, t), n in pairs.items()], ping_pong=None)

    total = sum(pairs.values())
    assert sum(t.given for t in found.teams) == sum(t.received for t in found.teams) == total
    assert sorted(name for group in found.silos for name in group) == sorted({t for pair in pairs for t in pair})
    mutual = sum(n for (g, t), n in pairs.items() if g != t and (t, g) in pairs)
    between = sum(n for (g, t), n in pairs.items() if g != t)
    assert found.reciprocity == (mutual / between if between else None)
