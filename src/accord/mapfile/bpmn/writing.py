"""From a process of the map to a file of BPMN 2.0, with positions."""

from __future__ import annotations

import re
from typing import Final
from xml.etree import ElementTree as Xml  # writing only: what is read goes through defusedxml

from accord.mapfile.bpmn.diagram import Box, Diagram
from accord.mapfile.bpmn.expressions import duration_to
from accord.mapfile.bpmn.given import given_text
from accord.mapfile.bpmn.graph import Flow, Graph, Node, identifier, passes, unique
from accord.mapfile.bpmn.layout import laid_out, teams_of
from accord.mapfile.bpmn.unfold import rings, unfold
from accord.mapfile.bpmn.words import BPMN, DC, DD, DI, OWN, SIGNAL_KEY, SQL, XSI
from accord.model.errors import UsageError
from accord.model.integration_map import IntegrationMap
from accord.model.process import Process, Step

_PREFIXES: Final = {"bpmn": BPMN, "bpmndi": DI, "dc": DC, "di": DD, "xsi": XSI, "accord": OWN}
# What no XML file can hold, not even as a reference.
_NOT_IN_XML: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
# Said by the diagram itself, and so by no element of ours.
_SAID: Final = ("after", "join", "when", "team", "title", "on_overdue")


def export_bpmn(map_: IntegrationMap, process: str, diagram: Diagram | None = None) -> str:
    """A process of the map as BPMN 2.0.

    Args:
        map_: the map; the titles of its teams name the lanes.
        process: a process in it that has steps.
        diagram: positions to keep.

    Raises:
        UsageError: it has no steps, or one that a diagram cannot say.
    """
    found = map_.processes[process]
    if not found.steps:
        raise UsageError(f"process '{process}' has no steps.", expected="Give it steps: its history alone is no diagram.")
    graph = unfold(found)
    return _Writing(map_, found, graph).text(laid_out(graph, diagram or Diagram()))


