"""The two examples on real data: known answers that are exact, from map, mapping and KPI files alone."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from accord.connectors.registry import open_connector
from accord.mapfile import lint, load_map
from accord.measure import discover_kpis, import_logs, judge_targets, known_kpis, measure_kpis, open_measure
from accord.model.figure import Figure
from accord.store import Store
from accord.sync import run_flow

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("example", ["helpdesk", "olist"])
def test_the_example_maps_have_no_mistake(example: str) -> None:
    """They are what people copy."""
    folder = ROOT / "examples" / example

    assert lint(folder, {}, known_kpis=known_kpis(folder)) == []


def test_the_help_desk_gives_its_known_handoffs(store: Store, shared_data: Path) -> None:
    """2,998 handoffs without the automatic close, median 41.3 h, p90 332.6 h; an import twice is an import once."""
    integration_map = load_map(ROOT / "examples" / "helpdesk", {"data": str(shared_data / "marketing")})
    (result,) = import_logs(integration_map, store, base=ROOT, now=NOW, run="r1")
    (again,) = import_logs(integration_map, store, base=ROOT, now=NOW, run="r2")

    with open_measure(integration_map, store, now=NOW) as measure:
        kpis = discover_kpis(integration_map)
        found = {f.name: f for f in measure_kpis(measure, kpis, run="r1") if not f.dims}
        pairs = [f for f in measure_kpis(measure, [kpis["handoff_time"]]) if f.dims]
        verdicts = {r.target: r.verdict for r in judge_targets(measure, kpis)}

    assert (result.events, result.cases, result.quarantined, again.changed) == (17_080, 3_698, 0, False)
    assert (found["handoff_time"].n, found["handoff_time_p90"].n) == (2_998, 2_998)
    assert (found["handoff_time"].show()[:6], found["handoff_time_p90"].show()[:7]) == ("41.3 h", "332.6 h")
    assert sum(f.n or 0 for f in pairs) == 2_998
    assert all(dict(f.dims)["from_team"] != dict(f.dims)["to_team"] for f in pairs)
    assert found["coordination_effectiveness"].not_measured
    assert verdicts == {"handoff_within_two_days": "met", "rework": "met"}


def test_the_marketplace_gives_its_known_answers(store: Store, shared_data: Path, postgres_url: str) -> None:
    """Late share, reviews, approval to carrier, negative handoffs, deals; and the payments stand in PostgreSQL to the cent."""
    folder = ROOT / "examples" / "olist"
    integration_map = load_map(folder, {"data": str(shared_data / "marketing"), "payments_url": postgres_url})
    connectors = {name: open_connector(system, base=folder) for name, system in integration_map.systems.items()}
    for flow in integration_map.flows:
        assert run_flow(integration_map, flow, connectors, store, run="r1", now=NOW).status == "done"
    repeat = run_flow(integration_map, "payments", connectors, store, run="r2", now=NOW)
    for connector in connectors.values():
        connector.close()

    with open_measure(integration_map, store, now=NOW) as measure:
        found = {f.name: f for f in measure_kpis(measure, discover_kpis(integration_map), breakdown=False)}

    assert shown(found, "late_share", 3) == (0.080, 5_164)
    assert [shown(found, n, 2) for n in ("review_on_time", "review_late")] == [(4.28, 4_814), (2.50, 418)]
    assert [found[n].value for n in ("repeated_review_ids", "further_reviews")] == [34.0, 90.0]
    assert [shown(found, n, 1) for n in ("approval_to_carrier", "approval_to_carrier_p90")] == [(42.6, 5_171), (142.4, 5_171)]
    assert [found[n].value for n in ("negative_handoffs", "invalid_handoffs")] == [68.0, 68.0]
    assert shown(found, "handoff_time", 1) == (43.5, 5_103)  # without the 68
    assert (found["deals_joined"].value, found["deals_joined"].n) == (1.0, 842)
    assert (found["sync_success"].value, found["sync_success"].n) == (1.0, 8_924)
    assert not repeat.changed
    with psycopg.connect(postgres_url) as con:
        assert con.execute("SELECT count(*), sum(payment_value)::text FROM payments").fetchone() == (8_924, cents(shared_data))


def shown(found: dict[str, Figure], name: str, digits: int) -> tuple[float, int | None]:
    value = found[name].value
    assert value is not None, found[name].not_measured
    return round(value, digits), found[name].n


def cents(shared_data: Path) -> str:
    """The sum of all payments by plain Python."""
    import csv
    from decimal import Decimal

    with (shared_data / "marketing" / "olist" / "order_payments.csv").open(encoding="utf-8", newline="") as file:
        return str(sum((Decimal(row["payment_value"]) for row in csv.DictReader(file)), Decimal("0.00")))
