"""From a diagram to the steps of a map: gateways become ``after``, ``join`` and ``routes`` where that says the same.

A step of a map waits for its ways in itself, so most gateways vanish. One that cannot (a join with a fork behind it, a join of joins, a
first step that is come back to) stays as a step that only passes on: a decision with one open route. The result has the same paths.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Literal

from accord.mapfile.bpmn.graph import PASS, Flow, Graph, Node, passing, slug, unique
from accord.mapfile.problems import Problem
from accord.model.errors import Place
from accord.model.process import Route, Step

MAX_NODES = 1000
_MAX_SOURCES = 2000
_MAX_DEEP = 150


@dataclass(frozen=True, slots=True)
class Source:
    """Where a token on a flow may come from."""

    kind: Literal["step", "start", "late", "join"]
    node: str
    route: str | None = None


class Refused(Exception):
    """A diagram that a map cannot say; ``problem`` tells which part of it."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(str(problem))


def fold(graph: Graph, shown: str) -> dict[str, Step]:
    """The steps of a diagram, by name; nodes that stay as steps get one in the graph.

    Args:
        graph: with the step of each task.
        shown: the file, for places.

    Raises:
        Refused: it says what a map cannot.
    """
    _one_start(graph, shown)
    _whole(graph, shown)
    _decide(graph, shown)
    while True:
        folding = _Folding(graph, shown)
        stays = folding.stays()
        if stays is None:
            return folding.steps()
        _keep(graph, graph.nodes[stays])


def _whole(graph: Graph, shown: str) -> None:
    """Every node has the ways it needs."""
    if len(graph.nodes) > MAX_NODES:
        raise Refused(Problem(Place(shown), f"the process has more than {MAX_NODES} elements.", "Split it with call activities."))
    led, gone = Counter(flow.target for flow in graph.flows), Counter(flow.source for flow in graph.flows)
    begins = any(node.kind == "start" for node in graph.nodes.values())
    for node in graph.nodes.values():
        place = Place(shown, node.line)
        if node.kind not in ("start", "late") and not led[node.id] and (begins or node.step is None):
            raise Refused(Problem(place, f"nothing leads to '{node.label or node.id}'.", "Expected a sequence flow that ends there."))
        if node.kind in ("start", "late", "all", "one") and not gone[node.id]:
            raise Refused(Problem(place, f"nothing follows '{node.label or node.id}'.", "Expected a sequence flow that begins there."))


def _one_start(graph: Graph, shown: str) -> None:
    """Several start events are one: each begins the same process in the same place."""
    starts = [node for node in graph.nodes.values() if node.kind == "start"]
    if len(starts) < 2:
        return
    first = [_behind(graph, node) for node in starts]
    if len(set(first)) > 1:
        raise Refused(
            Problem(Place(shown, starts[1].line), "several start events lead to different places.", "Lead them to one gateway or task.")
        )
    for node in starts:
        graph.flows = [flow for flow in graph.flows if flow.source != node.id]
    for node in starts[1:]:
        del graph.nodes[node.id]
    graph.flows.append(Flow(f"{starts[0].id}-begin", starts[0].id, first[0]))
    merges = [node for node in graph.nodes.values() if node.kind == "one" and node.step is None and not graph.into(node.id)]
    for merge in merges:  # where only start events met
        graph.flows = [flow for flow in graph.flows if flow.source != merge.id]
        del graph.nodes[merge.id]


def _behind(graph: Graph, start: Node) -> str:
    """The node a start event leads to through merges."""
    seen: set[str] = set()
    node = start.id
    while node == start.id or (graph.nodes[node].kind == "one" and graph.nodes[node].step is None and node not in seen):
        seen.add(node)
        out = graph.out(node)
        if len(out) != 1:
            break
        node = out[0].target
    return node


