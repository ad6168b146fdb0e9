"""The content system of the creative studio: JSON lines, times as people in Berlin write them, without a zone."""

from __future__ import annotations

from typing import Final

from accord_marketing_operations.organization.systems.table import Table, berlin, coded, columns, fill
from accord_marketing_operations.organization.world import World

SYSTEM: Final = "content"
WORKFLOW: Final = {"planned": "backlog", "in_production": "draft", "in_review": "review", "approved": "approved", "published": "published"}
STATE: Final = {"scheduled": "queued", "published": "live", "corrected": "fixed"}


def tables(world: World) -> list[Table]:
    """Content items, their publications, and the checklists the studio was sent."""
    return [
        fill(
            SYSTEM,
            "items",
            "deliverable",
            world.deliverable,
            key=("item_id",),
            columns=columns(
                """
                item_id text id
                campaign text campaign_id
                kind text kind
                channel text channel
                due text due
                workflow text state
                version integer version
                responsible text assignee
                approved text approved
                edited text edited
                """,
                due=berlin("due_at"),
                approved=berlin("accepted_at"),
                edited=berlin("updated_at"),
                state=coded("status", WORKFLOW),
            ),
        ),
        fill(
            SYSTEM,
            "publications",
            "publication",
            world.publication,
            key=("pub_id",),
            columns=columns(
                """
                pub_id text id
                item text deliverable_id
                campaign text campaign_id
                channel text channel
                planned text planned
                live text live
                corrected text corrected
                state text state
                """,
                planned=berlin("planned_at"),
                live=berlin("published_at"),
                corrected=berlin("corrected_at"),
                state=coded("status", STATE),
            ),
        ),
        fill(
            SYSTEM,
            "checklists",
            "gate",
            world.gate,
            key=("gate",),
            columns=columns(
                """
                gate text id
                title text title
                step text step
                threshold integer threshold
                checks text checks
                version integer version
                """
            ),
        ),
    ]