class _Writing:
    def __init__(self, map_: IntegrationMap, process: Process, graph: Graph) -> None:
        self.map, self.process, self.graph = map_, process, graph
        self.taken = {*graph.nodes, *(flow.id for flow in graph.flows)}
        self.id = self._id(identifier(process.name))
        self.messages: dict[tuple[str, str], str] = {}
        self.root = Xml.Element(f"{{{BPMN}}}definitions", {"id": self._id("definitions"), "targetNamespace": OWN, "exporter": "Accord"})

    def _id(self, wanted: str) -> str:
        name = unique(wanted, self.taken)
        self.taken.add(name)
        return name

    def text(self, diagram: Diagram) -> str:
        """The whole file."""
        body = self._process()
        teams = teams_of(self.graph)
        lanes = {team: self._id(f"lane.{identifier(team)}") for team in teams}
        pool = self._id(f"pool.{self.id}") if teams else ""
        if teams:
            collaboration = _under(self.root, "collaboration", id=self._id("collaboration"))
            _under(collaboration, "participant", id=pool, name=self.process.title or self.process.name, processRef=self.id)
            holder = Xml.Element(f"{{{BPMN}}}laneSet", {"id": self._id("lanes")})
            for team, lane in lanes.items():
                known = self.map.teams.get(team)
                made = _under(holder, "lane", id=lane, name=(known.title if known else "") or team)
                made.set(f"{{{OWN}}}team", team)
                for node in self.graph.nodes.values():
                    if node.team == team:
                        _under(made, "flowNodeRef").text = node.id
            body.insert(1 if body[:1] and body[0].tag.endswith("extensionElements") else 0, holder)
        for (kind, name), identity in self.messages.items():
            _under(self.root, kind, id=identity, name=name)
        self.root.append(body)
        self._drawing(diagram, lanes, pool)
        for prefix, space in _PREFIXES.items():
            Xml.register_namespace(prefix, space)
        Xml.indent(self.root)
        text = Xml.tostring(self.root, encoding="unicode")
        if found := _NOT_IN_XML.search(text):
            raise UsageError(
                f"process '{self.process.name}' holds the sign U+{ord(found[0]):04X}, which no XML file can hold.", expected="Remove it."
            )
        return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'

    def _process(self) -> Xml.Element:
        body = Xml.Element(f"{{{BPMN}}}process", {"id": self.id, "name": self.process.title or self.process.name, "isExecutable": "true"})
        body.set(f"{{{OWN}}}name", self.process.name)
        if text := given_text(self.process, ("steps", "title")):
            _own(body, "process", text)
        for node in self.graph.nodes.values():
            self._node(body, node)
        for flow in self.graph.flows:
            self._flow(body, flow)
        return body

    def _node(self, body: Xml.Element, node: Node) -> None:
        made = _under(body, _element(node), id=node.id, **({"name": node.label} if node.label else {}))
        if node.part:
            made.set(f"{{{OWN}}}part", node.part)
            made.set(f"{{{OWN}}}role", node.role)
        if node.step is not None:
            made.set(f"{{{OWN}}}name", node.step.name)
            said = {*_SAID, *_said(node.step), *(() if passes(node.step) else ("routes",))}
            if node.kind != "step":
                made.set(f"{{{OWN}}}passes", "true")
            if node.step.on_overdue and not rings(node.step):
                said.discard("on_overdue")
            if rings(node.step):
                said.add("sla")
            if node.step.title == node.step.name:
                said.discard("title")
            if text := given_text(node.step, tuple(said)):
                _own(made, "step", text)
        if node.start is not None:
            made.set(f"{{{OWN}}}start", node.start.name)
            if node.start.when:
                _own(made, "when", node.start.when)
        if default := self._default(node):
            made.set("default", default)
        for flow in self.graph.flows:
            if flow.target == node.id:
                _under(made, "incoming").text = flow.id
        for flow in self.graph.flows:
            if flow.source == node.id:
                _under(made, "outgoing").text = flow.id
        self._inside(made, node)

    def _default(self, node: Node) -> str:
        ways = self.graph.out(node.id)
        open_ways = [flow for flow in ways if flow.route is not None and not flow.when]
        return open_ways[0].id if open_ways else ""

    def _inside(self, made: Xml.Element, node: Node) -> None:
        """What an event waits for, and what is called how often."""
        if node.start is not None:
            _under(made, "messageEventDefinition", messageRef=self._message("message", node.start.message))
        if node.kind == "late" and node.after is not None:
            made.set("attachedToRef", node.host)
            made.set("cancelActivity", "true" if node.ends_host else "false")
            _timer(made, "timeDuration", duration_to(node.after))
        step = node.step
        if step is None:
            return
        if step.kind == "wait" and made.tag.endswith("receiveTask"):
            made.set("messageRef", self._message("message", step.message))
        elif step.kind == "wait" and step.message:
            kind = "signal" if step.correlate == SIGNAL_KEY else "message"
            _under(made, f"{kind}EventDefinition", **{f"{kind}Ref": self._message(kind, step.message)})
        elif step.kind == "wait" and step.delay is not None:
            _timer(made, "timeDuration", duration_to(step.delay))
        elif step.kind == "wait":
            _timer(made, "timeDate", step.until)
        if step.kind in ("subprocess", "foreach"):
            made.set("calledElement", identifier(step.process))
        if step.kind == "foreach":
            many = _under(made, "multiInstanceLoopCharacteristics", isSequential="false")
            if re.fullmatch(r"[A-Za-z_]\w*", step.each, re.ASCII):
                _under(many, "loopDataInputRef").text = step.each
            else:
                _own(many, "each", step.each)
                _expression(_under(many, "loopCardinality"), f"len({step.each})")
            _under(many, "inputDataItem", id=self._id(f"{node.id}.item"), name="item")

    def _message(self, kind: str, name: str) -> str:
        if (kind, name) not in self.messages:
            self.messages[kind, name] = self._id(f"{kind}.{identifier(name)}")
        return self.messages[kind, name]

    def _flow(self, body: Xml.Element, flow: Flow) -> None:
        made = _under(body, "sequenceFlow", id=flow.id, sourceRef=flow.source, targetRef=flow.target)
        if flow.label:
            made.set("name", flow.label)
        if flow.route is not None and self.graph.nodes[flow.source].role != "when":
            made.set(f"{{{OWN}}}route", flow.route)
        if flow.when:
            _expression(_under(made, "conditionExpression"), flow.when)

    def _drawing(self, diagram: Diagram, lanes: dict[str, str], pool: str) -> None:
        holder = Xml.SubElement(self.root, f"{{{DI}}}BPMNDiagram", {"id": self._id("diagram")})
        about = self.root[0].get("id") if pool else self.id
        plane = Xml.SubElement(holder, f"{{{DI}}}BPMNPlane", {"id": self._id("plane"), "bpmnElement": str(about)})
        if pool:
            self._box(plane, pool, diagram.lanes[""], isHorizontal="true")
        for team, lane in lanes.items():
            self._box(plane, lane, diagram.lanes[team], isHorizontal="true")
        for key, box in diagram.boxes.items():
            self._box(plane, key, box)
        for flow in self.graph.flows:
            edge = Xml.SubElement(plane, f"{{{DI}}}BPMNEdge", {"id": self._id(f"{flow.id}.edge"), "bpmnElement": flow.id})
            for x, y in diagram.bends[f"{flow.source} {flow.target}"]:
                Xml.SubElement(edge, f"{{{DD}}}waypoint", {"x": _number(x), "y": _number(y)})

    def _box(self, plane: Xml.Element, about: str, box: Box, **more: str) -> None:
        shape = Xml.SubElement(plane, f"{{{DI}}}BPMNShape", {"id": self._id(f"{about}.shape"), "bpmnElement": about, **more})
        sizes = {"x": box.x, "y": box.y, "width": box.width, "height": box.height}
        Xml.SubElement(shape, f"{{{DC}}}Bounds", {key: _number(value) for key, value in sizes.items()})


