"""Brings in the foreign event logs the map names, before a step reads the log."""

from __future__ import annotations

from accord.lifecycle.context import StepContext
from accord.measure import ImportResult, import_log


def import_logs(ctx: StepContext) -> tuple[ImportResult, ...]:
    """Import every log of the map; one whose file and mapping did not change costs a hash of the file and adds nothing.

    Raises:
        SystemUnreachable: a log's file is not there.
        DataRefused: a log is not what it claims to be; with file and line.
    """
    workspace = ctx.workspace
    return tuple(
        import_log(log, workspace.store, base=workspace.map_folder, now=ctx.now, run=ctx.run) for log in workspace.map.logs.values()
    )
