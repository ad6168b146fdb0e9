"""The rollout on three real systems: waves, gates, systems that are away, and what is said about it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from accord.lifecycle.agreement import agreement
from accord.lifecycle.context import StepContext
from accord.lifecycle.integrate.waves import IntegrateAnalysis, analyze, wave_of
from accord.lifecycle.runner import run_step
from accord.model.errors import UnknownName
from accord.model.figure import TargetResult

OpenStep = Callable[..., StepContext]


def metric(analysis: IntegrateAnalysis, name: str) -> TargetResult:
    return next(m for m in analysis.metrics if m.target == name)


def test_every_flow_runs_and_is_proven_wave_by_wave(open_step: OpenStep, organization: Path) -> None:
    """A flow belongs to the latest wave of its systems; what arrived can be read in the target."""
    analysis = analyze(open_step())

    outcomes = [(o.flow, o.wave, o.status, o.reconciled) for o in analysis.outcomes]
    assert outcomes == [("clients", 1, "done", True), ("orders", 3, "done", True)]
    arrived = {(c.flow, c.target): (c.due, c.verified) for c in analysis.changes}
    assert arrived == {("clients", "desk"): (40, 40), ("orders", "web"): (40, 40)}
    with sqlite3.connect(organization / "web.db") as db:
        assert db.execute("SELECT count(*) FROM orders").fetchone() == (40,)
    assert (metric(analysis, "implementation_success").value.value, metric(analysis, "reliability").verdict) == (1.0, "met")


def test_a_wave_under_its_gate_holds_the_later_waves_back(open_step: OpenStep, organization: Path) -> None:
    """Nothing is built on a foundation that does not stand; the flows held back count as not implemented."""
    (organization / "desk.db").unlink()

    ctx = open_step()
    analysis = analyze(ctx)

    assert [(o.flow, o.status) for o in analysis.outcomes] == [("clients", "unreachable")]
    assert analysis.held_back == {3: "0 of 1 flow of wave 1 are active and in agreement, 95% are needed"}
    assert {f.kind for f in analysis.findings} == {"unreachable", "wave_held_back"}
    assert (metric(analysis, "implementation_success").value.value, metric(analysis, "implementation_success").value.n) == (0.0, 2)
    with sqlite3.connect(organization / "web.db") as db:
        assert db.execute("SELECT count(*) FROM orders").fetchone() == (0,)


def test_a_system_that_is_away_fails_only_its_own_flows(open_step: OpenStep, organization: Path) -> None:
    """The flows beside it in the same wave go on."""
    text = (organization / "studio.yaml").read_text()
    early = text.replace("title: Web shop, owner: floor, priority: 3", "title: Web shop, owner: floor, priority: 1")
    (organization / "studio.yaml").write_text(early)
    (organization / "web.db").unlink()

    analysis = analyze(open_step())

    assert {o.flow: (o.status, o.reconciled) for o in analysis.outcomes} == {"orders": ("unreachable", False), "clients": ("done", True)}
    assert metric(analysis, "reliability").value.value == 0.5
    (finding,) = (f for f in analysis.findings if f.kind == "unreachable")
    assert (finding.subject, finding.owner, finding.severity) == ("orders", "floor", "problem")
    assert "web" in finding.sentence


def test_one_wave_can_be_run_by_itself(open_step: OpenStep) -> None:
    """``--wave 3`` leaves the others alone, and a wave without flows is named as unknown."""
    analysis = analyze(open_step(wave=3))

    assert [o.flow for o in analysis.outcomes] == ["orders"]
    assert metric(analysis, "implementation_success").value.n == 1
    with pytest.raises(UnknownName, match="wave"):
        analyze(open_step("run2", wave=4))


def test_a_row_that_breaks_the_contract_lowers_the_strict_share_and_not_the_adjusted(open_step: OpenStep, organization: Path) -> None:
    """F5: quarantined is a failure of the strict share; the adjusted leaves out what breaks its own source's contract."""
    with sqlite3.connect(organization / "crm.db") as db:
        db.execute("INSERT INTO clients VALUES ('C99', 'silver')")
    db.close()

    analysis = analyze(open_step())

    strict, adjusted = metric(analysis, "synchronization_success").value, metric(analysis, "synchronization_success_adjusted").value
    assert (strict.value, strict.n) == (80 / 81, 81)
    assert (adjusted.value, adjusted.n) == (1.0, 80)
    (kept,) = (f for f in analysis.findings if f.kind == "quarantine")
    assert (kept.subject, kept.count) == ("clients", 1)


def test_handoffs_between_waves_are_those_between_teams_whose_systems_belong_to_different_waves(open_step: OpenStep) -> None:
    """By hand: 40 handoffs; every fourth was sent back, every fifth late; from a team of wave 1 to itself there is none to count."""
    across = metric(analyze(open_step()), "coordination_across_waves").value

    # sales owns crm (wave 1), floor owns desk (wave 1) and web (wave 3): both start in wave 1
    assert across.value is None
    assert across.not_measured == "the systems of all teams belong to one wave"


