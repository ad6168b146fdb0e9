"""The campaign planner of marketing: SQLite, times in UTC, money in cents, hours."""

from __future__ import annotations

from typing import Final

from accord_marketing_operations.organization.systems.table import Table, coded, columns, fill, whole
from accord_marketing_operations.organization.world import World

SYSTEM: Final = "planner"
CAMPAIGN: Final = {"planned": "draft", "active": "running", "done": "finished", "cancelled": "stopped"}
ASSET: Final = {"planned": "idea", "in_production": "making", "in_review": "checking", "approved": "ready", "published": "live"}
CHORE: Final = {"ready": "open", "in_progress": "busy", "done": "closed"}
MILESTONE: Final = {"open": "ahead", "reached": "met", "dropped": "void"}


def tables(world: World) -> list[Table]:
    """Everything the planner holds: plans, the task list of marketing, and what other systems send it."""
    return [*_plans(world), *_contents(world), *_work(world), *_received(world), *_people(world)]


def _plans(world: World) -> list[Table]:
    return [
        fill(
            SYSTEM,
            "campaigns",
            "campaign",
            world.campaign,
            key=("campaign_id",),
            primary=("campaign_id",),
            columns=columns(
                """
                campaign_id text id
                title text name
                goal text goal
                owner text owner_team
                budget_cents integer cents
                currency text currency
                start_at timestamp planned_start
                launch_at timestamp planned_launch
                end_at timestamp planned_end
                launched_at timestamp launched_at
                state text state
                modified timestamp updated_at
                """,
                cents=whole("budget", 100),
                state=coded("status", CAMPAIGN),
            ),
        ),
        fill(
            SYSTEM,
            "briefs",
            "brief",
            world.brief,
            key=("brief_id",),
            primary=("brief_id",),
            columns=columns(
                """
                brief_id text id
                campaign_id text campaign_id
                version integer version
                required_by timestamp required_by
                approved_at timestamp approved_at
                """
            ),
        ),
    ]


def _contents(world: World) -> list[Table]:
    return [
        fill(
            SYSTEM,
            "assets",
            "deliverable",
            world.deliverable,
            key=("asset_id",),
            primary=("asset_id",),
            columns=columns(
                """
                asset_id text id
                campaign_id text campaign_id
                kind text kind
                channel text channel
                std_hours number(8,2) std_hours
                mandatory boolean mandatory
                due_at timestamp due_at
                state text state
                version integer version
                responsible text assignee
                accepted_at timestamp accepted_at
                modified timestamp updated_at
                """,
                state=coded("status", ASSET),
            ),
        ),
        fill(
            SYSTEM,
            "milestones",
            "milestone",
            world.milestone,
            key=("milestone_id",),
            primary=("milestone_id",),
            columns=columns(
                """
                milestone_id text id
                campaign_id text campaign_id
                label text name
                due_at timestamp due_at
                state text state
                modified timestamp updated_at
                """,
                state=coded("status", MILESTONE),
            ),
        ),
    ]


def _work(world: World) -> list[Table]:
    return [
        fill(
            SYSTEM,
            "todos",
            "task",
            world.task,
            key=("task_id",),
            columns=columns(
                """
                row_no serial -
                task_id text id
                campaign_id text campaign_id
                asset_id text deliverable_id
                step text step
                team text team
                responsible text assignee
                est_hours number(8,2) est_hours
                ready_at timestamp ready_at
                started_at timestamp started_at
                completed_at timestamp completed_at
                reopened_at timestamp reopened_at
                due_at timestamp due_at
                attempt integer attempt
                state text state
                modified timestamp updated_at
                """,
                state=coded("status", CHORE),
            ),
        ),
        fill(
            SYSTEM,
            "bookings",
            "allocation",
            world.allocation,
            key=("booking_id",),
            columns=columns(
                """
                row_no serial -
                booking_id text id
                person_id text resource_id
                campaign_id text campaign_id
                week date week
                hours number(8,2) hours
                state text state
                """
            ),
        ),
        fill(
            SYSTEM,
            "gate_standards",
            "gate",
            world.gate,
            key=("gate_id",),
            primary=("gate_id",),
            columns=columns(
                """
                gate_id text id
                title text title
                step text step
                threshold integer threshold
                checks text checks
                version integer version
                """
            ),
        ),
    ]


def _received(world: World) -> list[Table]:
    return [
        fill(
            SYSTEM,
            "quality_board",
            "gate_result",
            world.gate_result,
            key=("result_id",),
            columns=columns(
                """
                row_no serial -
                result_id text id
                gate_id text gate
                object_id text object
                campaign_id text campaign_id
                judged_at timestamp at
                verdict text verdict
                score integer score
                attempt integer attempt
                failed_checks text failed_checks
                """,
                verdict=lambda row: "pass" if row["passed"] else "fail",
            ),
        ),
        fill(
            SYSTEM,
            "actuals",
            "cost_entry",
            world.cost_entry,
            key=("posting_id",),
            columns=columns(
                """
                row_no serial -
                posting_id text id
                campaign_id text campaign_id
                category text category
                amount_cents integer cents
                currency text currency
                posted_on date posted_at
                """,
                cents=whole("amount", 100),
            ),
        ),
    ]


def _people(world: World) -> list[Table]:
    return [
        fill(
            SYSTEM,
            "people",
            "resource",
            world.resource,
            key=("person_id",),
            primary=("person_id",),
            columns=columns(
                """
                person_id text id
                full_name text name
                team text team
                skill text skill
                rate_cents integer cents
                """,
                cents=whole("cost_rate", 100),
            ),
        ),
        fill(
            SYSTEM,
            "capacity",
            "capacity",
            world.capacity,
            key=("person_id", "week"),
            primary=("person_id", "week"),
            columns=columns(
                """
                person_id text resource_id
                week date week
                hours number(8,2) hours
                """
            ),
        ),
        fill(
            SYSTEM,
            "satisfaction",
            "survey",
            world.survey,
            key=("survey_id",),
            columns=columns(
                """
                row_no serial -
                survey_id text id
                ticket_no text ticket_id
                campaign_id text campaign_id
                kind text kind
                score integer score
                answered_at timestamp answered_at
                """
            ),
        ),
    ]
