"""The words of BPMN 2.0 files: name spaces, the elements that are taken, and what an import gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from accord.mapfile.bpmn.diagram import Diagram
from accord.mapfile.problems import Problem
from accord.model.errors import MapError
from accord.model.organization import Team
from accord.model.process import Process

BPMN: Final = "http://www.omg.org/spec/BPMN/20100524/MODEL"
DI: Final = "http://www.omg.org/spec/BPMN/20100524/DI"
DC: Final = "http://www.omg.org/spec/DD/20100524/DC"
DD: Final = "http://www.omg.org/spec/DD/20100524/DI"
XSI: Final = "http://www.w3.org/2001/XMLSchema-instance"
OWN: Final = "urn:accord:bpmn:1"
SQL: Final = "urn:accord:sql"

PEOPLE: Final = frozenset({"task", "userTask", "manualTask"})
CALLS: Final = frozenset({"serviceTask", "sendTask"})
STEPS: Final = PEOPLE | CALLS | {"receiveTask", "callActivity", "subProcess", "intermediateCatchEvent"}
GATEWAYS: Final = frozenset({"exclusiveGateway", "parallelGateway"})
EVENTS: Final = frozenset({"startEvent", "endEvent", "boundaryEvent"})
TAKEN: Final = STEPS | GATEWAYS | EVENTS
# Of a drawing, or of data: they change no path. They are told and left out.
DRAWN: Final = frozenset(
    {"textAnnotation", "association", "group", "dataObject", "dataObjectReference", "dataStoreReference", "property", "ioSpecification",
     "dataInputAssociation", "dataOutputAssociation", "auditing", "monitoring"}
)  # fmt: skip
SIGNAL_KEY: Final = "'signal'"
_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class ImportedProcesses:
    """What a file gives: its processes, those of its inner subprocesses after the one that runs them.

    Args:
        processes: by name.
        teams: one for each lane, by the name steps use.
        diagrams: the positions of each process that has any.
        left_out: what the processes do not carry, none of which changes a path.
    """

    processes: Mapping[str, Process]
    teams: Mapping[str, Team] = field(default_factory=dict)
    diagrams: Mapping[str, Diagram] = field(default_factory=dict)
    left_out: tuple[Problem, ...] = ()


class BpmnProblems(MapError):
    """A file that cannot be read as processes: ``problems`` holds every mistake, the message the first 20; ``place`` is the first's."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        first = self.problems[0]
        super().__init__(first.message, place=first.place, expected=first.expected)
        if len(self.problems) > 1:
            lines = [f"{len(self.problems)} problems in the diagram:", *(f"  {p}" for p in self.problems[:_SHOWN])]
            if len(self.problems) > _SHOWN:
                lines.append(f"  and {len(self.problems) - _SHOWN} more.")
            self.args = ("\n".join(lines),)
