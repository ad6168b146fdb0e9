"""A process as a diagram has it: nodes and the flows between them, gateways included."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from accord.model.process import Route, Start, Step
from accord.model.values import Duration

# «all» and «one» are gateways: parallel, and exclusive without a choice. «late» is a timer on the edge of a task.
NodeKind = Literal["start", "end", "step", "all", "one", "late"]


@dataclass(slots=True)
class Node:
    """A node; with ``step`` it is one of the map, whatever it is drawn as.

    Args:
        id: in the file.
        kind: what it does with tokens.
        step: what the map knows of it, without its ways.
        label: what is written on it.
        team: the lane it stands in.
        part: the step a gateway was drawn for, to say what a diagram has no other way to say.
        role: what it says of that step: when, done, fork, routes or plain.
        host: the task a timer stands on.
        ends_host: the timer ends the task.
        after: when the timer rings.
        start: what a start event waits for.
        line: in the file.
    """

    id: str
    kind: NodeKind
    step: Step | None = None
    label: str = ""
    team: str = ""
    part: str = ""
    role: str = ""
    host: str = ""
    ends_host: bool = True
    after: Duration | None = None
    start: Start | None = None
    line: int = 0


@dataclass(slots=True)
class Flow:
    """A way from node to node; ``route`` is the name of a decision's route, ``None`` for a way that is always gone."""

    id: str
    source: str
    target: str
    route: str | None = None
    when: str = ""
    label: str = ""
    line: int = 0


@dataclass(slots=True)
class Graph:
    """Nodes by id, and flows, in the order of the file."""

    nodes: dict[str, Node] = field(default_factory=dict)
    flows: list[Flow] = field(default_factory=list)

    def into(self, node: str) -> list[Flow]:
        """The flows that lead to a node."""
        return [flow for flow in self.flows if flow.target == node]

    def out(self, node: str) -> list[Flow]:
        """The flows that leave a node."""
        return [flow for flow in self.flows if flow.source == node]

    def names(self) -> set[str]:
        """Names of the steps in it."""
        return {node.step.name for node in self.nodes.values() if node.step is not None}


PASS = "on"  # noqa: S105 - the route of a step that only passes on


def passes(step: Step) -> bool:
    """Whether a decision decides nothing: it stands where several ways meet, and everything after it begins."""
    return (
        step.kind == "decision"
        and len(step.routes) == 1
        and not any(route.to or route.when for route in step.routes.values())
        and not (step.form or step.form_schema or step.when)
    )


def passing(name: str, team: str = "", title: str = "") -> Step:
    """A step that only passes on."""
    return Step(name, kind="decision", team=team, title=title, routes={PASS: Route(PASS)})


def unique(wanted: str, taken: Iterable[str]) -> str:
    """The name, or with a number behind it when it is taken; case does not tell names apart."""
    known = {name.casefold() for name in taken}
    name, number = wanted, 2
    while name.casefold() in known:
        name, number = f"{wanted}_{number}", number + 1
    return name


def slug(text: str, otherwise: str) -> str:
    """A text as a name of the map."""
    found = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[:60].strip("_")
    return found or re.sub(r"[^A-Za-z0-9]+", "_", otherwise).strip("_")[:60].strip("_") or "step"


def identifier(name: str) -> str:
    """A name as an XML id."""
    found = re.sub(r"[^A-Za-z0-9_.-]", "_", name)
    return found if re.match(r"[A-Za-z_]", found) else f"_{found}"
