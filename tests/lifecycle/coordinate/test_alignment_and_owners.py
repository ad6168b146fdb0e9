"""Objectives, responsibilities and their holes."""

from __future__ import annotations

from accord.lifecycle.coordinate.alignment import align
from accord.lifecycle.coordinate.responsibilities import Responsibility, responsibilities
from accord.model.entity import Entity, Field
from accord.model.flow import Binding, Flow
from accord.model.goals import Objective
from accord.model.integration_map import IntegrationMap
from accord.model.process import HandoffRule, Process, Step
from accord.model.system import System

ITEM = Entity("item", ("id",), {"id": Field("id", "text")}, owner="red")


def an_objective(**more: object) -> Objective:
    return Objective("o", "A goal", **({"owner": "red", "kpis": ("k",), "processes": ("p",)} | more))  # type: ignore[arg-type]


def a_map(objective: Objective, process: Process) -> IntegrationMap:
    flow = Flow("items", "item", {"crm": Binding("crm", "items", {})}, owner="red")
    return IntegrationMap(
        "m",
        systems={"crm": System("crm", "csv", "x", owner="red")},
        entities={"item": ITEM},
        flows={"items": flow},
        processes={process.name: process},
        objectives={"o": objective},
    )


def test_an_objective_is_aligned_with_a_measured_kpi_and_an_owned_process() -> None:
    """Nothing else enters the metric: a missing flow or owner of the objective is a hole of its own."""
    integration_map = a_map(an_objective(owner=""), Process("p", owner="red"))

    (row,) = align(integration_map, {"k"})

    assert row.aligned
    assert row.holes == ("no flow feeds its processes", "nobody answers for it")


def test_a_kpi_without_a_value_leaves_the_objective_open() -> None:
    """A KPI that is declared and never measured shows nothing."""
    (row,) = align(a_map(an_objective(), Process("p", owner="red", case="item")), set())

    assert not row.aligned
    assert (row.measured, row.unmeasured) == ((), ("k",))
    assert row.holes == ("none of its KPIs has a value",)


def test_a_process_without_an_owner_leaves_the_objective_open() -> None:
    """Somebody must bring it about."""
    (row,) = align(a_map(an_objective(), Process("p", case="item")), {"k"})

    assert not row.aligned
    assert row.holes == ("none of its processes has an owner",)


def test_a_flow_feeds_a_process_by_its_case_or_by_its_handoffs() -> None:
    """Both are data the process runs on."""
    by_case = align(a_map(an_objective(), Process("p", owner="red", case="item")), {"k"})
    by_handoff = align(a_map(an_objective(), Process("p", owner="red", handoffs=HandoffRule(entity="item"))), {"k"})

    assert by_case[0].flows == by_handoff[0].flows == ("items",)


def find(rows: tuple[Responsibility, ...], kind: str, name: str) -> Responsibility:
    return next(r for r in rows if (r.kind, r.name) == (kind, name))


def with_owners(*, flow: str, entity: str, step: str = "red") -> IntegrationMap:
    return IntegrationMap(
        "m",
        systems={n: System(n, "csv", "x", owner=o) for n, o in (("crm", "red"), ("desk", "blue"), ("web", "green"))},
        entities={"item": Entity("item", ("id",), {"id": Field("id", "text")}, owner=entity)},
        flows={
            "items": Flow(
                "items",
                "item",
                {"crm": Binding("crm", "i", {}), "desk": Binding("desk", "i", {}), "web": Binding("web", "i", {}, direction="write")},
                owner=flow,
            )
        },
        processes={"p": Process("p", owner="red", steps={"s": Step("s", step), "t": Step("t", "blue")})},
    )


def test_responsible_give_and_informed_only_receive() -> None:
    """The system of a write-only binding has nothing to decide."""
    row = find(responsibilities(with_owners(flow="red", entity="red")), "flow", "items")

    assert (row.accountable, row.responsible, row.informed, row.conflict) == (("red",), ("blue", "red"), ("green",), "")


def test_a_thing_without_an_owner_is_a_conflict() -> None:
    """Nobody is accountable, however many work on it."""
    rows = responsibilities(with_owners(flow="", entity=""))

    assert find(rows, "flow", "items").conflict == "nobody"
    assert find(rows, "entity", "item").conflict == "nobody"
    assert find(rows, "system", "crm").conflict == ""


def test_a_flow_and_its_data_with_different_owners_are_a_conflict() -> None:
    """Two teams would answer for the same rows."""
    row = find(responsibilities(with_owners(flow="blue", entity="red")), "flow", "items")

    assert (row.conflict, row.accountable) == ("two owners", ("blue", "red"))


def test_a_step_nobody_does_is_a_conflict_of_its_process() -> None:
    """The process has an owner and the step has no hands."""
    row = find(responsibilities(with_owners(flow="red", entity="red", step="")), "process", "p")

    assert (row.conflict, row.missing) == ("steps without a team", ("s",))
