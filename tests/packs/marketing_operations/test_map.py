"""The pack's map, KPI files and list of ids hold together."""

from __future__ import annotations

from pathlib import Path

import pytest
from ruamel.yaml import YAML

import accord_marketing_operations
from accord.govern.coverage import coverage, declared_ids, unknown_ids
from accord.mapfile import lint, load_map
from accord.measure.example import run_example
from accord.measure.kpi import Kpi, discover_kpis, load_kpi
from accord.model.integration_map import IntegrationMap
from accord.workspace import known_connectors

PACK = Path(accord_marketing_operations.__file__).parent
KPI_FILES = sorted((PACK / "kpis").glob("*.sql"))


@pytest.fixture(scope="module")
def integration_map() -> IntegrationMap:
    return load_map(PACK / "map")


@pytest.fixture(scope="module")
def spec() -> dict[str, str]:
    found: dict[str, str] = YAML(typ="safe", pure=True).load(PACK / "specification.yaml")
    return found


@pytest.mark.parametrize(
    "variables",
    [{}, {"data": "/somewhere", "tracker_connector": "postgresql", "tracker_at": "postgresql://host/db"}],
    ids=["sqlite", "postgresql"],
)
def test_map_has_no_mistakes(variables: dict[str, str]) -> None:
    """The map ships with the pack, so nobody can mend it before the first run."""
    problems = lint(PACK / "map", variables=variables, known_kpis=discover_kpis(), known_connectors=known_connectors())

    assert problems == []


def test_every_id_of_the_specification_is_listed_once(spec: dict[str, str]) -> None:
    """An id that is left out of the list could never be missed."""
    sizes = {
        "D": 10,
        "A": 5,
        "W": 12,
        "C": 5,
        "Y": 5,
        "S": 11,
        "V": 5,
        "I": 5,
        "O": 5,
        "E": 10,
        "T": 5,
        "M": 10,
        "Z": 10,
        "R": 11,
        "K": 18,
        "F": 21,
    }
    wanted = {f"{letter}{n}" for letter, size in sizes.items() for n in range(1, size + 1)} | {f"X{n}" for n in range(6)}

    assert set(spec) == wanted
    assert all(title and len(title) <= 60 for title in spec.values())


def test_everything_that_claims_an_id_claims_one_that_exists(integration_map: IntegrationMap, spec: dict[str, str]) -> None:
    """A misspelled id would claim nothing, in silence."""
    kpis = {name: kpi.covers for name, kpi in discover_kpis(integration_map).items()}

    assert unknown_ids(spec, declared_ids(integration_map, kpis=kpis)) == {}


def test_before_anything_ran_nothing_is_demonstrated(integration_map: IntegrationMap, spec: dict[str, str]) -> None:
    """Coverage is computed from what ran; what the engine can carry out is implemented until somebody has done it."""
    kpis = {name: kpi.covers for name, kpi in discover_kpis(integration_map).items()}

    rows = {row.id: row.status for row in coverage(spec, declared=declared_ids(integration_map, kpis=kpis), ran={})}

    assert "demonstrated" not in rows.values()
    assert all(rows[name] == "implemented" for name in (*(f"W{n}" for n in range(1, 13)), *(f"C{n}" for n in range(1, 6))))
    assert all(rows[f"K{n}"] == "implemented" for n in range(6, 11))


def test_acceptance_targets_are_those_of_the_specification(integration_map: IntegrationMap) -> None:
    """A softer number in the map would turn a miss into a success."""
    goals = {
        t.kpi: next(v for v in (t.at_least, t.at_most, t.improve_by, t.reduce_by) if v is not None)
        for t in integration_map.targets.values()
    }

    assert goals == {
        "sync_success": 0.95,
        "coordination_effectiveness": 0.9,
        "operations_efficiency": 0.4,
        "handoff_time": 0.8,
        "handoff_time_p90": 0.6,
        "campaign_delivery_success": 0.25,
        "traceability": 0.98,
    }
    assert all(t.owner for t in integration_map.targets.values())


def test_every_flow_says_who_answers_for_it_and_who_wins(integration_map: IntegrationMap) -> None:
    """Two systems that may both be believed need a rule for disagreement that does not depend on the order of a file."""
    for flow in integration_map.flows.values():
        assert flow.owner in integration_map.teams, flow.name
        believed = [b for b in flow.bindings.values() if b.direction != "write"]
        assert len(believed) == 1 or "*" in flow.authority, flow.name


def test_every_entity_is_kept_by_exactly_one_flow(integration_map: IntegrationMap) -> None:
    """An entity of two flows would have two agreed values; one of none could not be measured."""
    kept = [flow.entity for flow in integration_map.flows.values()]

    assert sorted(kept) == sorted(integration_map.entities)


@pytest.mark.parametrize("path", KPI_FILES, ids=lambda p: p.stem)
def test_worked_example_of_a_kpi_gives_what_it_says(path: Path) -> None:
    """The example is the definition in numbers; it must be what the query does."""
    kpi: Kpi = load_kpi(path)

    result = run_example(kpi)

    assert result.value == pytest.approx(result.expected)


def test_kpis_apply_to_the_pack_map(integration_map: IntegrationMap) -> None:
    """A KPI of the pack that reads an entity the map lacks would always be «not measured»."""
    own = {p.stem for p in KPI_FILES}

    assert own == {name for name, kpi in discover_kpis(integration_map).items() if name in own and kpi.applies_to(integration_map)}
