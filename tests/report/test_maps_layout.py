"""The layout: nothing overlaps, no line runs through a box, checked by geometry of our own on generated graphs of up to 60 nodes."""

from __future__ import annotations

import itertools
import random
import re
import time

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accord.report.maps import Box, Edge, Layout, Node, Route, lay_out
from accord.report.maps.layers import layers, without_cycles
from accord.report.maps.order import Layered, crossings, order

Points = npt.NDArray[np.float64]
SIZES = [1, 2, 3, 4, 5, 6, 8, 10, 12, 13, 15, 18, 20, 24, 28, 33, 38, 45, 52, 60]


def generated(seed: int, count: int, lanes: int) -> tuple[list[Node], list[Edge]]:
    """A graph as maps are: a few hubs, chains, cycles, parallel lines, nodes without any; some lines with a label."""
    pick = random.Random(seed)
    nodes = [Node(f"n{i}", pick.uniform(70, 200), pick.uniform(30, 60), pick.randrange(lanes)) for i in range(count)]
    hubs = [pick.randrange(count) for _ in range(max(1, count // 8))]
    edges = []
    for number in range(int(count * pick.uniform(0.8, 1.9))):
        source = pick.choice(hubs) if pick.random() < 0.3 else pick.randrange(count)
        target = pick.randrange(count) if pick.random() < 0.5 else min(count - 1, source + pick.randint(1, 4))
        label = pick.uniform(20, 110) if pick.random() < 0.7 else 0.0
        edges.append(Edge(f"e{number}", f"n{source}", f"n{target}", label, 17.0 if label else 0.0))
    return nodes, edges


def points(path: str) -> Points:
    """The path as close points, (n, 2): own reading of the SVG text, not of the layout's knots."""
    t = np.linspace(0, 1, 97)[:, None]
    sampled, start = [], np.zeros(2)
    for command, numbers in re.findall(r"([MLC])([^MLC]*)", path):
        given = np.array([float(number) for number in numbers.split()]).reshape(-1, 2)
        if command == "L":
            sampled.append(start + t * (given[0] - start))
        elif command == "C":
            first, second, end = given
            sampled.append((1 - t) ** 3 * start + 3 * t * (1 - t) ** 2 * first + 3 * t * t * (1 - t) * second + t**3 * end)
        start = given[-1]
    return np.concatenate(sampled)


def overlap(a: Box, b: Box) -> bool:
    return a.x < b.x + b.width and b.x < a.x + a.width and a.y < b.y + b.height and b.y < a.y + a.height


def runs_through(line: Points, box: Box, inset: float = 0.6) -> bool:
    low = np.array([box.x + inset, box.y + inset])
    high = np.array([box.x + box.width - inset, box.y + box.height - inset])
    return bool(((line > low) & (line < high)).all(axis=1).any())


def problems(layout: Layout) -> list[str]:
    """Everything that overlaps, in words."""
    boxes = list(layout.boxes.items())
    labels = [(key, route.label) for key, route in layout.routes.items() if route.label]
    lines = [(key, points(route.path())) for key, route in layout.routes.items()]
    found = [f"boxes {a} and {b}" for (a, x), (b, y) in itertools.combinations(boxes, 2) if overlap(x, y)]
    found += [f"labels {a} and {b}" for (a, x), (b, y) in itertools.combinations(labels, 2) if overlap(x, y)]
    found += [f"label {a} on box {b}" for a, x in labels for b, y in boxes if overlap(x, y)]
    found += [f"line {a} through box {b}" for a, line in lines for b, box in boxes if runs_through(line, box)]
    found += [f"line {a} through label {b}" for a, line in lines for b, x in labels if a != b and runs_through(line, x)]
    whole = Box(-0.1, -0.1, layout.width + 0.2, layout.height + 0.2)
    inside = [box for _, box in boxes] + [x for _, x in labels]
    found += [f"{box} outside" for box in inside if box.x < whole.x or box.y < whole.y]
    found += [f"{box} outside" for box in inside if box.x + box.width > layout.width + 0.1 or box.y + box.height > layout.height + 0.1]
    return found


@pytest.mark.parametrize("count", SIZES)
@pytest.mark.parametrize("lanes", [1, 4])
def test_nothing_overlaps_and_no_line_runs_through_a_box(count: int, lanes: int) -> None:
    """A map that must be puzzled out is not read."""
    nodes, edges = generated(count * 7 + lanes, count, lanes)

    layout = lay_out(nodes, edges)

    assert problems(layout) == []
    assert set(layout.boxes) == {node.id for node in nodes}
    assert set(layout.routes) == {edge.id for edge in edges if edge.source != edge.target}


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 25), st.integers(1, 5))
def test_nothing_overlaps_on_any_graph(seed: int, count: int, lanes: int) -> None:
    """The same for graphs nobody thought of."""
    assert problems(lay_out(*generated(seed, count, lanes))) == []


def test_the_geometry_check_finds_what_it_looks_for() -> None:
    """A check that cannot fail would prove nothing."""
    route = Route(((0.0, 0.0), (100.0, 50.0)), Box(40, 20, 20, 10))
    broken = Layout(100, 50, {"a": Box(45, 20, 10, 10), "b": Box(50, 25, 30, 10)}, {"r": route}, ((0, 50),))

    assert {problem.split()[0] for problem in problems(broken)} == {"boxes", "label", "line"}


def test_a_line_starts_and_ends_at_its_boxes() -> None:
    """A line that ends in the air belongs to nothing."""
    nodes, edges = generated(3, 20, 1)
    layout = lay_out(nodes, edges)

    for edge in edges:
        if edge.source == edge.target:
            continue
        route = layout.routes[edge.id]
        for (x, y), name in ((route.knots[0], edge.source), (route.knots[-1], edge.target)):
            box = layout.boxes[name]
            assert min(abs(x - box.x), abs(x - box.x - box.width)) < 0.01
            assert box.y < y < box.y + box.height


def test_boxes_stand_in_their_lane() -> None:
    """A step in another team's lane would tell a falsehood."""
    nodes, edges = generated(5, 30, 5)
    layout = lay_out(nodes, edges)

    for node in nodes:
        top, bottom = layout.lanes[node.lane]
        box = layout.boxes[node.id]
        assert top <= box.y
        assert box.y + box.height <= bottom


def test_lines_read_from_left_to_right_and_only_a_cycle_runs_back() -> None:
    """Reading direction carries meaning; rework is what runs against it."""
    nodes = [Node(name, 80, 40) for name in "abcd"]
    edges = [Edge("ab", "a", "b"), Edge("bc", "b", "c"), Edge("cb", "c", "b"), Edge("cd", "c", "d")]

    layout = lay_out(nodes, edges)

    assert {key for key, route in layout.routes.items() if route.backward} == {"cb"}
    assert [layout.boxes[name].x for name in "abcd"] == sorted(layout.boxes[name].x for name in "abcd")


def test_a_chain_is_drawn_as_a_straight_line() -> None:
    """The common case should look as simple as it is."""
    nodes = [Node(f"n{i}", 90, 40) for i in range(6)]
    layout = lay_out(nodes, [Edge(f"e{i}", f"n{i}", f"n{i + 1}", 30, 17) for i in range(5)])

    assert len({box.center[1] for box in layout.boxes.values()}) == 1
    assert all(len({y for _, y in route.knots}) == 1 for route in layout.routes.values())


def test_the_same_graph_gives_the_same_layout() -> None:
    """Deliverables on unchanged inputs are compared byte by byte."""
    assert lay_out(*generated(11, 40, 3)) == lay_out(*generated(11, 40, 3))


def test_a_box_grows_to_give_each_line_its_own_place() -> None:
    """Twenty lines into one point cannot be told apart."""
    nodes = [Node("hub", 90, 40), *(Node(f"n{i}", 60, 30) for i in range(20))]
    layout = lay_out(nodes, [Edge(f"e{i}", "hub", f"n{i}") for i in range(20)])

    starts = sorted(route.knots[0][1] for route in layout.routes.values())
    assert min(b - a for a, b in itertools.pairwise(starts)) > 10


def test_nothing_and_one_node_are_laid_out() -> None:
    """A first map is small."""
    assert lay_out([], []) == Layout(0.0, 0.0, {}, {}, ())
    assert set(lay_out([Node("a", 80, 40)], [Edge("self", "a", "a")]).boxes) == {"a"}


def test_an_edge_to_a_node_that_is_not_there_is_an_error() -> None:
    """A caller's mistake must not become a missing line."""
    with pytest.raises(KeyError):
        lay_out([Node("a", 80, 40)], [Edge("ab", "a", "b")])


def test_sixty_nodes_are_laid_out_in_a_second() -> None:
    """Pages wait for it."""
    nodes, edges = generated(1, 60, 1)
    started = time.perf_counter()

    lay_out(nodes, edges)

    assert time.perf_counter() - started < 1.5


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)).filter(lambda pair: pair[0] != pair[1]), max_size=40))
def test_turning_the_marked_pairs_leaves_no_cycle(pairs: list[tuple[int, int]]) -> None:
    """Layering rests on it: every pair then leads to a later layer."""
    turned = without_cycles(12, pairs)
    straight = [(b, a) if back else (a, b) for (a, b), back in zip(pairs, turned, strict=True)]

    layer = layers(12, straight)

    assert all(layer[a] < layer[b] for a, b in straight)


def test_a_long_process_does_not_meet_the_limit_of_recursion() -> None:
    """A discovered process can be a chain of thousands."""
    pairs = [(i, i + 1) for i in range(5000)]

    assert layers(5001, pairs)[-1] == 5000
    assert not any(without_cycles(5001, pairs))


def test_ordering_removes_crossings_that_need_not_be() -> None:
    """Two layers joined crosswise come out without a crossing."""
    graph = Layered([0] * 4 + [1] * 4, [0] * 8, [[]] * 4 + [[3], [2], [1], [0]], [[7], [6], [5], [4], [], [], [], []])

    rows = order(graph)

    assert crossings([[0, 1, 2, 3], [4, 5, 6, 7]], graph.after) == 6
    assert crossings(rows, graph.after) == 0
