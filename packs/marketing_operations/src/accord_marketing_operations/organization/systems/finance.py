"""The ERP of finance: SQLite, dates as text in German order, accounts and cost centres as numbers."""

from __future__ import annotations

from typing import Final

from accord_marketing_operations.organization.systems.table import Table, coded, columns, fill, written
from accord_marketing_operations.organization.world import World

SYSTEM: Final = "finance"
DATE: Final = "%d.%m.%Y"
COST_CENTRE: Final = {
    "marketing": "4100",
    "operations_planning": "4200",
    "creative_studio": "4300",
    "brand_legal": "4400",
    "channel_operations": "4500",
    "finance": "4600",
    "customer_service": "4700",
    "data_it": "4800",
}
ACCOUNT: Final = {"labour": "6000", "media": "6600", "agency": "6610", "tools": "6835"}


def tables(world: World) -> list[Table]:
    """People and their hours, postings, and the timesheets finance was sent."""
    return [
        fill(
            SYSTEM,
            "employees",
            "resource",
            world.resource,
            key=("personnel_no",),
            primary=("personnel_no",),
            columns=columns(
                """
                personnel_no text id
                full_name text name
                cost_centre text centre
                skill text skill
                hourly_rate number(8,2) cost_rate
                """,
                centre=coded("team", COST_CENTRE),
            ),
        ),
        fill(
            SYSTEM,
            "working_hours",
            "capacity",
            world.capacity,
            key=("personnel_no", "week_start"),
            columns=columns(
                """
                row_no serial -
                personnel_no text resource_id
                week_start text week
                hours number(8,2) hours
                """,
                week=written("week", DATE),
            ),
        ),
        fill(
            SYSTEM,
            "postings",
            "cost_entry",
            world.cost_entry,
            key=("posting_id",),
            columns=columns(
                """
                doc_no serial -
                posting_id text id
                project text campaign_id
                account text account
                amount number(12,2) amount
                currency text currency
                posted text posted
                """,
                account=coded("category", ACCOUNT),
                posted=written("posted_at", DATE),
            ),
        ),
        fill(
            SYSTEM,
            "timesheets",
            "time_entry",
            world.time_entry,
            key=("entry_ref",),
            columns=columns(
                """
                doc_no serial -
                entry_ref text id
                personnel_no text resource_id
                task_ref text task_id
                project text campaign_id
                work_date text day
                hours number(8,2) hours
                productive text productive
                """,
                day=written("day", DATE),
                productive=lambda row: "J" if row["productive"] else "N",
            ),
        ),
    ]
