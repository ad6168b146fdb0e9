"""Known answers of the assessment on real data that nobody here wrote."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from accord.lifecycle.assess import AssessAnalysis, analyze
from accord.lifecycle.context import StepContext
from accord.workspace import open_workspace

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
NOW = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
def marketplace(shared_data: Path, tmp_path: Path, postgres_url: str) -> AssessAnalysis:
    variables = {"data": str(shared_data / "marketing"), "payments_url": postgres_url}
    with open_workspace(EXAMPLES / "olist", root=tmp_path, variables=variables) as workspace:
        return analyze(StepContext(workspace, "r1", NOW))


@pytest.mark.shared_data
def test_repeated_reviews_and_negative_handoffs_of_the_marketplace_are_found(marketplace: AssessAnalysis) -> None:
    """Traps in the data: 34 repeated review ids, 90 orders with several reviews, 68 handovers before the approval, no deal without lead."""
    counts = {(f.kind, f.subject): f.count for f in marketplace.findings}

    assert counts["repeated_value", "survey_tool/order_reviews.id"] == 34
    assert counts["too_many", "survey_tool/order_reviews.order_id"] == 90
    assert counts["rule_reported", "crm/orders.carrier_before_approval"] == 68
    assert not [key for key in counts if key[0] in ("orphan", "unreachable", "unreadable")]


@pytest.mark.shared_data
def test_an_unloaded_ledger_is_no_heap_of_missing_payments(marketplace: AssessAnalysis) -> None:
    """Before the first load the target is empty: a step to do, and not 8,924 defects."""
    assert not [d for d in marketplace.defects.to_pylist() if d["kind"] == "missing_record"]
    assert {m.target: m.value.value for m in marketplace.metrics}["accuracy"] == 1.0
