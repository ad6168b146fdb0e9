"""The sample organization's declared defects, which only tests know, against what the assessment finds from systems and map alone."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from accord.lifecycle.assess import analyze
from accord.lifecycle.context import StepContext
from accord.workspace import open_workspace

accord_marketing_operations = pytest.importorskip("accord_marketing_operations.demo")


def test_the_declared_defects_are_found_and_no_others(tmp_path: Path) -> None:
    """At least 95 % of what is wrong, and at most 5 % of what is not."""
    demo = accord_marketing_operations.prepare(tmp_path / "demo", seed=11, campaigns=60)
    truth = json.loads((tmp_path / "demo" / "truth.json").read_text())["defects"]
    declared = {(d["kind"], d["system"], d["resource"], tuple(map(str, d["key"])), d["field"]) for d in truth}

    with open_workspace(demo.map_folder, root=tmp_path / "state", variables=demo.variables) as workspace:
        analysis = analyze(StepContext(workspace, "r1", datetime(2026, 11, 1, tzinfo=UTC)))

    found = {(d["kind"], d["system"], d["resource"], _key(d["key"]), d["field"] or "") for d in analysis.defects.to_pylist()}
    kinds = {kind for kind, *_ in declared}
    assert len(kinds) >= 9
    assert len(declared & found) >= 0.95 * len(declared), sorted(declared - found)[:10]
    assert len(found - declared) <= 0.05 * len(found), sorted(found - declared)[:10]
    for kind in kinds:
        hit, of = sum(d in found for d in declared if d[0] == kind), sum(d[0] == kind for d in declared)
        assert hit >= 0.9 * of, f"{kind}: {hit} of {of}"


def _key(text: str) -> tuple[str, ...]:
    return tuple(map(str, json.loads(text))) if text.startswith("[") else (text,)
