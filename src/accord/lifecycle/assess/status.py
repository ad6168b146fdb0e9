"""Every declared system asked what it is: reachable, how fast, what it holds, what may be written, when it last changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from accord.connectors.protocol import Connector
from accord.lifecycle.progress import Progress
from accord.model.errors import AccordError
from accord.model.figure import Evidence, Finding
from accord.model.integration_map import IntegrationMap
from accord.model.system import System, SystemDescription


@dataclass(frozen=True)
class SystemStatus:
    """A system as declared and as found; ``description`` is ``None`` when it could not be reached, and ``reason`` says why."""

    system: System
    description: SystemDescription | None
    reason: str = ""
    flows_in: tuple[str, ...] = ()
    flows_out: tuple[str, ...] = ()

    @property
    def reachable(self) -> bool:
        """It answered."""
        return self.description is not None

    @property
    def rows(self) -> int:
        """Rows of all its resources."""
        return sum(r.row_count for r in self.description.resources) if self.description else 0

    @property
    def latency(self) -> str:
        """The time of the answer as a class, so that two runs say the same."""
        if self.description is None:
            return "no answer"
        return "at once" if self.description.latency_ms < 2000 else "slowly: 2 s or more"


def ask_systems(integration_map: IntegrationMap, connectors: Mapping[str, Connector], progress: Progress) -> tuple[SystemStatus, ...]:
    """Ask every declared system; one that does not answer stops nobody else."""
    found = []
    progress.begin("systems", len(integration_map.systems))
    for name, system in integration_map.systems.items():
        progress.advance(name)
        flows_in, flows_out = flows_of(integration_map, name)
        try:
            described = connectors[name].describe()
        except AccordError as error:
            found.append(SystemStatus(system, None, str(error), flows_in, flows_out))
        else:
            found.append(SystemStatus(system, described, "", flows_in, flows_out))
    return tuple(found)


def flows_of(integration_map: IntegrationMap, system: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The flows that write into a system, and those that read from it."""
    bound = [(f.name, b) for f in integration_map.flows.values() for b in f.bindings.values() if b.holder == system]
    return tuple(n for n, b in bound if b.direction != "read"), tuple(n for n, b in bound if b.direction != "write")


def unreachable_findings(statuses: Sequence[SystemStatus]) -> tuple[Finding, ...]:
    """A finding for each system that could not be reached."""
    return tuple(
        Finding(
            "unreachable",
            s.system.name,
            f"{s.reason} Until it answers, {_list(sorted({*s.flows_in, *s.flows_out}))} cannot run.",
            "problem",
            owner=s.system.owner,
            evidence=(Evidence("scan", s.system.name),),
        )
        for s in statuses
        if not s.reachable
    )


def _list(flows: Sequence[str]) -> str:
    return "no flow" if not flows else "flow " + flows[0] if len(flows) == 1 else "flows " + ", ".join(flows)
