"""Coverage is computed from what ran; nothing is covered because someone wrote that it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from accord.govern.coverage import Claim, Proof, coverage, declared_ids, ran_ids, unknown_ids
from accord.model.event import Event
from accord.model.flow import Flow
from accord.model.goals import Review, Risk, Target
from accord.model.integration_map import IntegrationMap
from accord.model.process import Process, Step
from accord.store import Store, open_store

NOW = datetime(2026, 1, 5, tzinfo=UTC)
SPEC = {
    "F5": "Synchronization success",
    "S1": "Events to analytics",
    "W1": "Requirements",
    "K8": "Efficiency",
    "R1": "Systems disagree",
    "X9": "Else",
}
MAP = IntegrationMap(
    name="demo",
    flows={"events": Flow("events", entity="event", bindings={}, covers=("S1",))},
    processes={"plan": Process("plan", steps={"brief": Step("brief", covers=("W1",))})},
    targets={"efficiency": Target("efficiency", kpi="efficiency", improve_by=0.4, covers=("K8",))},
    risks={"disagree": Risk("disagree", indicator="sync_success", covers=("R1",))},
    reviews={"monthly": Review("monthly", covers=("K18",))},
)
DECLARED = declared_ids(MAP, kpis={"sync_success": ["F5"]})


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(str(tmp_path / "store.db"), segments=tmp_path / "segments")
    yield opened
    opened.close()


def _append(store: Store, type_: str, number: int = 1, **attributes: object) -> None:
    store.append([Event(f"{type_}:{number}:{attributes}", type_, NOW, "test", {"run": "r1"} | attributes)])


def _status(store: Store, name: str, *, run: str | None = None) -> str:
    rows = coverage(SPEC, declared=DECLARED, ran=ran_ids(store, MAP, run=run))
    return next(row.status for row in rows if row.id == name)


def test_nothing_is_demonstrated_before_anything_ran(store: Store) -> None:
    """A list kept by hand would say otherwise."""
    rows = coverage(SPEC, declared=DECLARED, ran=ran_ids(store, MAP))

    assert [row.id for row in rows] == list(SPEC)
    assert {row.id: row.status for row in rows} == {
        "F5": "implemented",
        "S1": "implemented",
        "W1": "implemented",
        "K8": "implemented",
        "R1": "implemented",
        "X9": "not yet",
    }


def test_kpi_demonstrates_only_with_a_value(store: Store) -> None:
    """«not measured» is an honest answer, not a demonstration."""
    _append(store, "kpi.measured", kpi="sync_success", dims={}, value=None, not_measured="no change was due", unit="share", covers=["F5"])
    assert _status(store, "F5") == "implemented"

    _append(store, "kpi.measured", kpi="sync_success", dims={}, value=0.98, not_measured="", unit="share", covers=["F5"])

    assert _status(store, "F5") == "demonstrated"
    assert _status(store, "R1") == "demonstrated"  # the risk's indicator is live


def test_breakdown_of_a_kpi_does_not_speak_for_the_whole(store: Store) -> None:
    """One team's figure must not cover for a whole that could not be measured."""
    _append(store, "kpi.measured", kpi="sync_success", dims={"flow": "a"}, value=1.0, not_measured="", unit="share", covers=["F5"])

    assert _status(store, "F5") == "implemented"


def test_flow_demonstrates_only_when_its_run_is_done(store: Store) -> None:
    """A flow that failed, or left rows unapplied, has not kept its systems in agreement."""
    _append(store, "flow.run_finished", flow="events", status="failed", counts={}, seconds=1, state={}, covers=["S1"])
    assert _status(store, "S1") == "implemented"

    _append(store, "flow.run_finished", 2, flow="events", status="done", counts={}, seconds=1, state={}, covers=["S1"])

    assert _status(store, "S1") == "demonstrated"


@pytest.mark.parametrize(("verdict", "status"), [("met", "demonstrated"), ("not met", "implemented"), ("not measured", "implemented")])
def test_target_demonstrates_only_when_met(store: Store, verdict: str, status: str) -> None:
    """An acceptance that was missed must never read as shown."""
    figure = {"name": "efficiency", "value": 0.5}
    judged = {"target": "efficiency", "title": "", "value": figure, "baseline": None, "wanted": "+40 %", "verdict": verdict, "note": ""}
    _append(store, "target.judged", covers=["K8"], **judged)

    assert _status(store, "K8") == status


