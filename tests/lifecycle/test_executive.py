"""The executive page and the six steps before it on one small organization: what it says, and that it says the same twice."""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from accord.lifecycle.actions import first_actions
from accord.lifecycle.areas import AREAS, area_states
from accord.lifecycle.context import StepContext
from accord.lifecycle.executive import build
from accord.lifecycle.runner import record_findings, run_step, write_document
from accord.lifecycle.scoreboard import Scoreboard, scoreboard
from accord.lifecycle.standing import standing_findings
from accord.model.event import Event
from accord.model.figure import Figure, Finding, TargetResult
from accord.report.stamp import without_stamp

OpenStep = Callable[..., StepContext]
SIX = ("integrate", "optimize", "coordinate", "improve", "benchmark", "evolve")


def walk(ctx: StepContext) -> dict[str, str]:
    """Run the six steps and write the executive page; every page's text without its stamp, by name."""
    pages = {}
    for step in SIX:
        for done in run_step(step, ctx).deliverables:
            pages[f"{step}/{done.document.name}"] = without_stamp(done.markdown.read_text()) + without_stamp(done.html.read_text())
    written = write_document(build(ctx), ctx)
    pages["executive"] = without_stamp(written.markdown.read_text()) + without_stamp(written.html.read_text())
    return pages


@pytest.fixture(scope="module")
def walked(open_shared_step: OpenStep) -> tuple[StepContext, dict[str, str]]:
    """A run that is over, with the text of its pages."""
    ctx = open_shared_step()
    return ctx, walk(ctx)


@pytest.fixture
def studio(walked: tuple[StepContext, dict[str, str]], tmp_path: Path) -> Path:
    """A folder as the run left it, for this test alone."""
    return Path(shutil.copytree(walked[0].workspace.deliverables.parent, tmp_path / "after"))


@pytest.fixture
def open_next(open_step_in: Callable[[Path], OpenStep], studio: Path) -> OpenStep:
    """Contexts of the runs after it."""
    return open_step_in(studio)


def test_pages_are_byte_identical_on_a_repeated_run_with_unchanged_inputs(open_next: OpenStep) -> None:
    """After the first run has brought the systems into agreement, a run changes nothing but the stamps."""
    second = walk(open_next("run2"))
    third = walk(open_next("run3"))

    assert {name for name in second if second[name] != third[name]} == set()


def test_a_step_taken_up_again_under_its_run_repeats_itself(open_step: OpenStep) -> None:
    """A crash after the pages and before the end of the step must not make the repeat fail on its own events."""
    ctx = open_step(done=("assess", "design", "integrate"))

    first = run_step("optimize", ctx)
    again = run_step("optimize", ctx)
    third = run_step("optimize", ctx)

    assert first.changed
    assert not again.changed
    assert not third.changed


def test_no_page_is_without_content_and_no_reason_stands_twice_as_a_missing_release(walked: tuple[StepContext, dict[str, str]]) -> None:
    """What is not there yet is said at most once on a page."""
    for name, text in walked[1].items():
        markdown = text.partition("<!doctype")[0]
        assert markdown.count("later release") <= 1, name
        assert markdown.count("\n## ") >= 1, name
        assert "not part of this release" not in markdown, name


def test_the_first_lines_say_where_we_stand_and_what_to_do_first(walked: tuple[StepContext, dict[str, str]]) -> None:
    """By hand: of 40 handoffs 24 are accepted first time and in time, the target is 90 %."""
    ctx, _ = walked

    document = build(ctx)

    assert document.summary == "Of 1 target: 1 missed. First: close the gap to «Nine of ten handoffs in time»."
    assert [s.title for s in document.sections][:3] == ["Where we stand", "What to do first", "The five areas"]
    (target,) = scoreboard(ctx.workspace).targets
    assert target.value.value == 24 / 40
    text = (ctx.workspace.deliverables / "run" / "executive.md").read_text()
    assert "8 of 40 handoffs from Sales desk to Shop floor wait longer than agreed, 48 h beyond it in all" in text
    for area in AREAS:
        assert f"\n| {area} |" in text


def test_links_of_the_executive_page_lead_to_pages_that_are_there(walked: tuple[StepContext, dict[str, str]]) -> None:
    """The page is the entrance to all others."""
    ctx, _ = walked

    folder = ctx.workspace.deliverables / "run"
    html = (folder / "executive.html").read_text()
    links = set(re.findall(r'href="(\.\./[^"]+)"', html))
    assert len(links) >= 25
    assert [link for link in links if not (folder / link).is_file() and "/assess/" not in link] == []


