"""The project tracker of operations: PostgreSQL when one is given, else SQLite; times in UTC, effort in minutes, team codes."""

from __future__ import annotations

from typing import Final

from accord_marketing_operations.organization.systems.table import Table, coded, columns, fill, whole
from accord_marketing_operations.organization.world import World

SYSTEM: Final = "tracker"
TEAM: Final = {
    "marketing": "MKT",
    "operations_planning": "OPS",
    "creative_studio": "CRE",
    "brand_legal": "LEG",
    "channel_operations": "CHN",
    "finance": "FIN",
    "customer_service": "CUS",
    "data_it": "DIT",
}
PROJECT: Final = {"planned": "new", "active": "open", "done": "closed", "cancelled": "rejected"}
PACKAGE: Final = {
    "planned": "New",
    "in_production": "In progress",
    "in_review": "Feedback",
    "approved": "Resolved",
    "published": "Closed",
}
TASK: Final = {"ready": "Todo", "in_progress": "Doing", "done": "Done"}
VERSION: Final = {"open": "open", "reached": "closed", "dropped": "locked"}


def tables(world: World) -> list[Table]:
    """Everything the tracker holds: projects and the work in them, and what it is sent."""
    return [*_projects(world), *_work(world), *_records(world), *_received(world)]


def _projects(world: World) -> list[Table]:
    return [
        fill(
            SYSTEM,
            "projects",
            "campaign",
            world.campaign,
            key=("ref",),
            columns=columns(
                """
                id serial -
                ref text id
                name text name
                goal text goal
                lead_team text team
                budget number(12,2) budget
                currency text currency
                starts_on timestamp planned_start
                launch_due_on timestamp planned_launch
                ends_on timestamp planned_end
                launched_on timestamp launched_at
                state text state
                updated_on timestamp updated_at
                """,
                team=coded("owner_team", TEAM),
                state=coded("status", PROJECT),
            ),
        ),
        fill(
            SYSTEM,
            "work_packages",
            "deliverable",
            world.deliverable,
            key=("ref",),
            columns=columns(
                """
                id serial -
                ref text id
                project_ref text campaign_id
                type text kind
                channel text channel
                std_minutes integer minutes
                mandatory boolean mandatory
                due_on timestamp due_at
                status text state
                revision integer version
                assigned_to text assignee
                accepted_on timestamp accepted_at
                updated_on timestamp updated_at
                """,
                minutes=whole("std_hours", 60),
                state=coded("status", PACKAGE),
            ),
        ),
        fill(
            SYSTEM,
            "versions",
            "milestone",
            world.milestone,
            key=("ref",),
            columns=columns(
                """
                id serial -
                ref text id
                project_ref text campaign_id
                name text name
                due_on timestamp due_at
                status text state
                updated_on timestamp updated_at
                """,
                state=coded("status", VERSION),
            ),
        ),
    ]


def _work(world: World) -> list[Table]:
    return [
        fill(
            SYSTEM,
            "tasks",
            "task",
            world.task,
            key=("ref",),
            columns=columns(
                """
                id serial -
                ref text id
                project_ref text campaign_id
                package_ref text deliverable_id
                step text step
                team_code text team
                assigned_to text assignee
                est_minutes integer minutes
                ready_on timestamp ready_at
                started_on timestamp started_at
                closed_on timestamp completed_at
                reopened_on timestamp reopened_at
                due_on timestamp due_at
                attempt integer attempt
                status text state
                updated_on timestamp updated_at
                """,
                minutes=whole("est_hours", 60),
                team=coded("team", TEAM),
                state=coded("status", TASK),
            ),
        ),
        fill(
            SYSTEM,
            "handoffs",
            "handoff",
            world.handoff,
            key=("ref",),
            columns=columns(
                """
                id serial -
                ref text id
                project_ref text campaign_id
                package_ref text deliverable_id
                step text step
                task_from text task_from
                task_to text task_to
                from_team text giver
                to_team text taker
                handed_over_on timestamp handed_over_at
                accepted_on timestamp accepted_at
                started_on timestamp started_at
                reject_reason text reject_reason
                sla_hours integer sla_hours
                attempt integer attempt
                automatic boolean automatic
                """,
                giver=coded("from_team", TEAM),
                taker=coded("to_team", TEAM),
            ),
        ),
    ]


def _records(world: World) -> list[Table]:
    return [
        fill(
            SYSTEM,
            "quality_checks",
            "gate_result",
            world.gate_result,
            key=("ref",),
            columns=columns(
                """
                id serial -
                ref text id
                gate_code text gate
                object_ref text object
                project_ref text campaign_id
                checked_on timestamp at
                passed boolean passed
                score integer score
                attempt integer attempt
                failed_checks text failed_checks
                """
            ),
        ),
        fill(
            SYSTEM,
            "time_entries",
            "time_entry",
            world.time_entry,
            key=("ref",),
            columns=columns(
                """
                id serial -
                ref text id
                member_ref text resource_id
                task_ref text task_id
                project_ref text campaign_id
                spent_on date day
                minutes integer minutes
                productive boolean productive
                """,
                minutes=whole("hours", 60),
            ),
        ),
    ]


def _received(world: World) -> list[Table]:
    return [
        fill(
            SYSTEM,
            "briefs",
            "brief",
            world.brief,
            key=("ref",),
            columns=columns(
                """
                id serial -
                ref text id
                project_ref text campaign_id
                revision integer version
                needed_by timestamp required_by
                approved_on timestamp approved_at
                """
            ),
        ),
        fill(
            SYSTEM,
            "gates",
            "gate",
            world.gate,
            key=("code",),
            columns=columns(
                """
                id serial -
                code text id
                title text title
                step text step
                threshold integer threshold
                checks text checks
                version integer version
                """
            ),
        ),
        fill(
            SYSTEM,
            "members",
            "resource",
            world.resource,
            key=("ref",),
            columns=columns(
                """
                id serial -
                ref text id
                name text name
                team_code text team
                skill text skill
                rate number(8,2) cost_rate
                """,
                team=coded("team", TEAM),
            ),
        ),
        fill(
            SYSTEM,
            "assignments",
            "allocation",
            world.allocation,
            key=("ref",),
            columns=columns(
                """
                id serial -
                ref text id
                member_ref text resource_id
                project_ref text campaign_id
                week date week
                minutes integer minutes
                state text state
                """,
                minutes=whole("hours", 60),
            ),
        ),
    ]
