"""Analytics: a folder of CSV files in UTC, and the warehouse behind it, a folder of Parquet files with money in cents."""

from __future__ import annotations

from typing import Final

from accord_marketing_operations.organization.systems.table import Table, columns, fill, whole, written
from accord_marketing_operations.organization.world import World

SYSTEM: Final = "analytics"
WAREHOUSE: Final = "warehouse"
TIME: Final = "%Y-%m-%d %H:%M:%S"


def tables(world: World) -> list[Table]:
    """Daily outcomes measured here, and copies of handoffs, publications and tickets to analyse them by."""
    return [*_outcomes(world), *_copies(world)]


def _outcomes(world: World) -> list[Table]:
    return [
        fill(
            SYSTEM,
            "outcomes",
            "outcome",
            world.outcome,
            key=("campaign_id", "day"),
            columns=columns(
                """
                campaign_id text campaign_id
                day date day
                impressions integer impressions
                clicks integer clicks
                leads integer leads
                orders integer orders
                revenue number(12,2) revenue
                """
            ),
        ),
        fill(
            WAREHOUSE,
            "campaign_days",
            "outcome",
            world.outcome,
            key=("campaign_id", "day"),
            columns=columns(
                """
                campaign_id text campaign_id
                day date day
                impressions integer impressions
                clicks integer clicks
                leads integer leads
                orders integer orders
                revenue_cents integer cents
                """,
                cents=whole("revenue", 100),
            ),
        ),
    ]


def _copies(world: World) -> list[Table]:
    return [
        fill(
            SYSTEM,
            "handoffs",
            "handoff",
            world.handoff,
            key=("handoff_id",),
            columns=columns(
                """
                handoff_id text id
                campaign_id text campaign_id
                deliverable_id text deliverable_id
                step text step
                task_from text task_from
                task_to text task_to
                from_team text from_team
                to_team text to_team
                handed_over_at text offered
                accepted_at text accepted
                started_at text started
                reject_reason text reject_reason
                sla_hours integer sla_hours
                attempt integer attempt
                automatic boolean automatic
                """,
                offered=written("handed_over_at", TIME),
                accepted=written("accepted_at", TIME),
                started=written("started_at", TIME),
            ),
        ),
        fill(
            SYSTEM,
            "publications",
            "publication",
            world.publication,
            key=("publication_id",),
            columns=columns(
                """
                publication_id text id
                deliverable_id text deliverable_id
                campaign_id text campaign_id
                channel text channel
                planned_at text planned
                published_at text published
                corrected_at text corrected
                status text status
                """,
                planned=written("planned_at", TIME),
                published=written("published_at", TIME),
                corrected=written("corrected_at", TIME),
            ),
        ),
        fill(
            SYSTEM,
            "tickets",
            "ticket",
            world.ticket,
            key=("ticket_id",),
            columns=columns(
                """
                ticket_id text id
                campaign_id text campaign_id
                opened_at text opened
                first_response_at text answered
                resolved_at text resolved
                reopened boolean reopened
                severity text severity
                """,
                opened=written("opened_at", TIME),
                answered=written("first_response_at", TIME),
                resolved=written("resolved_at", TIME),
            ),
        ),
    ]
