"""Deliverable: who is accountable for what, and where that is not clear."""

from __future__ import annotations

from accord.lifecycle.context import StepContext
from accord.lifecycle.coordinate.analysis import CoordinateAnalysis
from accord.lifecycle.coordinate.responsibilities import Responsibility
from accord.lifecycle.coordinate.words import conflict_words, what
from accord.lifecycle.titles import counted, flow_title, process_title, sentence, system_title, team_title
from accord.model.integration_map import IntegrationMap
from accord.report.document import Block, Document, Paragraph, Section, Table

_RACI = (
    "Accountable is the owner in the map. Responsible are the teams whose systems give the data, or who do the steps; informed are the "
    "owners of systems that only receive it."
)


def build(ctx: StepContext, analysis: CoordinateAnalysis) -> Document:
    """Conflicts first, then what each team answers for, then RACI of flows and processes."""
    integration_map = ctx.workspace.map
    unclear = [r for r in analysis.raci if r.conflict]
    conflicts: Block = Paragraph("Exactly one team is accountable for each system, entity, flow and process.")
    if unclear:
        rows = tuple((sentence(what(integration_map, r)), sentence(conflict_words(integration_map, r))) for r in unclear)
        conflicts = Table(("What", "What is not clear"), rows, evidence="owners in the map")
    sections = (
        Section("Conflicts", (conflicts,)),
        Section("What each team answers for", (_by_team(integration_map, analysis.raci),)),
        Section("Who does what for it", (Paragraph(_RACI, "note"), _raci(integration_map, analysis.raci))),
    )
    summary = f"{counted(len(analysis.raci), 'responsibility', 'responsibilities')} checked, {counted(len(unclear), 'conflict')} found."
    return Document("coordination-excellence-framework", "Coordination framework", "coordinate", sections, summary, analysis.metrics)


def _title(integration_map: IntegrationMap, item: Responsibility) -> str:
    titles = {"system": system_title, "flow": flow_title, "process": process_title}
    found = titles.get(item.kind)
    return found(integration_map, item.name) if found else item.name.replace("_", " ")


def _by_team(integration_map: IntegrationMap, raci: tuple[Responsibility, ...]) -> Table:
    kinds = ("system", "entity", "process")
    teams = [*integration_map.teams, *sorted({r.accountable[0] for r in raci if r.accountable} - integration_map.teams.keys())]
    rows = []
    for team in teams:
        own = [[_title(integration_map, r) for r in raci if r.kind == kind and r.accountable[:1] == (team,)] for kind in kinds]
        flows = sum(r.kind == "flow" and r.accountable[:1] == (team,) for r in raci)
        declared = integration_map.teams.get(team)
        person = (declared.owner if declared else "") or "—"
        rows.append((team_title(integration_map, team), person, *("; ".join(names) or "—" for names in own), str(flows)))
    columns = ("Team", "Person", "Systems", "Data", "Processes", "Flows")
    return Table(columns, tuple(rows), align="lllllr", empty="the map declares no team", evidence="map")


def _raci(integration_map: IntegrationMap, raci: tuple[Responsibility, ...]) -> Table:
    def teams(names: tuple[str, ...]) -> str:
        return ", ".join(team_title(integration_map, n) for n in names) or "—"

    rows = tuple(
        (_title(integration_map, r), r.kind, teams(r.accountable[:1]), teams(r.responsible), teams(r.informed))
        for r in raci
        if r.kind in ("flow", "process")
    )
    columns = ("Flow or process", "Kind", "Accountable", "Responsible", "Informed")
    return Table(columns, rows, empty="the map has no flow and no process", evidence="owners in the map")