def _work(store: Store, instance: str, *, ended: bool, step: str = "brief") -> None:
    common = {"instance": instance, "process": "plan"}
    rows: list[tuple[str, dict[str, object]]] = [
        ("process.started", {"definition": "d", "case": "c", "by": "ann"}),
        ("task.ready", {"task": f"{instance}/{step}", "step": step, "kind": "human", "state": "ready", "number": 1}),
        ("task.started", {"task": f"{instance}/{step}", "step": step, "by": "ann"}),
        ("task.completed", {"task": f"{instance}/{step}", "step": step, "by": "ann", "variables": {}}),
        *([("process.completed", {})] if ended else []),
    ]
    store.append([Event(f"{instance}:{n}", type_, NOW, "test", common | more) for n, (type_, more) in enumerate(rows)])


def test_step_is_demonstrated_when_an_instance_that_came_to_its_end_did_it(store: Store) -> None:
    """An instance that is still under way, or stuck, has not shown that the process can be gone to its end."""
    assert _status(store, "W1") == "implemented"
    _work(store, "i1", ended=False)
    assert _status(store, "W1") == "implemented"

    _work(store, "i2", ended=True)

    row = next(r for r in coverage(SPEC, declared=DECLARED, ran=ran_ids(store, MAP)) if r.id == "W1")
    assert (row.status, row.evidence[0].split(" (event")[0]) == ("demonstrated", "step plan.brief: done in 1 instance")
    assert _status(store, "W1", run="r1") == "implemented"  # people work in no run


def test_step_that_lacks_something_of_an_id_does_not_demonstrate_it(store: Store) -> None:
    """Half of a requirement, done a hundred times, is still half of it."""
    half = {"brief": Step("brief", covers=("W1",), lacks={"W1": "no capacity check"})}
    lacking = replace(MAP, processes={"plan": Process("plan", steps=half)})
    _work(store, "i1", ended=True)

    row = coverage({"W1": ""}, declared=declared_ids(lacking, kpis={}), ran=ran_ids(store, lacking))[0]

    assert row.status == "implemented"
    assert "lacks: no capacity check" in row.evidence[0]


def test_an_id_with_two_claims_needs_both() -> None:
    """Half of a requirement is not the requirement; what is missing is named."""
    both = {"F5": [Claim("KPI", "a"), Claim("KPI", "b")]}

    half = coverage(SPEC, declared=both, ran={"F5": [Proof(Claim("KPI", "a"), True, "98.0 %", 4)]})[0]
    full = coverage(SPEC, declared=both, ran={"F5": [Proof(Claim("KPI", n), True, "1", 4) for n in "ab"]})[0]

    assert (half.status, full.status) == ("implemented", "demonstrated")
    assert half.evidence == ("KPI a: 98.0 % (event 4)", "KPI b: did not run")


def test_later_run_outweighs_an_earlier_one() -> None:
    """What worked last month and fails today is not demonstrated."""
    claim = Claim("flow", "events")
    proofs = [Proof(claim, False, "failed", 9), Proof(claim, True, "done", 3)]

    assert coverage({"S1": ""}, declared={"S1": [claim]}, ran={"S1": proofs})[0].status == "implemented"


def test_deliverable_counts_when_written_though_nobody_declared_it(store: Store) -> None:
    """A deliverable says what it covers only in its document."""
    _append(store, "deliverable.written", step="assess", name="report", sha="0", path="x", covers=["X9"])

    assert _status(store, "X9") == "demonstrated"


def test_only_the_run_asked_for_counts(store: Store) -> None:
    """«Demonstrated in this run» must not borrow from another."""
    _append(store, "flow.run_finished", flow="events", status="done", counts={}, seconds=1, state={}, covers=["S1"])

    assert _status(store, "S1", run="r1") == "demonstrated"
    assert _status(store, "S1", run="r2") == "implemented"


def test_review_counts_when_held(store: Store) -> None:
    """A review that is only planned has looked at nothing."""
    spec = {"K18": "Review cycle"}
    before = coverage(spec, declared=DECLARED, ran=ran_ids(store, MAP))[0].status
    times = {"due_at": "2026-02-02T00:00:00+00:00", "until": "2026-03-01T00:00:00+00:00"}
    _append(store, "review.held", review="monthly", period="2026-01", every="month", by="ann", facts={"open": 0}, **times)

    assert (before, coverage(spec, declared=DECLARED, ran=ran_ids(store, MAP))[0].status) == ("implemented", "demonstrated")


def test_misspelled_ids_are_named() -> None:
    """A claim on an id that does not exist would vanish in silence."""
    assert unknown_ids(SPEC, DECLARED) == {"K18": ("review monthly",)}
