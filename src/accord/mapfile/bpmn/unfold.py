"""From a process of the map to a diagram: the gateways that ``after``, ``join``, ``routes`` and ``when`` stand for are drawn."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from accord.mapfile.bpmn.graph import Flow, Graph, Node, NodeKind, identifier, passes, unique
from accord.model.errors import UsageError
from accord.model.process import Process, Route, Step
from accord.model.ways import beginnings, waits_for_all, ways_of


def unfold(process: Process) -> Graph:
    """The diagram of a process.

    Raises:
        UsageError: no step is the first, or a route is never taken, which a diagram cannot say.
    """
    return _Unfolding(process).graph()


class _Unfolding:
    def __init__(self, process: Process) -> None:
        self.process, self.steps, self.made = process, process.steps, Graph()
        self.first = beginnings(process)
        if not self.first:
            raise UsageError(f"process '{process.name}': no step is the first.", expected="Expected a step that nothing leads to.")
        self.ids: dict[str, str] = {}
        for name in self.steps:
            self.ids[name] = unique(identifier(name), self.ids.values())
        self.taken = set(self.ids.values())
        ways = ways_of(process)
        self.into = {name: [way for way in ways if way.target == name] for name in self.steps}
        self.plain = {name: [way.target for way in ways if way.source == name and not way.route] for name in self.steps}
        self.late_for = {
            name: [step.name for step in self.steps.values() if rings(step) and step.on_overdue == name] for name in self.steps
        }
        self.parts: dict[tuple[str, str], str] = {}
        self.owner: dict[str, str] = {}
        self.entry: dict[str, str] = {}
        self.late_entry: dict[str, str] = {}

    def graph(self) -> Graph:
        """The whole."""
        start = self._start()
        for name, step in self.steps.items():
            self._enter(step, name)
        self._lead(start, list(self.first), "start")
        for step in self.steps.values():
            self._step(step)
        self._order()
        return self.made

    def _id(self, wanted: str) -> str:
        name = unique(wanted, self.taken)
        self.taken.add(name)
        return name

    def _node(self, wanted: str, kind: NodeKind, step: Step | None) -> Node:
        node = Node(self._id(wanted), kind, team=step.team if step else "")
        self.made.nodes[node.id] = node
        self.owner[node.id] = step.name if step else ""
        return node

    def _part(self, step: Step, role: str, kind: NodeKind) -> str:
        node = self._node(f"{self.ids[step.name]}.{role}", kind, step)
        node.part, node.role = step.name, role
        self.parts[step.name, role] = node.id
        return node.id

    def _flow(self, source: str, target: str, **more: str | None) -> None:
        self.made.flows.append(Flow(self._id(f"{source}-to-{target}"), source, target, **more))  # type: ignore[arg-type]

    def _start(self) -> str:
        """The node after which everything begins: the start event, or where several of them meet."""
        first = self.steps[self.first[0]]
        told = [begin for begin in self.process.starts.values() if begin.message]
        if not told:
            return self._node("start", "start", first).id
        starts = []
        for begin in told:
            node = self._node(f"start.{identifier(begin.name)}", "start", first)
            node.start, node.label = begin, begin.message
            starts.append(node.id)
        if len(starts) == 1:
            return starts[0]
        meet = self._node("start.merge", "one", first)
        for start in starts:
            self._flow(start, meet.id)
        return meet.id

    def _enter(self, step: Step, name: str) -> None:
        """Make the step, and the gateways before it."""
        ways, late = len(self.into[name]) + (name in self.first), len(self.late_for[name])
        own, chain = self.ids[name], []
        every = waits_for_all(self.process, name, tuple(self.into[name])) and ways > 1
        alone = passes(step) and not late  # a gateway itself, in which the ways meet
        if every and not alone:
            chain.append(self._node(f"{own}.join", "all", step).id)
        late_at = len(chain)
        if (every and late) or (not every and ways + late > 1 and not (alone and len(self.plain[name]) < 2)):
            chain.append(self._node(f"{own}.merge", "one", step).id)
        if step.when:
            chain.append(self._part(step, "when", "one"))
        if step.kind == "decision" and self.plain[name] and not passes(step) and not _asks(step):
            chain.append(self._part(step, "fork", "all"))
        chain.append(self._core(step))
        for before, after in pairwise(chain):
            condition = {"route": "do", "when": step.when} if before == self.parts.get((name, "when")) else {}
            self._flow(before, after, **condition)
        self.entry[name], self.late_entry[name] = chain[0], chain[late_at]

    def _core(self, step: Step) -> str:
        kind: NodeKind = "step"
        if passes(step):
            several = waits_for_all(self.process, step.name, tuple(self.into[step.name])) or len(self.plain[step.name]) > 1
            kind = "all" if several else "one"
        own = self.ids[step.name]
        self.made.nodes[own] = Node(own, kind, replace(step, after=(), join=""), step.title or step.name, step.team)
        self.owner[own] = step.name
        return own

    def _step(self, step: Step) -> None:
        """Draw what follows a step."""
        if step.on_overdue and not rings(step):
            raise UsageError(
                f"process '{self.process.name}', step '{step.name}': on_overdue of a step that waits, or that takes no time, is not drawn.",
                expected="Use delay: for the longest time a step waits.",
            )
        name, own = step.name, self.ids[step.name]
        plain = self.plain[name]
        if rings(step):
            late = self._node(f"{own}.late", "late", step)
            late.host, late.after, late.ends_host = own, step.sla, bool(step.on_overdue)
            self._flow(late.id, self.late_entry[step.on_overdue] if step.on_overdue else self._end(f"{own}.told", step))
        when, fork = self.parts.get((name, "when"), ""), self.parts.get((name, "fork"), "")
        if passes(step) or not step.routes:
            last = own
            if when:
                last = self._part(step, "done", "one")
                self._flow(own, last)
                self._flow(when, last, route="skip")
            self._lead(last, plain, own, step)
            return
        choice = own
        if _asks(step):
            if plain:
                fork = self._part(step, "fork", "all")
                self._flow(own, fork)
            choice = self._part(step, "routes", "one")
            self._flow(fork or own, choice)
        rest = ""
        if plain and when:
            rest = self._part(step, "plain", "one")
            self._flow(fork, rest)
            self._lead(rest, plain, f"{own}.plain", step)
        elif plain:
            for target in plain:
                self._flow(fork, self.entry[target])
        if when:
            self._flow(when, rest or self._end(f"{own}.skipped", step), route="skip")
        for route in _reachable(self.process, step):
            target = self.entry[route.to] if route.to else self._end(f"{own}.{identifier(route.name)}.end", step)
            self._flow(choice, target, route=route.name, when=route.when, label=route.name)

    def _lead(self, source: str, targets: list[str], own: str, step: Step | None = None) -> None:
        """Flows to all of the targets, or to an end."""
        if not targets:
            self._flow(source, self._end(f"{own}.end", step))
            return
        if len(targets) > 1 and not (self.made.nodes[source].kind == "all" and self.made.nodes[source].step is not None):
            fork = self._node(f"{own}.fork", "all", step or self.steps[targets[0]]).id
            self._flow(source, fork)
            source = fork
        for target in targets:
            self._flow(source, self.entry[target])

    def _end(self, wanted: str, step: Step | None) -> str:
        return self._node(wanted, "end", step).id

    def _order(self) -> None:
        """Nodes in the order of the map, each step with what belongs to it, so that equal processes give equal files."""
        place = {name: n for n, name in enumerate(self.steps)}
        nodes = sorted(self.made.nodes.values(), key=lambda node: (node.kind != "start", place.get(self.owner[node.id], -1)))
        self.made.nodes = {node.id: node for node in nodes}


def rings(step: Step) -> bool:
    """Whether a step's time is drawn as a timer on it: it takes some, and is no wait, where a timer is the longest it waits."""
    return step.sla is not None and step.kind != "wait" and (step.kind != "decision" or _asks(step))


def _asks(step: Step) -> bool:
    return bool(step.form or step.form_schema)


def _reachable(process: Process, step: Step) -> list[Route]:
    routes = list(step.routes.values())
    last = next((n for n, route in enumerate(routes) if not route.when), len(routes))
    if last + 1 < len(routes):
        raise UsageError(
            f"process '{process.name}', step '{step.name}': route '{routes[last + 1].name}' is never taken, since it stands after one "
            "without when.",
            expected="Put the one without when: last.",
        )
    return routes
