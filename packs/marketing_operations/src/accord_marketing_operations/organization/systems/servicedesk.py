"""The service desk of customer service: SQLite, times as ISO 8601 text with a Z, priorities P1 to P4."""

from __future__ import annotations

from typing import Final

from accord_marketing_operations.organization.systems.table import Table, coded, columns, fill, written
from accord_marketing_operations.organization.world import World

SYSTEM: Final = "servicedesk"
TIME: Final = "%Y-%m-%dT%H:%M:%SZ"
PRIORITY: Final = {"critical": "P1", "high": "P2", "normal": "P3", "low": "P4"}
STATE: Final = {"planned": "P", "active": "A", "done": "D", "cancelled": "C"}


def tables(world: World) -> list[Table]:
    """Tickets and surveys, and the list of campaigns that agents pick from."""
    return [
        fill(
            SYSTEM,
            "tickets",
            "ticket",
            world.ticket,
            key=("ticket_no",),
            columns=columns(
                """
                row_id serial -
                ticket_no text id
                campaign_ref text campaign_id
                opened text opened
                first_reply text answered
                solved text resolved
                reopened boolean reopened
                priority text priority
                """,
                opened=written("opened_at", TIME),
                answered=written("first_response_at", TIME),
                resolved=written("resolved_at", TIME),
                priority=coded("severity", PRIORITY),
            ),
        ),
        fill(
            SYSTEM,
            "surveys",
            "survey",
            world.survey,
            key=("survey_no",),
            primary=("survey_no",),
            columns=columns(
                """
                survey_no text id
                ticket_no text ticket_id
                campaign_ref text campaign_id
                kind text kind
                score integer score
                answered text answered
                """,
                answered=written("answered_at", TIME),
            ),
        ),
        fill(
            SYSTEM,
            "campaigns",
            "campaign",
            world.campaign,
            key=("campaign_ref",),
            primary=("campaign_ref",),
            columns=columns(
                """
                campaign_ref text id
                name text name
                state text state
                """,
                state=coded("status", STATE),
            ),
        ),
    ]