def _element(node: Node) -> str:
    """The element a node is drawn as."""
    step = node.step
    if node.kind != "step" or step is None:
        return {"start": "startEvent", "end": "endEvent", "late": "boundaryEvent", "all": "parallelGateway"}.get(
            node.kind, "exclusiveGateway"
        )
    if step.kind == "decision":
        return "userTask" if step.form or step.form_schema else "exclusiveGateway"
    if step.kind == "wait":
        return "receiveTask" if step.message and (step.delay or step.until) else "intermediateCatchEvent"
    return {"human": "userTask", "auto": "serviceTask"}.get(step.kind, "callActivity")


def _said(step: Step) -> tuple[str, ...]:
    """Keys that the element of a step says itself."""
    if step.kind == "wait":
        # Of a message and a time, the element says the message.
        return ("kind", "message", *(() if step.message else ("delay", "until") if not (step.delay and step.until) else ("delay",)))
    if step.kind == "foreach":
        return ("kind", "each")
    return ("kind",) if step.kind != "decision" or not (step.form or step.form_schema) else ()


def _under(parent: Xml.Element, element: str, /, **attributes: str) -> Xml.Element:
    return Xml.SubElement(parent, f"{{{BPMN}}}{element}", attributes)


def _own(parent: Xml.Element, name: str, text: str) -> None:
    """An element of ours, among the extensions, which come first."""
    holder = parent.find(f"{{{BPMN}}}extensionElements")
    if holder is None:
        holder = Xml.Element(f"{{{BPMN}}}extensionElements")
        parent.insert(0, holder)
    Xml.SubElement(holder, f"{{{OWN}}}{name}").text = text


def _timer(parent: Xml.Element, name: str, text: str) -> None:
    timer = _under(parent, "timerEventDefinition")
    if name == "timeDate":
        _expression(_under(timer, name), text)
    else:
        expression = _under(timer, name)
        expression.set(f"{{{XSI}}}type", "bpmn:tFormalExpression")
        expression.text = text


def _expression(element: Xml.Element, text: str) -> None:
    element.set(f"{{{XSI}}}type", "bpmn:tFormalExpression")
    element.set("language", SQL)
    element.text = text


def _number(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".")
