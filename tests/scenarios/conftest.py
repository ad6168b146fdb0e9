"""A small organization in three real systems, for stories that run Accord from outside."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from accord.cli.main import main

ROOT = Path(__file__).resolve().parents[2]

MAP = """
name: shop
title: A small shop
variables: {systems: "${map}/systems"}
teams:
  sales: {title: Sales, domain: marketing, owner: Ana}
  service: {title: Service, domain: operations, owner: Ben}
systems:
  crm: {connector: sqlite, at: "${systems}/crm.db", owner: sales, priority: 1}
  desk: {connector: csv, at: "${systems}/desk", owner: service, priority: 1, resources: {clients: {key: [client]}}}
  mail: {connector: jsonl, at: "${systems}/mail", owner: sales, priority: 3, resources: {people: {key: [person]}}}
entities:
  customer:
    key: [id]
    owner: sales
    fields:
      id: {type: text, required: true}
      email: {type: text, pattern: "[^@ ]+@[^@ ]+"}
      tier: {type: text, values: [basic, gold]}
      spent: {type: "number(12,2)", unit: EUR, minimum: 0}
  passage:
    key: [id]
    owner: service
    fields:
      id: {type: text, required: true}
      customer: {type: text, required: true, references: customer}
      from_team: text
      to_team: text
      offered: timestamp
      accepted: timestamp
      started: timestamp
      attempts: integer
      sla_hours: double
flows:
  customers:
    entity: customer
    owner: sales
    freshness: 15m
    authority: {"*": crm, tier: desk}
    bindings:
      crm: {resource: customers, fields: {id: id, email: email, tier: tier, spent: {column: spent_cents, unit: cent}}}
      desk: {resource: clients, fields: {id: client, email: mail, tier: {column: level, codes: {B: basic, G: gold}}}}
      mail: {resource: people, direction: write, fields: {id: person, email: address}}
  passages:
    entity: passage
    owner: service
    freshness: 1h
    bindings:
      crm:
        resource: passages
        direction: read
        fields: {id: id, customer: customer, from_team: from_team, to_team: to_team, offered: offered, accepted: accepted,
                 started: started, attempts: attempts, sla_hours: sla_hours}
processes:
  care:
    owner: service
    case: customer
    handoffs: {entity: passage, case: customer, from_team: from_team, to_team: to_team, offered: offered, accepted: accepted,
               started: started, attempts: attempts, sla_hours: sla_hours}
targets:
  sync: {kpi: sync_success, title: Synchronization, at_least: 0.95}
  quick: {kpi: handoff_time, title: Quick handoffs, reduce_by: 0.8}
objectives:
  agree: {title: One truth, owner: sales, kpis: [sync_success], processes: [care]}
"""


def accord(*arguments: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command line as a user would, in its own process."""
    environment = os.environ | {"NO_COLOR": "1"} | (env or {})
    return subprocess.run(
        [sys.executable, "-m", "accord", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=240,
        cwd=cwd,
        env=environment,
        check=False,
    )


def inside(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The same command in this process: what it prints and answers is the same, and starting a process costs more than most commands."""
    given = [str(argument) for argument in arguments]
    said, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(errors):
        code = main(given)
    return subprocess.CompletedProcess(given, code, said.getvalue(), errors.getvalue())


@pytest.fixture
def run_accord(monkeypatch: pytest.MonkeyPatch) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Commands in this process."""
    monkeypatch.setenv("NO_COLOR", "1")
    return inside


@pytest.fixture(scope="session")
def run_process() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Commands in a process of their own, where the process is what the test is about."""
    return accord


def build_shop(folder: Path, customers: int = 60) -> Path:
    """Write the map and the three systems; they disagree in known ways: 3 mails differ, 2 customers are missing at the desk."""
    systems = folder / "systems"
    (systems / "desk").mkdir(parents=True)
    (systems / "mail").mkdir()
    (folder / "shop.yaml").write_text(MAP)
    with sqlite3.connect(systems / "crm.db") as db:
        db.execute("CREATE TABLE customers (id TEXT PRIMARY KEY, email TEXT, tier TEXT, spent_cents INTEGER)")
        rows = [(f"C{i:03}", f"c{i}@example.org", "gold" if i % 5 == 0 else "basic", i * 1234) for i in range(customers)]
        db.executemany("INSERT INTO customers VALUES (?, ?, ?, ?)", rows)
        db.execute(
            "CREATE TABLE passages (id TEXT PRIMARY KEY, customer TEXT, from_team TEXT, to_team TEXT, offered TIMESTAMP, "
            "accepted TIMESTAMP, "
            "started TIMESTAMP, attempts INTEGER, sla_hours REAL)"
        )
        for i in range(customers):
            day, hours = 1 + i % 27, 2 + i % 40
            offered = f"2026-03-{day:02}T08:00:00+00:00"
            accepted = f"2026-03-{day + hours // 16:02}T{8 + hours % 16:02}:00:00+00:00"
            values = (f"P{i:03}", f"C{i:03}", "sales", "service", offered, accepted, accepted, 1 + (i % 4 == 0), 24.0)
            db.execute("INSERT INTO passages VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
    db.close()
    with (systems / "desk" / "clients.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["client", "mail", "level", "note"])
        for i, (key, email, tier, _) in enumerate(rows):
            if i not in (7, 8):
                writer.writerow([key, f"other{i}@example.org" if i in (1, 2, 3) else email, tier[0].upper(), f"note, {i}"])
    (systems / "mail" / "people.jsonl").write_text(json.dumps({"person": "C000", "address": "c0@example.org"}) + "\n")
    return folder


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return build_shop(tmp_path / "shop")


@pytest.fixture(scope="session")
def make_shop() -> Callable[..., Path]:
    return build_shop