def test_without_any_step_the_page_says_so(open_step: OpenStep) -> None:
    """Nothing was measured, and nothing is claimed."""
    document = build(open_step(done=()))

    assert document.summary == "No target was judged yet."
    assert {s.state for s in area_states({}, ())} == {"not measured: its steps did not run yet"}


def see(ctx: StepContext, kind: str, subject: str, flow: str = "clients") -> None:
    record_findings("assess", [Finding(kind, subject, "words", "problem", detail={"flow": flow})], ctx)


def prove(ctx: StepContext, differing: int, number: int, flow: str = "clients") -> None:
    pair = {"left": "crm", "right": "desk", "keys": 3, "missing": differing, "extra": 0, "different": 0}
    body: dict[str, Any] = {"flow": flow, "run": ctx.run, "pairs": [pair]}
    ctx.workspace.store.append([Event(f"proof:{number}", "flow.reconciled", ctx.now, "test", body)])


def kinds(ctx: StepContext) -> list[str]:
    return [f["kind"] for f in standing_findings(ctx.workspace.store, ctx.workspace.map)]


def test_a_difference_is_settled_by_a_later_proof_of_agreement(open_step: OpenStep) -> None:
    """What was synchronized since is no news; a proof before the finding, or one with differences, settles nothing."""
    ctx = open_step()
    prove(ctx, 0, 1)
    see(ctx, "missing_record", "desk/clients")
    assert kinds(ctx) == ["missing_record"]

    prove(ctx, 2, 2)
    assert kinds(ctx) == ["missing_record"]

    prove(ctx, 0, 3)
    assert kinds(ctx) == []


@pytest.mark.parametrize(
    ("subject", "flow", "stands"),
    [("crm/clients.tier", "clients", True), ("web/orders.client", "orders", False), ("crm/orders.client", "orders", True)],
)
def test_a_wrong_value_is_settled_only_where_the_system_receives(open_step: OpenStep, subject: str, flow: str, stands: bool) -> None:
    """Systems can agree on a wrong value; only what was overwritten from elsewhere is mended."""
    ctx = open_step()
    see(ctx, "unit_error", subject, flow)
    prove(ctx, 0, 1, flow)

    assert kinds(ctx) == (["unit_error"] if stands else [])


def test_a_duplicate_is_never_settled_by_agreement(open_step: OpenStep) -> None:
    """A proof compares keys, and a duplicate has one."""
    ctx = open_step()
    see(ctx, "duplicate_record", "desk/clients")
    prove(ctx, 0, 1)

    assert kinds(ctx) == ["duplicate_record"]


def test_broken_flows_come_before_missed_targets_and_those_before_rows(open_step: OpenStep) -> None:
    """The order in which things must be done."""
    target = TargetResult("together", "In time", Figure("k", 0.5, "share"), None, "≥ 90 %", "not met")
    board = Scoreboard((target,), (), (), ())

    def row(kind: str, count: int = 1, **detail: Any) -> dict[str, Any]:
        told = {"kind": kind, "subject": "orders", "sentence": "because", "owner": "floor"}
        return told | {"severity": "problem", "count": count, "detail": detail}

    rows = [row("bad_code", 7, step="assess"), row("quarantine", 3), row("late_handoffs", hours=5.0), row("unreachable"), row("no_owner")]

    actions = first_actions(open_step().workspace.map, board, rows)

    assert [a.what.split()[0] for a in actions] == ["Bring", "Close", "Shorten", "Correct", "Mend", "Settle"]
    assert actions[0].who == "Shop floor"


def test_a_missed_metric_is_what_comes_next_in_its_area() -> None:
    """The metrics an area is told by come before the others."""

    def metric(target: str, value: float, verdict: str) -> dict[str, Any]:
        return {
            "target": target,
            "title": target,
            "value": value,
            "unit": "share",
            "wanted": "≥ 90.0 %",
            "verdict": verdict,
            "not_measured": "",
        }

    states = area_states({"coordinate": [metric("other", 0.1, "not met"), metric("alignment", 0.5, "not met")]}, ())

    (governance,) = (s for s in states if s.area == "Governance")
    assert governance.following == "Alignment: 50.0 %, wanted ≥ 90.0 %"
    assert governance.met == "0 of 2"


def test_a_flow_that_is_broken_now_is_first_on_the_page(open_next: OpenStep, studio: Path) -> None:
    """A system that went away between two runs shows at the top, not below what was fine before."""
    (studio / "web.db").rename(studio / "gone.db")
    ctx = open_next("run2")
    walk(ctx)

    assert "First: bring back what flow 'orders' could not reach." in build(ctx).summary
    with sqlite3.connect(studio / "desk.db") as db:
        assert db.execute("SELECT count(*) FROM clients").fetchone() == (40,)
