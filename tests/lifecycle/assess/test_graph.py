"""The small graph code against what its words mean, on generated graphs."""

from __future__ import annotations

from itertools import permutations

from hypothesis import given, settings
from hypothesis import strategies as st

from accord.lifecycle.assess.graph import Graph, articulation_points, components, hops, strong_components

NODES = ("a", "b", "c", "d", "e", "f")
LINKS = st.lists(st.tuples(st.sampled_from(NODES), st.sampled_from(NODES), st.just("flow")), max_size=14)


def _reachable(links: list[tuple[str, str, str]], start: str, without: str = "") -> set[str]:
    """By repeated expansion; shares no code with the graph."""
    found = {start}
    while True:
        more = {b for a, b, _ in links if a in found and without not in (a, b)} - found
        if not more:
            return found
        found |= more


@settings(max_examples=150, deadline=None)
@given(LINKS)
def test_a_cycle_is_a_group_that_reaches_itself(links: list[tuple[str, str, str]]) -> None:
    """A strong component is exactly a set of systems that can send data round."""
    found = strong_components(Graph.of(NODES, links))

    for a, b in permutations(NODES, 2):
        mutual = b in _reachable(links, a) and a in _reachable(links, b)
        assert mutual == any(a in group and b in group for group in found)


@settings(max_examples=150, deadline=None)
@given(LINKS)
def test_a_single_point_of_failure_splits_what_was_joined(links: list[tuple[str, str, str]]) -> None:
    """Losing it, and only it, leaves two systems apart that were joined before."""
    both = links + [(b, a, f) for a, b, f in links]

    found = set(articulation_points(Graph.of(NODES, links)))

    for node in NODES:
        others = [n for n in NODES if n != node]
        splits = any(y in _reachable(both, x) and y not in _reachable(both, x, without=node) for x in others for y in others)
        assert (node in found) == splits


@settings(max_examples=100, deadline=None)
@given(LINKS)
def test_groups_and_hops_agree_with_reachability(links: list[tuple[str, str, str]]) -> None:
    """Each node is in one group, and what is reached has a number of hops."""
    graph = Graph.of(NODES, links)
    both = links + [(b, a, f) for a, b, f in links]

    assert sorted(n for group in components(graph) for n in group) == sorted(NODES)
    for group in components(graph):
        assert set(group) == _reachable(both, group[0])
    assert set(hops(graph, "a")) == _reachable(links, "a")
