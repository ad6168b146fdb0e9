"""Contracts over time, growth, and what the loss of a system would take along."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from accord.lifecycle.context import StepContext
from accord.lifecycle.evolve.contracts import check_contracts, compared
from accord.lifecycle.evolve.growth import AHEAD_WEEKS, WEEKS_NEEDED, forecast_growth
from accord.lifecycle.evolve.replaceability import check_replaceability
from accord.lifecycle.evolve.soundness import check_flows
from accord.model.entity import Entity, Field, Rule
from accord.model.event import Event
from accord.model.flow import Binding, FieldMapping, Flow
from accord.model.integration_map import IntegrationMap
from accord.model.system import System
from accord.store import Store


def entity(*, rules: dict[str, str] | None = None, key: tuple[str, ...] = ("id",), **fields: Field) -> Entity:
    held = {"id": Field("id", "text", required=True)} | fields
    return Entity("item", key, held, rules={n: Rule(n, check, "why") for n, check in (rules or {}).items()})


BASE = entity(
    code=Field("code", "text", values=("a", "b")), size=Field("size", "integer", minimum="1", maximum="9"), rules={"r": "size > 0"}
)


def changed(**more: Any) -> Entity:
    rules = more.pop("rules", {"r": "size > 0"})
    fields = {"code": BASE.fields["code"], "size": BASE.fields["size"]} | more
    return entity(rules=rules, **{n: f for n, f in fields.items() if f is not None})


@pytest.mark.parametrize(
    ("after", "compatibility", "wanted"),
    [
        (changed(), "unchanged", ""),
        (changed(note=Field("note", "text")), "compatible", "1.3.0"),
        (changed(note=Field("note", "text", required=True)), "breaking", "2.0.0"),
        (changed(code=None), "breaking", "2.0.0"),
        (changed(code=Field("code", "text", values=("a", "b", "c"))), "compatible", "1.3.0"),
        (changed(size=Field("size", "integer", minimum="2", maximum="8")), "breaking", "2.0.0"),
        (changed(size=Field("size", "integer", unit="cm", minimum="1", maximum="9")), "breaking", "2.0.0"),
        (changed(rules={"r": "size > 0", "s": "size < 7"}), "breaking", "2.0.0"),
    ],
)  # fmt: skip
def test_a_change_and_its_version_are_judged_as_by_contract_check(after: Entity, compatibility: str, wanted: str) -> None:
    """One rule in all of the product: what a run stops for is breaking in the evolution report, too."""
    before, problem = replace(BASE, version="1.2.0"), f"a {compatibility} change needs {wanted}, the map says 1.2.0"

    found = compared(before, replace(after, version="1.2.0"))

    assert (found.compatibility, found.version_problem) == (compatibility, problem if wanted else "")
    assert not compared(before, replace(after, version=wanted or "1.2.0")).version_problem


def test_versions_that_are_no_numbers_have_to_be_others() -> None:
    """Which of two words comes later nobody can tell."""
    after = changed(code=None)

    assert compared(replace(BASE, version="spring"), replace(after, version="spring")).version_problem
    assert not compared(replace(BASE, version="spring"), replace(after, version="autumn")).version_problem


def test_a_wrong_version_stays_a_finding_until_it_is_right(open_step: Callable[..., StepContext]) -> None:
    """A run on an unchanged map says the same as the one before; the new version settles it."""
    ctx = open_step()
    assert {c.compatibility for c in check_contracts(ctx)} == {"first"}

    def as_map(item: Entity, run: str) -> str:
        entities = {**ctx.workspace.map.entities, "client": item}
        ctx.workspace.map = replace(ctx.workspace.map, entities=entities)
        return next(c for c in check_contracts(replace(ctx, run=run)) if c.entity == "client").version_problem

    client = ctx.workspace.map.entities["client"]
    broken = replace(client, fields={"id": client.fields["id"]})

    assert as_map(broken, "run2") == as_map(broken, "run2") == as_map(broken, "run3") == "a breaking change needs 2.0.0, the map says 1.0.0"
    assert as_map(replace(broken, version="2.0.0"), "run4") == ""


@given(st.integers(1, 500), st.integers(0, 40), st.integers(WEEKS_NEEDED + AHEAD_WEEKS, 60))
def test_a_known_line_is_forecast_exactly(start: int, slope: int, weeks: int) -> None:
    """Where history is a line, the next eight weeks are on it and the error in the past is none."""
    growth = forecast_growth([float(start + slope * w) for w in range(weeks)])

    coming = [start + slope * w for w in range(weeks, weeks + AHEAD_WEEKS)]
    assert growth.forecast == pytest.approx(sum(coming) / AHEAD_WEEKS)
    assert (growth.low, growth.high) == (pytest.approx(growth.forecast, rel=1e-6), pytest.approx(growth.forecast, rel=1e-6))
    assert growth.mape == pytest.approx(0.0, abs=1e-9)


def test_the_error_is_the_mean_of_the_weekly_percentage_errors() -> None:
    """Errors of both signs do not cancel: a flat history of 100, then weeks of 50 and 200, is wrong by 75 % and not by 20 %."""
    growth = forecast_growth([100.0] * 20 + [50.0, 200.0] * 4)

    assert growth.mape == pytest.approx((1.0 + 0.5) / 2)


def test_weeks_without_an_event_have_no_percentage_error() -> None:
    """A share of nothing is no number."""
    growth = forecast_growth([100.0] * 20 + [0.0] * 7 + [50.0])

    assert growth.mape == pytest.approx(1.0)


def test_the_interval_is_that_of_the_mean_of_eight_new_weeks() -> None:
    """Computed a second time by the matrix form of least squares."""
    counts = np.array([90, 110, 95, 120, 100, 130, 105, 125, 118, 140, 111, 133, 128, 150], dtype=float)

    growth = forecast_growth(list(counts))

    n = len(counts)
    x = np.column_stack([np.ones(n), np.arange(n)])
    beta, *_ = np.linalg.lstsq(x, counts, rcond=None)
    sigma2 = float(np.sum((counts - x @ beta) ** 2)) / (n - 2)
    new = np.column_stack([np.ones(AHEAD_WEEKS), np.arange(n, n + AHEAD_WEEKS)]).mean(axis=0)
    half = float(stats.t.ppf(0.975, n - 2)) * np.sqrt(sigma2 * (1 / AHEAD_WEEKS + new @ np.linalg.inv(x.T @ x) @ new))
    assert growth.forecast == pytest.approx(float(new @ beta))
    assert (growth.low, growth.high) == (pytest.approx(float(new @ beta) - half), pytest.approx(float(new @ beta) + half))


def test_a_short_history_gives_a_reason_and_no_forecast() -> None:
    """Twelve weeks are needed."""
    growth = forecast_growth([10.0] * (WEEKS_NEEDED - 1))

    assert (growth.forecast, growth.mape) == (None, None)
    assert growth.reason == "11 whole weeks of history; 12 are needed"


def fields(*names: str, **mapped: FieldMapping) -> dict[str, FieldMapping]:
    return {n: FieldMapping(n, n) for n in names} | mapped


def lost(**bindings: dict[str, FieldMapping]) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    flow = Flow("items", "item", {n: Binding(n, "items", held) for n, held in bindings.items()})
    systems = {n: System(n, "csv", n) for n in bindings}
    integration_map = IntegrationMap("m", systems=systems, entities={"item": BASE}, flows={"items": flow})
    return {s.system: (s.only_holder_of, s.lost_fields) for s in check_replaceability(integration_map)}


def test_a_field_that_no_other_system_keeps_would_be_lost() -> None:
    """The system with it cannot be replaced, the others can."""
    assert lost(crm=fields("id", "code", "size"), desk=fields("id", "code")) == {"crm": ((), ("item.size",)), "desk": ((), ())}


def test_data_of_one_system_alone_would_be_lost_whole() -> None:
    """A flow with one system copies nothing."""
    assert lost(crm=fields("id")) == {"crm": (("item",), ())}


def test_a_constant_or_a_derived_value_is_no_copy() -> None:
    """What the map adds, or a system only computes, cannot fill a replacement."""
    constant = fields("id", code=FieldMapping("code", value="a"))
    derived = fields("id", code=FieldMapping("code", read="upper(note)"))

    assert lost(crm=fields("id", "code"), desk=constant)["crm"] == ((), ("item.code",))
    assert lost(crm=fields("id", "code"), desk=derived)["crm"] == ((), ("item.code",))
    assert lost(crm=fields("id", "code"), desk=constant)["desk"] == ((), ())


def a_proof(flow: str, at: datetime, differing: int, number: int) -> Event:
    pair = {"left": "crm", "right": "desk", "keys": 3, "missing": differing, "extra": 0, "different": 0}
    return Event(f"proof:{number}", "flow.reconciled", at, "test", {"flow": flow, "run": f"r{number}", "pairs": [pair]})


def test_a_flow_is_sound_with_owner_checks_version_and_a_month_in_agreement(step_store: Store, step_now: datetime) -> None:
    """Each thing that is missing is named; a difference two months ago does not count any more."""
    day = timedelta(days=1)
    bare = Entity("bare", ("id",), {"id": Field("id", "text")}, version="one")
    flows = {
        "good": Flow("good", "item", {}, owner="red"),
        "bare": Flow("bare", "bare", {}),
        "shaky": Flow("shaky", "item", {}, owner="red"),
        "never": Flow("never", "item", {}, owner="red"),
    }
    integration_map = IntegrationMap("m", entities={"item": BASE, "bare": bare}, flows=flows)
    times = [("good", 60, 2), ("good", 5, 0), ("bare", 5, 0), ("shaky", 9, 1), ("shaky", 1, 0)]
    step_store.append([a_proof(flow, step_now - ago * day, n, i) for i, (flow, ago, n) in enumerate(times)])

    found = {f.flow: f for f in check_flows(step_store, integration_map, now=step_now, carrying={"good"}, bad_versions=())}

    assert found["good"].sound
    assert found["bare"].lacks == ("an owner", "a check in its contract", "a contract version of the form 1.2.3")
    assert found["shaky"].lacks == ("agreement in all comparisons of the last month",)
    assert found["never"].lacks == ("a comparison in the last month",)


def test_a_flow_is_idle_only_after_a_quarter_without_a_change(step_store: Store, step_now: datetime) -> None:
    """Systems that agreed at first contact are no sign that a flow is not needed."""
    flows = {n: Flow(n, "item", {}, owner="red") for n in ("young", "old", "busy")}
    integration_map = IntegrationMap("m", entities={"item": BASE}, flows=flows)
    ages = {"young": 20, "old": 100, "busy": 100}
    step_store.append([a_proof(f, step_now - timedelta(days=d), 0, i) for i, (f, d) in enumerate(ages.items())])

    found = check_flows(step_store, integration_map, now=step_now, carrying={"busy"}, bad_versions=())

    assert [f.flow for f in found if f.idle(step_now)] == ["old"]
