"""A resource that an earlier run read and that is there no more: the world is wrong then, and not the map."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from accord.connectors.protocol import Connector, Placed
from accord.model.errors import AccordError, SystemUnreachable, UnknownName, alternatives
from accord.sync.cycle import Cycle
from accord.sync.mapping.spelling import as_spelled
from accord.sync.state.record import last_finished


def note_known(cycle: Cycle, previous: Mapping[str, Any]) -> None:
    """Mark the sides that the flow's last run read, and those that none did, and call their columns as they were called then."""
    columns = previous.get("columns", {})
    for side in cycle.sides:
        side.known, side.unmet = side.name in columns, side.name not in columns
        side.binding = as_spelled(side.binding, columns.get(side.name) or ())


def as_vanished(cycle: Cycle, error: AccordError) -> AccordError:
    """The error itself; where it says that a resource is unknown which an earlier run read, that its system has lost it.

    A file that is moved away for a moment, a sheet that was renamed, a table dropped and made anew by a nightly load: what helps is to try
    again once it is back, and other flows need not stop for it.
    """
    if not isinstance(error, UnknownName) or error.kind != "resource":
        return error
    columns = last_finished(cycle).get("columns", {})
    for side in cycle.sides:
        system = side.binding.system or side.name
        if side.binding.resource == error.name and side.name in columns and error.holder in ("", f"system '{system}'"):
            reason = f"'{error.name}', which was read before, is not there any more"
            todo = f"{alternatives(error.name, error.known)} Put it back, or correct the flow in the map."
            return SystemUnreachable(system, _where(side.connector), reason, todo)
    return error


def _where(connector: Connector) -> str:
    return str(connector.place) if isinstance(connector, Placed) else str(getattr(connector, "where", "its address"))
