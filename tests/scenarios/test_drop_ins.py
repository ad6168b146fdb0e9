"""Extension is one new file: a connector, a KPI and a deliverable, each added without an edit elsewhere."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src" / "accord"
Run = Callable[..., CompletedProcess[str]]

CONNECTOR = '''
"""A connector for folders of semicolon-separated files with the ending .ssv."""

from accord.connectors.csv_folder import CsvConnector


class SemicolonConnector(CsvConnector):
    """CSV, separated by semicolons."""

    kind = "semicolons"
    endings = (".ssv",)
    _separator = ";"
'''

KPI = """-- name: cheap_customers
-- title: Customers who spent little
-- unit: share
-- better: lower
-- aggregate: ratio
-- cluster: customer
-- window: all
-- source: a drop-in test
-- example: none
SELECT id AS "cluster", CAST(spent < 100 AS INTEGER) AS numerator, 1 AS denominator, CAST(NULL AS TIMESTAMPTZ) AS "at" FROM entity_customer
"""

DELIVERABLE = '''
"""Deliverable: a page that was not there before."""

from accord.report.document import Document, Paragraph, Section


def build(ctx, analysis):
    """One sentence."""
    return Document("weather-report", "Weather report", "assess", (Section("Today", (Paragraph("sunny"),)),))
'''


@pytest.fixture
def installation(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """A copy of the engine, so that the file dropped in lies in the engine's own folders."""
    home = tmp_path / "engine"
    # With its compiled form, which is as old as its source; only what another process is just writing of it stays behind.
    shutil.copytree(SOURCE, home / "accord", ignore=shutil.ignore_patterns("*.pyc.*"))
    return home / "accord", {"PYTHONPATH": str(home)}


def answer(result: CompletedProcess[str]) -> dict[str, Any]:
    assert result.returncode in (0, 1), result.stdout + result.stderr
    body: dict[str, Any] = json.loads(result.stdout)
    return body


def test_a_connector_is_one_file(installation: tuple[Path, dict[str, str]], tmp_path: Path, run_process: Run) -> None:
    """A team with an unusual system must not have to fork the engine."""
    engine, env = installation
    (engine / "connectors" / "semicolons.py").write_text(CONNECTOR)
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "people.ssv").write_text("id;name\n1;Ana\n2;Ben\n")
    (tmp_path / "map.yaml").write_text('name: m\nsystems:\n  s: {connector: semicolons, at: "${map}/files"}\n')

    checks = answer(run_process("doctor", tmp_path / "map.yaml", "--json", env=env))["checks"]

    assert {"name": "system s", "status": "ok", "detail": "semicolons, 2 rows in people"} in checks


def test_a_kpi_is_one_file(shop: Path, run_accord: Run) -> None:
    """What an organization wants to know differs; a question is one query."""
    (shop / "kpis").mkdir()
    (shop / "kpis" / "cheap_customers.sql").write_text(KPI)

    run_accord("sync", shop)
    kpis = {k["name"]: k for k in answer(run_accord("measure", shop, "--json"))["kpis"] if not k["dims"]}

    assert kpis["cheap_customers"]["value"] == pytest.approx(9 / 60)
    assert kpis["cheap_customers"]["n"] == 60


def test_a_deliverable_is_one_file(installation: tuple[Path, dict[str, str]], shop: Path, run_process: Run) -> None:
    """A page that only one organization needs is a file, not a change of the step."""
    engine, env = installation
    (engine / "lifecycle" / "assess" / "weather_report.py").write_text(DELIVERABLE)

    names = [d["name"] for d in answer(run_process("assess", shop, "--json", env=env))["deliverables"]]

    assert "weather-report" in names
    assert "sunny" in (shop / "deliverables" / "assess" / "weather-report.md").read_text()
