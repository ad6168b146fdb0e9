"""Builds the sample organization: a year of work, in systems that disagree."""

# ruff: noqa: S311 - a simulation needs a seed, not a secret
from __future__ import annotations

from pathlib import Path
from random import Random

from accord_marketing_operations.organization.campaigns import add_campaigns
from accord_marketing_operations.organization.defects import inject
from accord_marketing_operations.organization.market import add_outcomes, add_service
from accord_marketing_operations.organization.money import add_allocations, add_costs
from accord_marketing_operations.organization.people import add_people
from accord_marketing_operations.organization.systems import analytics, content, finance, planner, servicedesk, tracker
from accord_marketing_operations.organization.systems.table import Table
from accord_marketing_operations.organization.truth import Truth
from accord_marketing_operations.organization.work import run_year
from accord_marketing_operations.organization.world import World
from accord_marketing_operations.organization.write import write_csv, write_jsonl, write_parquet, write_postgres, write_sqlite

GENERATOR_VERSION = 1


def simulate(*, seed: int = 7, campaigns: int = 180) -> World:
    """What really happened in the organization's year; the same world for the same arguments.

    The way of working is the declared manual one: a daily exchange between teams, acceptance by e-mail, first in first out.
    """
    world = World()
    add_people(world, Random(f"{seed}:people"))
    add_campaigns(world, Random(f"{seed}:campaigns"), campaigns=campaigns)
    run_year(world, Random(f"{seed}:work"))
    add_costs(world, Random(f"{seed}:costs"))
    add_allocations(world, Random(f"{seed}:allocations"))
    add_outcomes(world, Random(f"{seed}:outcomes"))
    add_service(world, Random(f"{seed}:service"))
    return world


def tables_of(world: World) -> list[Table]:
    """The tables of all systems, filled from the world and still in agreement."""
    return [table for system in (planner, tracker, content, finance, analytics, servicedesk) for table in system.tables(world)]


def build(into: Path, *, seed: int = 7, campaigns: int = 180, tracker_url: str | None = None) -> Truth:
    """Build every system into an empty folder, with declared defects.

    Args:
        into: folder of the systems; made when it is not there. It gets ``planner.db``, ``tracker.db`` (without ``tracker_url``),
            ``finance.db``, ``servicedesk.db`` and the folders ``content``, ``analytics`` and ``warehouse``.
        seed: the same seed gives equal tables, and equal bytes in the CSV and JSON lines files.
        campaigns: campaigns in the year; everything else grows with them.
        tracker_url: PostgreSQL database that the tracker is built in instead.

    Returns:
        What was broken. It is not written into ``into``: nothing but a test should read it.

    Raises:
        UsageError: the PostgreSQL database holds foreign tables of the same names.
        SystemUnreachable: no database answers at ``tracker_url``.
    """
    world = simulate(seed=seed, campaigns=campaigns)
    tables = tables_of(world)
    defects = inject(tables, world, seed=seed)
    systems: dict[str, list[Table]] = {}
    for table in tables:
        systems.setdefault(table.system, []).append(table)
    for folder in ("content", "analytics", "warehouse"):
        (into / folder).mkdir(parents=True, exist_ok=True)
    for system in ("planner", "finance", "servicedesk"):
        write_sqlite(into / f"{system}.db", systems[system])
    if tracker_url:
        write_postgres(tracker_url, systems["tracker"])
    else:
        write_sqlite(into / "tracker.db", systems["tracker"])
    write_jsonl(into / "content", systems["content"])
    write_csv(into / "analytics", systems["analytics"])
    write_parquet(into / "warehouse", systems["warehouse"])
    rows = {f"{t.system}.{t.name}": len(t.rows) for t in tables}
    return Truth(seed=seed, campaigns=campaigns, rows=rows, defects=tuple(defects))
