"""Schema matching on tables whose true mapping is known."""

from __future__ import annotations

import random
from collections.abc import Iterator

import duckdb
import pytest

from accord.lifecycle.design.matching import held_against, match_resource
from accord.lifecycle.design.names import name_similarity
from accord.model.entity import Entity, Field

CAMPAIGN = Entity(
    "campaign",
    ("id",),
    {
        "id": Field("id", required=True),
        "name": Field("name"),
        "budget": Field("budget", type="number(12,2)", unit="EUR"),
        "status": Field("status", values=("planned", "active", "done")),
        "planned_launch": Field("planned_launch", type="timestamp"),
        "launched_at": Field("launched_at", type="timestamp"),
        "owner_team": Field("owner_team"),
    },
)
KNOWN = {
    "id": "ext_ref",
    "name": "bezeichnung",
    "budget": "geld",
    "status": "st",
    "planned_launch": "termin_plan",
    "owner_team": "abteilung",
}


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    connection = duckdb.connect()
    connection.execute("SET TimeZone='UTC'")
    yield connection
    connection.close()


def _tables(con: duckdb.DuckDBPyConnection, rows: int = 120) -> None:
    """A canonical table and a German one with cents, local clock, codes and a few stale values."""
    rng = random.Random(3)
    con.execute(
        "CREATE TABLE canon (id VARCHAR, name VARCHAR, budget DECIMAL(12,2), status VARCHAR, planned_launch TIMESTAMPTZ, "
        "launched_at TIMESTAMPTZ, owner_team VARCHAR)"
    )
    con.execute(
        "CREATE TABLE fremd (interne_nr INTEGER, ext_ref VARCHAR, bezeichnung VARCHAR, geld BIGINT, st VARCHAR, termin_plan TIMESTAMP, "
        "abteilung VARCHAR, bemerkung VARCHAR)"
    )
    codes = {"planned": "P", "active": "A", "done": "F"}
    for i in range(rows):
        status = rng.choice(tuple(codes))
        team = rng.choice(("brand", "media", "web", "events"))
        cents = rng.randrange(100_000, 9_000_000)
        minute = rng.randrange(500_000)
        con.execute(
            "INSERT INTO canon VALUES (?, ?, ?::BIGINT / 100, ?, TIMESTAMPTZ '2025-01-01 00:00:00+00' + to_minutes(?), NULL, ?)",
            [f"CMP-{i:04}", f"Campaign {i * 7919 % 1000}", cents, status, minute, team],
        )
        con.execute(
            "INSERT INTO fremd VALUES (?, ?, ?, ?, ?, TIMESTAMP '2025-01-01 01:00:00' + to_minutes(?), ?, ?)",
            [
                i,
                f"CMP-{i:04}",
                f"Campaign {i * 7919 % 1000}" if i % 20 else "old",
                cents,
                codes[status],
                minute,
                team,
                rng.choice(("a", "b", None)),
            ],
        )


def test_a_foreign_schema_is_matched_by_its_values_alone(con: duckdb.DuckDBPyConnection) -> None:
    """Names in another language say nothing; rows that join on the key do."""
    _tables(con)

    found = match_resource(con, CAMPAIGN, "fremd", "fremd", reference="canon")

    quality = held_against(found, KNOWN)
    assert (quality.precision, quality.recall) == (1.0, 1.0), found


def test_conversions_are_recognised(con: duckdb.DuckDBPyConnection) -> None:
    """A match without its unit, clock offset or code table would write wrong values."""
    _tables(con)

    found = {m.field: m.aligned for m in match_resource(con, CAMPAIGN, "fremd", "fremd", reference="canon")}

    budget, launch, status = found["budget"], found["planned_launch"], found["status"]
    assert budget is not None
    assert launch is not None
    assert status is not None
    assert budget.factor == 0.01
    assert launch.offset_seconds == -3600
    assert dict(status.codes) == {"P": "planned", "A": "active", "F": "done"}


def test_without_rows_to_compare_names_and_value_sets_decide(con: duckdb.DuckDBPyConnection) -> None:
    """The first system of an entity has nothing to be compared with but the contract."""
    con.execute("CREATE TABLE t (campaign_id VARCHAR, title VARCHAR, state VARCHAR, team VARCHAR, created_on TIMESTAMP)")
    con.execute("INSERT INTO t SELECT 'CMP-' || i, 'x' || i, ['planned','active'][1 + i % 2], 'a', now()::TIMESTAMP FROM range(50) r(i)")

    found = {m.field: m.column for m in match_resource(con, CAMPAIGN, "t", "t")}

    assert found["id"] == "campaign_id"
    assert found["name"] == "title"
    assert found["status"] == "state"
    assert "launched_at" not in found


def test_unrelated_tables_match_nothing(con: duckdb.DuckDBPyConnection) -> None:
    """A proposal for everything is worth nothing."""
    con.execute("CREATE TABLE t (x1 DOUBLE, lorem VARCHAR)")
    con.execute("INSERT INTO t SELECT random(), 'z' || i FROM range(50) r(i)")

    assert match_resource(con, CAMPAIGN, "t", "t") == ()


@pytest.mark.parametrize(
    ("left", "right", "least"),
    [("due_at", "dueDate", 0.85), ("planned_launch", "PlannedLaunchTs", 0.85), ("status", "state", 0.85), ("id", "campaign_id", 0.85)],
)
def test_names_that_mean_the_same_are_alike(left: str, right: str, least: float) -> None:
    """camelCase, abbreviations and synonyms are how the same thing is called elsewhere."""
    assert name_similarity(left, right, "campaign") >= least


def test_names_that_differ_are_not_alike() -> None:
    """Start and end of the same thing share a word and are not the same."""
    assert name_similarity("planned_start", "planned_end") < 0.7
    assert name_similarity("budget", "owner_team") < 0.4


def test_a_key_is_recognised_by_its_pattern_and_a_reference_by_what_it_points_at(con: duckdb.DuckDBPyConnection) -> None:
    """Two columns of the same shape and unhelpful names: one never repeats, the other holds keys of another entity."""
    entity = Entity(
        "visit",
        ("id",),
        {"id": Field("id", pattern="[0-9a-f]{8}"), "guest_id": Field("guest_id", pattern="[0-9a-f]{8}", references="guest")},
    )
    con.execute("CREATE TABLE t AS SELECT printf('%08x', i * 7919) AS vis_id, printf('%08x', i % 20) AS per_id FROM range(200) r(i)")

    found = {m.field: m.column for m in match_resource(con, entity, "t", "t", links={"per_id": "guest"})}

    assert found == {"id": "vis_id", "guest_id": "per_id"}


def test_a_hostile_pattern_does_not_hang(con: duckdb.DuckDBPyConnection) -> None:
    """A pattern that makes a backtracking matcher run for years is answered at once."""
    entity = Entity("x", ("id",), {"id": Field("id", pattern="(a+)+")})
    con.execute("CREATE TABLE t AS SELECT repeat('a', 40) || i || '!' AS id FROM range(100) r(i)")

    match_resource(con, entity, "t", "t")