def _decide(graph: Graph, shown: str) -> None:
    """Exclusive gateways with several ways out are decisions; each has one way that is open when no other is."""
    for node in graph.nodes.values():
        out = graph.out(node.id)
        if node.kind == "one" and node.step is None and len(out) > 1:
            node.kind = "step"
            node.step = Step(unique(slug(node.label, node.id), graph.names()), kind="decision", title=node.label, team=node.team)
            names: set[str] = set()
            for flow in out:
                target = graph.nodes[flow.target]
                flow.route = unique(slug(flow.label or target.label, flow.target), names)
                names.add(flow.route)
        routes = [flow for flow in out if flow.route is not None]
        otherwise = [flow for flow in routes if not flow.when]
        if routes and len(otherwise) != 1:
            place = Place(shown, (otherwise[1] if otherwise else node).line)
            what = "has several ways out without a condition" if otherwise else "has no default way out"
            expected = "Expected a condition on each sequence flow but one, and that one as the gateway's default."
            raise Refused(Problem(place, f"'{node.label or node.id}' {what}.", expected))
        graph.flows.sort(key=lambda flow: flow in otherwise)


def _keep(graph: Graph, node: Node) -> None:
    """A gateway, a start or a timer stays as a step that only passes on."""
    host = graph.nodes[node.host].label if node.host else ""
    label = {"start": "begin", "late": f"{host} late".strip(), "all": "together", "one": "either"}[node.kind]
    node.step = passing(unique(slug(node.label, label), graph.names()), node.team, node.label)