def test_handoffs_across_waves_count_first_time_and_in_time(open_step: OpenStep, organization: Path) -> None:
    """The same handoffs with the desk owned by sales: the floor's systems begin in wave 3."""
    text = (organization / "studio.yaml").read_text()
    (organization / "studio.yaml").write_text(text.replace("title: Service desk, owner: floor", "title: Service desk, owner: sales"))

    across = metric(analyze(open_step()), "coordination_across_waves")

    good = sum(i % 4 != 0 and i % 5 != 0 for i in range(40))
    assert (across.value.value, across.value.n, across.verdict) == (good / 40, 40, "not met")


def test_the_map_is_colored_by_what_the_last_comparison_found(open_step: OpenStep) -> None:
    """Each line says how many keys agree; a flow that failed is bad whatever was found before."""
    ctx = open_step()
    analyze(ctx)
    store, integration_map = ctx.workspace.store, ctx.workspace.map

    good = agreement(store, integration_map)
    failed = agreement(store, integration_map, {"orders": "unreachable"})

    assert {k: (s.text, s.level) for k, s in good.items()} == {
        ("clients", "crm"): ("40 keys", "good"),
        ("clients", "desk"): ("40 keys", "good"),
        ("orders", "crm"): ("40 keys", "good"),
        ("orders", "web"): ("40 keys", "good"),
    }
    assert (failed["orders", "web"].level, failed["clients", "crm"].level) == ("bad", "good")


def test_every_page_of_the_step_says_something_and_names_things_by_their_titles(open_step: OpenStep) -> None:
    """A wave without flows says where the flows are; no page is empty."""
    report = run_step("integrate", open_step())

    texts = {d.document.name: d.markdown.read_text() for d in report.deliverables}
    assert len(texts) == 6
    assert "Clients everywhere" in texts["foundation-implementation"]
    assert "not measured: the map has no flow in wave 4." in texts["professional-management"]
    assert "Orders to the shop" in texts["professional-management"]
    assert "<svg" in next(d for d in report.deliverables if d.document.name == "cross-priority-coordination").html.read_text()


def test_the_data_is_validated_after_the_rollout_and_its_gaps_have_an_owner_and_a_remedy(open_step: OpenStep, organization: Path) -> None:
    """The scores stand on what the systems show in the end, and claim only the validations that could be measured."""
    with sqlite3.connect(organization / "crm.db") as db:
        db.execute("INSERT INTO clients VALUES (NULL, 'gold')")
    db.close()
    ctx = open_step()

    page = next(d for d in run_step("integrate", ctx).deliverables if d.document.name == "data-validation")

    text = page.markdown.read_text()
    assert "Completeness" in text
    assert "id: key is missing" in text
    assert "fill it in there" in text
    assert set(page.document.covers) == {"V1", "V2", "V3", "V4", "V5"}
    assert len(list(ctx.workspace.store.read(types=["check.evaluated"]))) == 2


def test_flows_take_the_latest_wave_of_their_systems_unless_they_name_one(open_step: OpenStep) -> None:
    """A flow cannot run before the last system it needs."""
    integration_map = open_step().workspace.map

    assert {name: wave_of(integration_map, flow) for name, flow in integration_map.flows.items()} == {"clients": 1, "orders": 3}


def test_rows_that_a_rollout_agrees_on_start_their_processes(open_step: OpenStep, organization: Path) -> None:
    """Which command carried a change must not matter to the process that waits for it; a row it cannot take is told."""
    studio = organization / "studio.yaml"
    starts = """
  welcome:
    owner: sales
    case: client
    variables: {tier: {type: text, required: true}}
    starts: {new: {entity: client, existing: start}}
    steps: {call: {team: sales}}
targets:"""
    studio.write_text(studio.read_text().replace("\ntargets:", starts))
    with sqlite3.connect(organization / "crm.db") as db:
        db.execute("UPDATE clients SET tier = NULL WHERE id = 'C0'")
    db.close()

    analysis = analyze(open_step())

    begun = [b for o in analysis.outcomes for b in o.begun]
    assert (sum(bool(b.instance) for b in begun), len(begun)) == (39, 40)
    (refused,) = [f for f in analysis.findings if f.kind == "start_refused"]
    assert "tier" in refused.sentence


def test_a_row_that_rows_of_a_later_wave_point_at_is_deleted_with_them(
    family: Callable[..., Any], open_step_in: Callable[..., Any]
) -> None:
    """The gate would wait for the delete, the delete for the later wave, and that for the gate."""
    two = family()
    map_ = two.folder / "map.yaml"
    map_.write_text(
        map_.read_text()
        .replace("{entity: parents,", "{entity: parents, priority: 1,")
        .replace("{entity: things,", "{entity: things, priority: 3,")
    )
    two.sql("a", "INSERT INTO parents VALUES ('p', ''), ('q', '')")
    two.sql("a", "INSERT INTO things VALUES ('1', '', 'p'), ('2', '', 'q')")
    open_step = open_step_in(two.folder)
    assert not analyze(open_step("run1")).held_back
    two.sql("a", "DELETE FROM things WHERE id = '1'")
    two.sql("a", "DELETE FROM parents WHERE id = 'p'")

    analysis = analyze(open_step("run2"))

    assert two.keys("b") == {"parents": "q", "things": "2"}
    assert [(o.flow, o.wave, o.status, o.reconciled) for o in analysis.outcomes] == [
        ("parents", 1, "done", True),
        ("things", 3, "done", True),
    ]
    assert [(c.flow, c.due, c.verified) for c in analysis.changes] == [("parents", 1, 1), ("things", 1, 1)]
