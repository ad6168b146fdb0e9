"""From a file of BPMN 2.0 to processes of a map; everything that has no place there is named with its line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from accord.mapfile.bpmn.collapse import collapse
from accord.mapfile.bpmn.diagram import Diagram
from accord.mapfile.bpmn.drawn import Drawing, carried, drawn
from accord.mapfile.bpmn.elements import Notes, Scope, extension, node_of, own, sql
from accord.mapfile.bpmn.fold import Refused, fold
from accord.mapfile.bpmn.given import built_processes
from accord.mapfile.bpmn.graph import Flow, Graph, identifier, slug, unique
from accord.mapfile.bpmn.words import BPMN, DI, DRAWN, OWN, TAKEN, BpmnProblems, ImportedProcesses
from accord.mapfile.bpmn.xml import Element, read_xml
from accord.mapfile.problems import Problem, tidy
from accord.model.errors import NOWHERE, Place
from accord.model.organization import Team
from accord.model.process import Process, Start, Step

_MAX_PROCESSES: Final = 100
_MAX_INNER: Final = 10
_HINTS: Final = {
    "scriptTask": "Put the script into a registered action and call it with a serviceTask.",
    "businessRuleTask": "Use an exclusiveGateway with conditions, or a serviceTask.",
    "inclusiveGateway": "Use a parallelGateway, and a condition before each task that may be skipped.",
    "eventBasedGateway": "Use a receiveTask with a timer at it.",
    "complexGateway": "Use exclusive and parallel gateways.",
    "intermediateThrowEvent": "Use a sendTask or a serviceTask.",
}


def import_bpmn(data: bytes | str, shown: str = "<diagram>") -> ImportedProcesses:
    """The processes of a file of BPMN 2.0.

    Args:
        data: the file.
        shown: its name in places.

    Raises:
        BpmnProblems: with every mistake and every element that is not taken, each with its line.
    """
    root = read_xml(data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data, shown)
    if (root.space, root.name) != (BPMN, "definitions"):
        raise BpmnProblems(
            [Problem(Place(shown, root.line), f"this is '{root.name}', no BPMN 2.0.", "Expected <definitions> of BPMN 2.0.")]
        )
    return _File(root, shown).read()


class _File:
    def __init__(self, root: Element, shown: str) -> None:
        self.root, self.shown, self.notes = root, shown, Notes(shown)
        self.messages = {e.get("id"): e.get("name") or e.get("id") for e in root.named(BPMN, "message", "signal")}
        self.teams: dict[str, Team] = {}
        self.processes: dict[str, Process] = {}
        self.diagrams: dict[str, Diagram] = {}
        self.drawing = Drawing()
        self.called: dict[str, str] = {}
        self.reserved: list[str] = []
        self.refused: set[str] = set()

    def read(self) -> ImportedProcesses:
        """Everything in it."""
        found = list(self.root.named(BPMN, "process"))
        if not found or len(found) > _MAX_PROCESSES:
            self.notes.wrong(self.root.line, f"it holds {len(found)} processes.", f"Expected 1 to {_MAX_PROCESSES}.")
        self._top()
        self.drawing = drawn(self.root, self.notes)
        pools = self._pools()
        names = []
        for element in found[:_MAX_PROCESSES]:
            label = own(element, "name") or element.get("name") or pools.get(element.get("id"), "")
            own_name = own(element, "name")
            names.append(self._reserve(own_name or slug(label, element.get("id"))))
            self.called.setdefault(element.get("id"), names[-1])
        for element, name in zip(found, names, strict=False):
            title = element.get("name") or pools.get(element.get("id"), "")
            self._process(element, name, title)
        if self.notes.problems:
            raise BpmnProblems(tidy(self.notes.problems))
        ordered = {name: self.processes[name] for name in self.reserved if name in self.processes}
        return ImportedProcesses(ordered, self.teams, self.diagrams, self.notes.left_out())

    def _reserve(self, wanted: str) -> str:
        name = unique(wanted[:80], self.reserved)
        self.reserved.append(name)
        return name

    def _top(self) -> None:
        """What stands beside processes."""
        for child in self.root.children:
            if child.space == BPMN and child.name in ("process", "collaboration", "message", "signal"):
                continue
            if child.space == DI or child.space != BPMN:
                continue
            self.notes.leave(child.line, f"'{child.name}'")

    def _pools(self) -> dict[str, str]:
        """Names of participants by the process they hold."""
        pools = {}
        for collaboration in self.root.named(BPMN, "collaboration"):
            for child in collaboration.children:
                if child.name == "participant" and child.get("processRef"):
                    pools[child.get("processRef")] = child.get("name")
                elif child.name != "extensionElements":
                    self.notes.leave(child.line, f"'{child.name}' of the collaboration")
        return pools

    def _process(self, element: Element, name: str, title: str, *, team: str = "", depth: int = 0) -> None:
        graph = Graph()
        scope = Scope(name, self.notes, self.messages, lambda inner, label, team: self._inner(inner, f"{name}_{label}", team, depth))
        lanes = dict(self._lanes(element))
        for child in self._known(element):
            if child.name in TAKEN:
                if not child.get("id") or child.get("id") in graph.nodes:
                    self.notes.wrong(child.line, f"{child.name} has no id of its own.", "Expected an id that stands once in the file.")
                    continue
                graph.nodes[child.get("id")] = node_of(child, scope, lanes.get(child.get("id"), team))
        for child in element.named(BPMN, "sequenceFlow"):
            self._flow(child, graph)
        defaults = {child.get("id"): child.get("default") for child in element.children if child.get("default")}
        for flow in graph.flows:
            if defaults.get(flow.source) == flow.id:
                flow.when = ""
            node = graph.nodes[flow.source]
            if flow.when and (node.kind not in ("one", "step") or (node.step is not None and flow.route is None)):
                what = f"the sequence flow from '{node.label or node.id}' has a condition."
                self.notes.wrong(flow.line, what, "Expected conditions on the ways out of an exclusiveGateway only.")
        self._hosts(graph)
        if self.notes.problems:
            return  # a graph with holes would only give more of them
        own_part = extension(element, "process")
        held = built_processes(name, scope, own_part, self.notes)
        if held is None:
            return
        for node in graph.nodes.values():
            if node.step is not None:
                step = held.steps[node.step.name]
                node.step = replace(step, **_native(step, scope.native[step.name], self.called))
        starts = {node.start.name: node.start for node in graph.nodes.values() if node.start is not None}
        before = carried(graph)
        try:
            collapse(graph)
            _timeouts(graph, self.shown)
            steps = fold(graph, self.shown)
        except Refused as refused:
            self.notes.problems.append(refused.problem)
            return
        if not steps:
            self.notes.wrong(element.line, f"process '{name}' has no task.", "Expected at least one.")
            return
        title = title if title != name else ""
        kept = {**starts, **{key: start for key, start in held.starts.items() if key not in starts}}
        process = replace(held, name=name, title=title or held.title, steps={n: replace(s, place=NOWHERE) for n, s in steps.items()})
        self.processes[name] = replace(process, starts=_ordered(kept, held.starts))
        diagram = self.drawing.of(self.processes[name], before, graph)
        if diagram:
            self.diagrams[name] = diagram

    def _inner(self, element: Element, label: str, team: str, depth: int) -> str:
        """An embedded process, or a task of which there are many, as a process of its own."""
        name = self._reserve(slug(label, element.get("id")))
        if depth >= _MAX_INNER:
            self.notes.wrong(element.line, f"processes stand more than {_MAX_INNER} levels inside each other.", "Use call activities.")
            return name
        if element.name != "subProcess":
            kept = [child for child in element.children if child.name not in ("multiInstanceLoopCharacteristics", "incoming", "outgoing")]
            task = Element(element.space, element.name, element.attributes, element.line, kept, element.text)
            element = Element(BPMN, "subProcess", {"id": element.get("id")}, element.line, [task])
        self._process(element, name, element.get("name"), team=team, depth=depth + 1)
        return name

    def _known(self, element: Element) -> Iterator[Element]:
        """The children that are flow nodes; others are refused, or noted when they are part of a drawing."""
        passed = ("sequenceFlow", "laneSet", "incoming", "outgoing", "multiInstanceLoopCharacteristics", "standardLoopCharacteristics")
        for child in element.children:
            if child.space != BPMN:
                self.notes.leave(child.line, f"'{child.name}' of another standard")
            elif child.name in TAKEN:
                self._inside(child)
                yield child
            elif child.name == "extensionElements":
                self._extensions(child)
            elif child.name in DRAWN or child.name == "documentation":
                self.notes.leave(child.line, f"'{child.name}'")
            elif child.name not in passed:
                expected = _HINTS.get(child.name, "Taken are: " + ", ".join(sorted(TAKEN)) + ".")
                self.notes.wrong(child.line, f"the element '{child.name}' is not taken.", expected)
                self.refused.add(child.get("id"))

    def _inside(self, element: Element) -> None:
        """What a flow node holds besides what is read of it."""
        for child in element.children:
            if child.name == "extensionElements":
                self._extensions(child)
            elif child.space == BPMN and (child.name in DRAWN or child.name == "documentation") and element.name != "subProcess":
                self.notes.leave(child.line, f"'{child.name}'")
        for name in element.attributes:
            if name.startswith("{") and not name.startswith(f"{{{OWN}}}") and not name.endswith(("}topic", "}type", "}collection")):
                self.notes.leave(element.line, f"the attribute '{name.rpartition('}')[2]}' of another tool")

    def _extensions(self, element: Element) -> None:
        for child in element.children:
            if child.space != OWN:
                self.notes.leave(child.line, f"the extension '{child.name}' of another tool")

    def _lanes(self, element: Element) -> Iterator[tuple[str, str]]:
        """The team of each flow node, by the innermost lane it stands in."""
        for holder in element.named(BPMN, "laneSet"):
            waiting = list(holder.named(BPMN, "lane"))
            while waiting:
                lane = waiting.pop(0)
                label = " ".join(lane.get("name").split())
                team = own(lane, "team")[:80] or slug(label, lane.get("id"))
                inner = [part for child in lane.named(BPMN, "childLaneSet") for part in child.named(BPMN, "lane")]
                waiting += inner
                if not inner:
                    self.teams.setdefault(team, Team(team, title=label if label != team else ""))
                self.drawing.lane_of[lane.get("id")] = team
                for reference in lane.named(BPMN, "flowNodeRef"):
                    yield reference.text.strip(), team

    def _flow(self, element: Element, graph: Graph) -> None:
        source, target = element.get("sourceRef"), element.get("targetRef")
        for end in (source, target):
            if end in self.refused:
                return
            if end not in graph.nodes:
                what = f"the sequence flow '{element.get('id')[:60]}' leads from or to '{end[:60]}', which is not here."
                self.notes.wrong(element.line, what, "Expected the id of a task, event or gateway of the same process.")
                return
        if graph.nodes[source].kind == "end" or graph.nodes[target].kind in ("start", "late"):
            self.notes.wrong(element.line, "a sequence flow leaves an end, or leads to a start or a timer.", "Turn it round or remove it.")
            return
        condition = element.first(BPMN, "conditionExpression")
        when = sql(condition, self.notes) if condition is not None and condition.text.strip() else ""
        label = " ".join(element.get("name").split())[:80]
        route = element.attributes.get(f"{{{OWN}}}route")
        identity = element.get("id") or f"flow-{len(graph.flows)}"
        graph.flows.append(Flow(identity, source, target, route, when, label, element.line))

    def _hosts(self, graph: Graph) -> None:
        """Timers stand on tasks, one on each."""
        seen: set[str] = set()
        for node in graph.nodes.values():
            if node.kind != "late":
                continue
            host = graph.nodes.get(node.host)
            if host is None or host.step is None:
                self.notes.wrong(node.line, f"the timer '{node.id}' stands on nothing.", "Expected attachedToRef: the id of a task.")
            elif node.host in seen:
                self.notes.wrong(node.line, f"a second timer stands on '{host.label or host.id}'.", "A step has one time: keep one timer.")
            seen.add(node.host)


def _native(step: Step, given: dict[str, Any], called: dict[str, str]) -> dict[str, Any]:
    """What the standard's elements say of a step; an id that stands for the name of a process is that name."""
    if "process" not in given:
        return given
    same = given["process"] == identifier(step.process)
    return {**given, "process": step.process if same else called.get(given["process"], given["process"])}


def _ordered(starts: dict[str, Start], wanted: Any) -> dict[str, Start]:
    return {name: starts[name] for name in [*(n for n in wanted if n in starts), *(n for n in starts if n not in wanted)]}


def _timeouts(graph: Graph, shown: str) -> None:
    """A timer at a waiting task that leads where the task itself leads is the longest it waits."""
    for late in [node for node in graph.nodes.values() if node.kind == "late"]:
        host, out = graph.nodes[late.host], graph.out(late.id)
        if host.step is None or host.step.kind != "wait":
            continue
        ways = graph.out(host.id)
        if not late.ends_host or len(out) != 1 or len(ways) != 1 or out[0].target != ways[0].target or host.step.delay or host.step.until:
            raise _watched(Place(shown, late.line), host.label or host.id)
        host.step = replace(host.step, delay=late.after)
        graph.flows = [flow for flow in graph.flows if flow.source != late.id]
        del graph.nodes[late.id]


def _watched(place: Place, host: str) -> Refused:
    what = f"a timer stands on '{host}', which waits, and leads somewhere else."
    expected = "Expected it on a task, or on a receiveTask and leading where that leads."
    return Refused(Problem(place, what, expected))
