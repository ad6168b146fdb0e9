"""The nodes of a process in a BPMN file, as nodes of a graph with what a step of the map keeps of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from accord.mapfile.bpmn.expressions import NotSimple, duration_from, moment_from, name_from, translated
from accord.mapfile.bpmn.graph import Node, slug, unique
from accord.mapfile.bpmn.words import BPMN, CALLS, OWN, PEOPLE, SIGNAL_KEY, SQL
from accord.mapfile.bpmn.xml import Element
from accord.mapfile.expression import mistakes
from accord.mapfile.problems import Problem
from accord.model.errors import Place
from accord.model.process import Start, Step

_CAMUNDA: Final = ("{http://camunda.org/schema/1.0/bpmn}", "{http://activiti.org/bpmn}", "{http://flowable.org/bpmn}")
_ZEEBE: Final = "http://camunda.org/schema/zeebe/1.0"
_DEFINITIONS: Final = ("messageEventDefinition", "timerEventDefinition", "signalEventDefinition")


@dataclass
class Notes:
    """Mistakes of a file, and what is left out of it."""

    shown: str
    problems: list[Problem] = field(default_factory=list)
    left: dict[str, tuple[int, int]] = field(default_factory=dict)

    def wrong(self, line: int, message: str, expected: str = "") -> None:
        """A mistake."""
        self.problems.append(Problem(Place(self.shown, line), message, expected))

    def leave(self, line: int, what: str) -> None:
        """Something without effect on paths that is not kept; the same thing is told once."""
        first, count = self.left.get(what, (line, 0))
        self.left[what] = (first, count + 1)

    def left_out(self) -> tuple[Problem, ...]:
        """What was left, in the order of the file."""
        told = [
            Problem(Place(self.shown, line), f"{what} is left out{f' ({count} times)' if count > 1 else ''}.")
            for what, (line, count) in self.left.items()
        ]
        return tuple(sorted(told))


@dataclass
class Scope:
    """One process, or an inner one, while it is read.

    Args:
        process: its name in the map.
        notes: mistakes so far.
        messages: names of messages and signals by id.
        names: of its steps so far.
        given: what a step's own element says of it, by step: text of JSON and line.
        native: what the standard's elements say of it, which wins.
        inner: makes a process of an embedded one, whose steps are a team's; returns its name.
    """

    process: str
    notes: Notes
    messages: dict[str, str]
    inner: Callable[[Element, str, str], str]
    names: list[str] = field(default_factory=list)
    given: dict[str, tuple[str, int]] = field(default_factory=dict)
    native: dict[str, dict[str, Any]] = field(default_factory=dict)


def own(element: Element, name: str) -> str:
    """An attribute of ours."""
    return element.get(f"{{{OWN}}}{name}")


def extension(element: Element, name: str) -> Element | None:
    """An extension element of ours."""
    holder = element.first(BPMN, "extensionElements")
    return holder.first(OWN, name) if holder is not None else None


def sql(element: Element, notes: Notes, read: Callable[[str], str] = translated) -> str:
    """The expression in an element, as SQL; «» with a problem when it is none."""
    text = element.text.strip()
    try:
        found = text if element.get("language") == SQL else read(text)
    except NotSimple as error:
        expected = f'Expected simple comparisons such as amount > 10, or SQL with language="{SQL}".'
        notes.wrong(element.line, f"the expression '{' '.join(text.split())[:60]}' is not taken: {error}.", expected)
        return ""
    for message, expected in mistakes(found, None):
        notes.wrong(element.line, f"the expression '{found[:60]}': {message}", expected)
        return ""
    return found


def node_of(element: Element, scope: Scope, team: str) -> Node:
    """The node of an element; what is wrong with it is noted."""
    label, line = " ".join(element.get("name").split())[:200], element.line
    kinds = {"startEvent": "start", "endEvent": "end", "boundaryEvent": "late", "parallelGateway": "all", "exclusiveGateway": "one"}
    node = Node(element.get("id"), kinds.get(element.name, "step"), label=label, team=team, line=line)  # type: ignore[arg-type]
    node.part, node.role = own(element, "part"), own(element, "role")
    if element.name == "startEvent":
        _start(element, scope, node)
    elif element.name == "endEvent":
        _end(element, scope, node)
    elif element.name == "boundaryEvent":
        _late(element, scope, node)
    elif element.name in kinds:
        if own(element, "name"):
            node.kind = "step" if element.name == "exclusiveGateway" and not own(element, "passes") else node.kind
            _named(element, scope, node, {"kind": "decision"})
    else:
        _task(element, scope, node)
    return node


def _named(element: Element, scope: Scope, node: Node, native: dict[str, Any]) -> None:
    """Give a node its step."""
    name = own(element, "name")[:80]
    if name in scope.names:
        scope.notes.wrong(element.line, f"two elements are called '{name}'.", "Give the copy another accord:name, or remove it.")
    name = name if name and name not in scope.names else unique(slug(node.label, node.id), scope.names)
    scope.names.append(name)
    node.step = Step(name)
    held = extension(element, "step")
    if held is not None:
        scope.given[name] = (held.text, held.line)
    title = {"title": node.label} if node.label and node.label != name else {}
    scope.native[name] = {**title, **({"team": node.team} if node.team else {}), **native}


def _task(element: Element, scope: Scope, node: Node) -> None:
    notes, line = scope.notes, element.line
    for attribute in ("isForCompensation", "triggeredByEvent"):
        if element.get(attribute).lower() in ("true", "1"):
            notes.wrong(line, f"{element.name} '{node.label or node.id}': {attribute} is not taken.", "A step's undo: takes it back.")
    native: dict[str, Any] = {}
    if element.name in CALLS:
        native = {"kind": "auto", **_action(element, notes, node)}
    elif element.name == "receiveTask":
        native = {"kind": "wait", "message": scope.messages.get(element.get("messageRef"), "") or own(element, "message") or node.label}
        if not native["message"]:
            notes.wrong(line, f"receiveTask '{node.id}' names no message.", "Expected messageRef, or a name.")
    elif element.name == "intermediateCatchEvent":
        native = {"kind": "wait", **_caught(element, scope, node)}
    elif element.name == "callActivity":
        native = {"kind": "subprocess"}
        if element.get("calledElement"):
            native["process"] = element.get("calledElement")
        elif extension(element, "step") is None:
            notes.wrong(line, f"callActivity '{node.label or node.id}' calls nothing.", "Expected calledElement.")
    elif element.name == "subProcess":
        native = {"kind": "subprocess", "process": scope.inner(element, node.label or node.id, node.team)}
        notes.leave(line, "that an inner process shares the variables of the outer one (its own are the variable named as its step)")
    _named(element, scope, node, native)
    _many(element, scope, node)


def _action(element: Element, notes: Notes, node: Node) -> dict[str, Any]:
    """What an automatic task calls, where the file says it in a way that is known."""
    holder = element.first(BPMN, "extensionElements")
    zeebe = holder.first(_ZEEBE, "taskDefinition") if holder is not None else None
    named = [element.get("implementation"), zeebe.get("type") if zeebe is not None else ""]
    named += [element.get(f"{space}{name}") for space in _CAMUNDA for name in ("topic", "type")]
    action = next((name for name in named if name and not name.startswith("##")), "")
    if action:
        return {"action": action}
    if extension(element, "step") is not None:
        return {}
    if element.name == "sendTask":
        notes.leave(element.line, "to whom and what a send task sends (it calls mail; give it arguments)")
        return {"action": "mail"}
    what = f"{element.name} '{node.label or node.id}' does not say what it calls."
    notes.wrong(element.line, what, 'Expected implementation="…": a registered action, or http, mail, sync or plan.')
    return {}


def _definition(element: Element, scope: Scope, allowed: tuple[str, ...]) -> Element | None:
    """The one event definition of an event."""
    found = [child for child in element.children if child.space == BPMN and child.name.endswith("EventDefinition")]
    for child in found:
        if child.name not in allowed:
            known = ", ".join(name.removesuffix("EventDefinition") for name in allowed) or "none"
            scope.notes.wrong(child.line, f"{child.name} is not taken on {element.name}.", f"Taken there: {known}.")
    if len(found) > 1:
        scope.notes.wrong(element.line, f"{element.name} has several definitions.", "Expected one.")
    return found[0] if found and found[0].name in allowed else None


def _caught(element: Element, scope: Scope, node: Node) -> dict[str, Any]:
    found = _definition(element, scope, _DEFINITIONS)
    if found is None:
        if not any(child.name.endswith("EventDefinition") for child in element.children):
            scope.notes.wrong(
                element.line, f"{element.name} '{node.label or node.id}' waits for nothing.", "Expected message, timer or signal."
            )
        return {}
    if found.name == "timerEventDefinition":
        return _timer(found, scope)
    message = _message(found, scope) or node.label
    if not message and not (found.get("messageRef") or found.get("signalRef")):
        scope.notes.wrong(found.line, f"{element.name} '{node.id}' names no message.", "Expected messageRef or signalRef.")
    signal = found.name == "signalEventDefinition" and extension(element, "step") is None
    return {"message": message, **({"correlate": SIGNAL_KEY} if signal else {})}


def _message(definition: Element, scope: Scope) -> str:
    reference = definition.get("messageRef") or definition.get("signalRef")
    if reference and reference not in scope.messages:
        scope.notes.wrong(definition.line, f"there is no message or signal '{reference[:60]}'.", "Expected the id of one in this file.")
    return scope.messages.get(reference, "")


def _timer(definition: Element, scope: Scope) -> dict[str, Any]:
    """``delay`` or ``until``."""
    notes = scope.notes
    duration, date = definition.first(BPMN, "timeDuration"), definition.first(BPMN, "timeDate")
    if duration is not None:
        try:
            return {"delay": duration_from(duration.text)}
        except NotSimple as error:
            notes.wrong(duration.line, f"{error}.", "Expected ISO 8601, such as PT4H or P2D.")
    elif date is not None:
        return {"until": sql(date, notes, moment_from)}
    else:
        notes.wrong(definition.line, "a timer without timeDuration or timeDate is not taken.", "Repeating timers have no place in a map.")
    return {}


def _start(element: Element, scope: Scope, node: Node) -> None:
    found = _definition(element, scope, ("messageEventDefinition",))
    if found is None:
        return
    message = _message(found, scope) or node.label
    if not message:
        scope.notes.wrong(found.line, f"startEvent '{node.id}' names no message.", "Expected messageRef.")
        return
    condition = extension(element, "when")
    name = own(element, "start") or slug(node.label or message, node.id)
    node.start = Start(name, message=message, when=condition.text.strip() if condition is not None else "")


def _end(element: Element, scope: Scope, node: Node) -> None:
    """An end that sends a message is a step that acts, and nothing after it."""
    found = _definition(element, scope, ("messageEventDefinition",))
    if found is None:
        return
    native = {"kind": "auto", **_action(element, scope.notes, node)}
    node.kind = "step"
    _named(element, scope, node, native)


def _late(element: Element, scope: Scope, node: Node) -> None:
    node.host, node.ends_host = element.get("attachedToRef"), element.get("cancelActivity").lower() not in ("false", "0")
    found = _definition(element, scope, ("timerEventDefinition",))
    if found is None:
        if not any(child.name.endswith("EventDefinition") for child in element.children):
            scope.notes.wrong(element.line, f"boundaryEvent '{node.label or node.id}' waits for nothing.", "Expected a timer.")
        return
    times = _timer(found, scope)
    node.after = times.get("delay")
    if "until" in times:
        scope.notes.wrong(found.line, "a timer at a task that rings at a date is not taken.", "Expected timeDuration.")


def _many(element: Element, scope: Scope, node: Node) -> None:
    """A task for each item of a list."""
    notes = scope.notes
    for child in element.named(BPMN, "standardLoopCharacteristics"):
        notes.wrong(child.line, "standardLoopCharacteristics is not taken.", "Lead a gateway back to the task, or use multiple instances.")
    many = element.first(BPMN, "multiInstanceLoopCharacteristics")
    if many is None or node.step is None:
        return
    if many.get("isSequential").lower() in ("true", "1"):
        notes.wrong(many.line, "multiple instances one after the other are not taken.", 'Expected isSequential="false".')
        return
    if many.first(BPMN, "completionCondition") is not None:
        notes.wrong(many.line, "a completionCondition is not taken.", "All instances end before the process goes on.")
    native = scope.native[node.step.name]
    if element.name in PEOPLE | CALLS | {"receiveTask", "intermediateCatchEvent"}:
        native |= {"process": scope.inner(element, node.label or node.id, node.team), "action": "", "message": "", "form": {}}
        scope.given.pop(node.step.name, None)
    native["kind"] = "foreach"
    listed, number = many.first(BPMN, "loopDataInputRef"), many.first(BPMN, "loopCardinality")
    each, attribute = (
        extension(many, "each"),
        next((many.get(f"{space}collection") for space in _CAMUNDA if many.get(f"{space}collection")), ""),
    )
    if each is not None:
        native["each"] = each.text.strip()
    elif listed is not None:
        native["each"] = sql(listed, notes, name_from)
    elif attribute:
        native["each"] = sql(Element(BPMN, "collection", {}, many.line, text=attribute), notes, name_from)
    elif number is not None and number.text.strip().isdigit() and int(number.text) <= 1000:
        native["each"] = "[" + ", ".join(str(n) for n in range(int(number.text))) + "]"
    else:
        notes.wrong(many.line, "it does not say for what list.", "Expected loopDataInputRef with the name of a variable.")
