"""Open conflicts as tasks: what the owner of a flow has to decide stands beside what the processes ask of people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from accord.cli.output import escape, table
from accord.sync.merge.conflict_list import OpenConflict, open_conflicts
from accord.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Undecided:
    """A conflict that waits for a person, and the team that owns its flow, or else its entity."""

    team: str
    conflict: OpenConflict


def undecided(workspace: Workspace, *, team: str = "") -> list[Undecided]:
    """Conflicts nobody has decided yet, the oldest first.

    Args:
        workspace: holds the map and the store.
        team: only of flows that this team owns.
    """
    flows = workspace.map.flows
    owners = {name: flow.owner or workspace.map.entities[flow.entity].owner for name, flow in flows.items()}
    chosen = [name for name in flows if not team or owners[name] == team]
    return [Undecided(owners[one.flow], one) for one in open_conflicts(workspace.store, chosen) if one.status == "open"]


def show_undecided(found: Sequence[Undecided]) -> None:
    """A table, when there is something to decide."""
    if not found:
        return
    rows = []
    for one in found:
        conflict = one.conflict
        about = f"{conflict.field} of {conflict.flow} {key_text(conflict.key)}"
        rows.append(tuple(map(escape, (conflict.id, about, one.team, values_text(conflict), f"{conflict.opened_at:%Y-%m-%d %H:%M}"))))
    table("conflicts to decide: accord conflicts --decide ID", ("id", "about", "team", "values", "since (UTC)"), rows)


def key_text(key: str) -> str:
    """The values of a key that is JSON."""
    return ", ".join(str(part) for part in json.loads(key).values())


def values_text(conflict: OpenConflict) -> str:
    """What each system has."""
    return "; ".join(f"{name}: {value_text(value)}" for name, value in conflict.values.items())


def value_text(value: str | None) -> str:
    """A value as it is told apart from no value."""
    return "no value" if value is None else repr(value)