class _Folding:
    """One look at the whole; the graph does not change while it lasts."""

    def __init__(self, graph: Graph, shown: str) -> None:
        self.graph, self.shown, self.nodes = graph, shown, graph.nodes
        self.into: dict[str, list[Flow]] = {name: [] for name in graph.nodes}
        self.out: dict[str, list[Flow]] = {name: [] for name in graph.nodes}
        for flow in graph.flows:
            self.into[flow.target].append(flow)
            self.out[flow.source].append(flow)
        self.order = {name: position for position, name in enumerate(graph.nodes)}
        self.known: dict[int, tuple[Source, ...]] = {}
        self.open: set[int] = set()

    def place(self, node: Node) -> Place:
        return Place(self.shown, node.line)

    def joins(self, node: Node) -> bool:
        return node.step is None and node.kind == "all" and len(self.into[node.id]) > 1

    def sources(self, flow: Flow) -> tuple[Source, ...]:
        """Where a token on a flow comes from: one of these."""
        node = self.nodes[flow.source]
        if node.step is not None:
            return (Source("step", node.id, flow.route),)
        if node.kind == "start" or node.kind == "late":
            return (Source(node.kind, node.id),)
        if self.joins(node):
            return (Source("join", node.id),)
        if id(flow) in self.known:
            return self.known[id(flow)]
        if id(flow) in self.open:
            raise Refused(Problem(self.place(node), "gateways lead to each other without a task between them.", "Remove that circle."))
        if len(self.open) >= _MAX_DEEP:
            raise Refused(Problem(self.place(node), f"more than {_MAX_DEEP} gateways stand behind each other.", "Draw fewer of them."))
        self.open.add(id(flow))
        found = tuple(source for way in self.into[node.id] for source in self.sources(way))
        self.open.discard(id(flow))
        if len(found) > _MAX_SOURCES:
            raise Refused(Problem(self.place(node), f"more than {_MAX_SOURCES} ways lead here.", "Draw fewer gateways after each other."))
        self.known[id(flow)] = found
        return found

    def target(self, flow: Flow) -> Node | None:
        """The one node a flow leads to through merges: a step, an end or a join; ``None`` where it forks."""
        node = self.nodes[flow.target]
        for _ in range(len(self.nodes) + 1):
            if node.step is not None or node.kind == "end" or self.joins(node):
                return node
            if len(self.out[node.id]) != 1:
                return None
            node = self.nodes[self.out[node.id][0].target]
        raise Refused(Problem(self.place(node), "gateways lead to each other without a task between them.", "Remove that circle."))

    def stays(self) -> str | None:
        """The first node without a step that has to stay as one; ``None`` when all the others can vanish."""
        for node in self.nodes.values():
            found: str | None = None
            if node.step is not None and node.kind == "all" and len(self.into[node.id]) > 1:
                found = self._clean(node)
            elif node.step is not None:
                found = self._step(node)
            elif self.joins(node):
                found = self._join(node)
            elif node.kind == "late":
                found = self._late(node)
            if found is not None:
                return found
        return None

    def _late(self, node: Node) -> str | None:
        flow = self.out[node.id]
        target = self.target(flow[0]) if len(flow) == 1 else None
        if not node.ends_host:
            if target is None or target.kind != "end":
                raise Refused(
                    Problem(
                        self.place(node),
                        f"the timer '{node.label or node.id}' starts something beside the task it stands on.",
                        "Expected a timer that ends the task, or one that leads to an end event: then somebody is told.",
                    )
                )
            return None
        return node.id if target is None or target.step is None else None

    def _step(self, node: Node) -> str | None:
        came = [source for flow in self.into[node.id] for source in self.sources(flow) if source.kind != "late"]
        starts = [source for source in came if source.kind == "start"]
        if starts and len(starts) < len(came):
            return starts[0].node
        for source, count in Counter(came).items():
            if count > 1:
                what = f"two sequence flows lead from '{self._called(source.node)}' to '{node.label or node.id}' at once."
                raise Refused(Problem(self.place(node), what, "Put a task or a joining gateway between them."))
        joins = [source for source in came if source.kind == "join"]
        if joins and len(came) > 1:
            return joins[0].node
        for flow in self.out[node.id]:
            if flow.route is not None and self.target(flow) is None:
                return self._fork(flow)
        return None

    def _join(self, node: Node) -> str | None:
        out = self.out[node.id]
        target = self.target(out[0]) if len(out) == 1 else None
        if target is None or target.step is None:
            return node.id
        return self._clean(node)

    def _clean(self, node: Node) -> str | None:
        """A join needs exactly one step behind each of its ways in."""
        for flow in self.into[node.id]:
            came = self.sources(flow)
            if len(came) != 1:
                return self._merge(flow)
            if came[0].kind != "step":
                return came[0].node
        return None

    def _fork(self, flow: Flow) -> str:
        """The first fork behind a flow."""
        node = self.nodes[flow.target]
        while len(self.out[node.id]) == 1:
            node = self.nodes[self.out[node.id][0].target]
        return node.id

    def _merge(self, flow: Flow) -> str:
        """The nearest merge before a flow."""
        node = self.nodes[flow.source]
        while len(self.into[node.id]) == 1:
            node = self.nodes[self.into[node.id][0].source]
        return node.id

    def _called(self, node: str) -> str:
        return self.nodes[node].label or node

    def steps(self) -> dict[str, Step]:
        """The steps, when all gateways left can vanish."""
        return {node.step.name: self._made(node, node.step) for node in self.nodes.values() if node.step is not None}

    def _named(self, node: str) -> str:
        step = self.nodes[node].step
        assert step is not None
        return step.name

    def _made(self, node: Node, step: Step) -> Step:
        came = [source for flow in self.into[node.id] for source in self.sources(flow)]
        joined = [source for source in came if source.kind == "join"]
        if joined:
            came = [source for flow in self.into[joined[0].node] for source in self.sources(flow)]
        every = bool(joined) or (node.kind == "all" and len(self.into[node.id]) > 1)
        ways = sorted({source for source in came if source.kind == "step"}, key=lambda way: (self.order[way.node], way.route or ""))
        usual = len(ways) > 1 and not any(source.route is not None for source in ways)
        join: Literal["", "all", "any"] = "" if len(ways) < 2 or every == usual else "all" if every else "any"
        made = replace(step, after=tuple(self._named(way.node) for way in ways if way.route is None), join=join)
        routes = {flow.route: self._route(step, flow) for flow in self.out[node.id] if flow.route is not None}
        made = replace(made, routes=routes) if routes else made
        if made.kind == "decision" and not made.routes:
            made = replace(made, routes={PASS: Route(PASS)})
        for late in (other for other in self.nodes.values() if other.kind == "late" and other.host == node.id):
            made = replace(made, sla=late.after)
            if late.ends_host:
                target = late if late.step is not None else self.target(self.out[late.id][0])
                assert target is not None
                assert target.step is not None
                made = replace(made, on_overdue=target.step.name)
        return made

    def _route(self, step: Step, flow: Flow) -> Route:
        target = self.target(flow)
        assert target is not None
        to = target
        if self.joins(target):  # it vanishes into the one step behind it
            behind = self.target(self.out[target.id][0])
            assert behind is not None
            to = behind
        given = step.routes.get(flow.route or "")
        made = Route(flow.route or "", to=to.step.name if to.step is not None else "", when=flow.when)
        return replace(given, to=made.to, when=made.when) if given is not None else made
