"""KPIs and connectors that the map names are installed."""

from __future__ import annotations

from collections.abc import Iterator

from accord.mapfile.problems import Problem
from accord.mapfile.rules.facts import Facts


def check(facts: Facts) -> Iterator[Problem]:
    """KPIs and kinds of system that nobody provides; nothing when what there is was not given."""
    if facts.known_connectors is not None:
        for system in facts.map.systems.values():
            if system.connector and system.connector not in facts.known_connectors:
                where = ("systems", system.name, "connector")
                yield facts.unknown(where, f"system '{system.name}'", "connector", system.connector, facts.known_connectors)
    if facts.known_kpis is not None:
        for path, holder, kpi in _kpis(facts):
            if kpi and kpi not in facts.known_kpis:
                yield facts.unknown(path, holder, "KPI", kpi, facts.known_kpis)


def _kpis(facts: Facts) -> Iterator[tuple[tuple[str, ...], str, str]]:
    for target in facts.map.targets.values():
        yield ("targets", target.name, "kpi"), f"target '{target.name}'", target.kpi
    for objective in facts.map.objectives.values():
        for position, kpi in enumerate(objective.kpis):
            yield ("objectives", objective.name, "kpis", str(position)), f"objective '{objective.name}'", kpi
    for risk in facts.map.risks.values():
        yield ("risks", risk.name, "indicator"), f"risk '{risk.name}'", risk.indicator
    for value in facts.map.unit_values.values():
        yield ("unit_values", value.name, "kpi"), f"unit value '{value.name}'", value.kpi
    for process in facts.map.processes.values():
        for step in process.steps.values():
            yield ("processes", process.name, "steps", step.name, "kpi"), f"process '{process.name}', step '{step.name}'", step.kpi
