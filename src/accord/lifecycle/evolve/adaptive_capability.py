"""Deliverable: what happens to each flow when a schema changes, and what would break if a system were lost."""

from __future__ import annotations

from accord.lifecycle.context import StepContext
from accord.lifecycle.evolve.analysis import EvolveAnalysis
from accord.lifecycle.titles import counted, flow_title, system_title
from accord.report.document import Document, Paragraph, Section, Table

_MEANING = {
    "stop": "nothing is written until the map is changed",
    "quarantine": "rows wait until the map is changed",
    "evolve": "the field counts as not provided and the rest goes on",
}
_MANY = 8
_DRY_RUN = (
    "A dry run on the map: for each field of the system, does another system of the same flow keep it too? It says that a replacement "
    "could be filled, not how long that takes."
)


def build(ctx: StepContext, analysis: EvolveAnalysis) -> Document:
    """The answer of the flows to drift, and the loss of each system."""
    integration_map = ctx.workspace.map
    by_answer: dict[str, list[str]] = {}
    for flow in integration_map.flows.values():
        by_answer.setdefault(flow.drift, []).append(flow_title(integration_map, flow.name))
    drift = tuple((answer, _MEANING[answer], str(len(flows)), _some(flows)) for answer, flows in sorted(by_answer.items()))
    lost = tuple(
        (
            system_title(integration_map, s.system),
            str(len(s.flows)),
            _some([e.replace("_", " ") for e in s.only_holder_of]),
            _some(list(s.lost_fields)),
            "yes" if s.passes else "no",
        )
        for s in sorted(analysis.systems, key=lambda s: (s.passes, -len(s.flows), s.system))
    )
    answers = Table(("Answer", "What happens", "Flows", "Which"), drift, align="llrl", empty="the map has no flows", evidence="map")
    systems = Table(
        ("System", "Flows on it", "Data only it holds", "Fields only it holds", "Replaceable"),
        lost,
        align="lrlll",
        empty="the map has no systems",
        evidence="bindings of the map",
    )
    sections = (
        Section("When a schema changes", (answers,)),
        Section("When a system is lost", (Paragraph(_DRY_RUN, "note"), systems)),
    )
    ready = sum(s.passes for s in analysis.systems)
    summary = f"{ready} of {counted(len(analysis.systems), 'system')} could be filled again from the others." if analysis.systems else ""
    return Document("adaptive-capability", "Adaptive capability", "evolve", sections, summary)


def _some(names: list[str]) -> str:
    """The first names, and how many more."""
    shown = "; ".join(names[:_MANY])
    return f"{shown}; and {len(names) - _MANY} more" if len(names) > _MANY else shown or "—"
