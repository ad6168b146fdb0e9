"""Processes that a change of an entity starts: the one look every command takes after it ran flows."""

from __future__ import annotations

from collections.abc import Iterable

from accord.work.starts import Begun, start_from_entities
from accord.workspace import Workspace


def started_by(workspace: Workspace, flows: Iterable[str]) -> list[Begun]:
    """What the rows these flows agreed on have started, and what was refused; the same for every way a flow runs.

    Args:
        workspace: opened; the caller holds its lease.
        flows: that ran.
    """
    return start_from_entities(workspace.work(), entities={workspace.map.flows[name].entity for name in flows})
