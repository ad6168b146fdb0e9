"""``accord doctor``: check this machine, the connectors and, with a map, each system; say the mend."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

import duckdb
import typer

from accord import __version__
from accord.cli import options
from accord.cli.kept_feeds import Check, KeptFeeds, state_there
from accord.cli.listed import sentence
from accord.cli.output import emit_json, escape, table
from accord.connectors.duck import load_scanner, open_duck
from accord.connectors.files import absent
from accord.connectors.protocol import Connector
from accord.connectors.registry import connector_kinds, open_connector
from accord.mapfile import load_map
from accord.model.errors import AccordError, UsageError
from accord.model.integration_map import IntegrationMap
from accord.model.system import System, SystemDescription
from accord.model.task_rows import KIND as OWN_TASKS
from accord.workspace import known_connectors, known_options


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor", help=sentence(__doc__))(doctor)


@options.map_too
def doctor(
    map_path: Path | None = typer.Argument(None, help="Map whose systems are tested; none: only this machine."),
    data: options.Data = None,
    set_: options.SetVariable = [],
    root: options.Root = None,
    store: options.StoreUrl = "",
    json: options.Json = False,
    drop_feeds: bool = typer.Option(False, "--drop-feeds", help="End the feeds that this workspace left in systems and no flow reads."),
) -> int:
    """Show a table of checks; exit code 3 when a system could not be reached, 1 when something else is wrong."""
    if drop_feeds and map_path is None:
        raise UsageError("--drop-feeds ends what the flows of a map left.", expected="Name the map: accord doctor MAP --drop-feeds")
    checks: list[Check] = [
        ("accord", "ok", __version__),
        ("python", "ok", platform.python_version()),
        ("duckdb", "ok", duckdb.__version__),
        ("connectors", "ok", ", ".join(sorted(connector_kinds()))),
        ("disk", *_disk(Path.cwd())),
        _scanner("sqlite"),
        _scanner("postgres"),
    ]
    unreachable = False
    if map_path is not None:
        values = options.variables(data, set_)
        base = map_path if map_path.is_dir() else map_path.parent
        with ExitStack() as stack:
            opened = None
            if state_there(root or base, store):
                try:
                    opened = stack.enter_context(options.workspace(map_path, root, values, store, write=drop_feeds))
                except AccordError as error:
                    if drop_feeds or error.exit_code == 2:
                        raise
                    unreachable = unreachable or error.exit_code == 3
                    checks.append(("store", "failed", str(error)))
            integration_map = opened.map if opened is not None else _map(map_path, values)
            kept = KeptFeeds(integration_map, None if opened is None else opened.store, drop=drop_feeds)
            found, away = _systems(integration_map, base, kept)
        checks, unreachable = checks + found, unreachable or away
    if json:
        emit_json({"command": "doctor", "checks": [{"name": n, "status": s, "detail": d} for n, s, d in checks]})
    else:
        table("", ("check", "status", "detail"), [(n, s, escape(d)) for n, s, d in checks])
    if unreachable:
        return 3
    return 1 if any(status == "failed" for _, status, _ in checks) else 0


def _map(map_path: Path, values: Mapping[str, str]) -> IntegrationMap:
    """The map alone, where there is no workspace yet, or its store cannot be opened."""
    return load_map(map_path, variables=values, known_connectors=known_connectors(), known_options=known_options())


def _systems(integration_map: IntegrationMap, base: Path, feeds: KeptFeeds) -> tuple[list[Check], bool]:
    """A line for each system and each feed, and whether a system could not be reached."""
    checks: list[Check] = []
    unreachable = False
    for system in integration_map.systems.values():
        if system.connector == OWN_TASKS:
            checks.append((f"system {system.name}", "ok", "the tasks and handoffs of this workspace"))
            continue
        connector = open_connector(system, base=base)
        try:
            described = connector.describe()
        except AccordError as error:
            if (place := _to_be_made(integration_map, connector)) is not None:
                checks.append((f"system {system.name}", "ok", f"{system.connector}, {place} is not there yet; the first run makes it"))
                continue
            unreachable = unreachable or error.exit_code == 3
            checks.append((f"system {system.name}", "failed", str(error)))
        else:
            checks.append(_system(system, described, _used(integration_map, system.name)))
            checks += feeds.checks(connector)
        finally:
            connector.close()
    return checks + feeds.end(reached=not unreachable), unreachable


def _used(integration_map: IntegrationMap, system: str) -> set[str]:
    """Resources of a system that the map reads or writes."""
    bindings = [b for flow in integration_map.flows.values() for b in flow.bindings.values()]
    return {b.resource for b in bindings if (b.system or b.name) == system}


def _to_be_made(integration_map: IntegrationMap, connector: Connector) -> Path | None:
    """The file or folder of a system, where it is not there and every binding of it says ``create: true``."""
    bindings = [b for flow in integration_map.flows.values() for b in flow.bindings.values() if b.holder == connector.system.name]
    return absent(connector) if bindings and all(b.create and b.direction != "read" for b in bindings) else None


def _system(system: System, described: SystemDescription, used: set[str]) -> Check:
    """What a system that answers can do for the map."""
    name, rows = f"system {system.name}", sum(r.row_count for r in described.resources)
    shown = f"{described.connector}, {rows:,} rows in {', '.join(r.name for r in described.resources) or 'nothing'}"
    wanted = used | set(system.required) | set(system.resources)
    locked = sorted(r.name for r in described.resources if not r.readable)
    hidden = [resource for resource in locked if resource in wanted]
    if hidden:
        todo = f"GRANT SELECT ON {', '.join(hidden)} TO the user of 'at:'"
        return (name, "failed", f"{shown}; no right to read {', '.join(hidden)}, which the map uses. {todo}")
    return (name, "ok", shown + (f"; no right to read {', '.join(locked)}, which the map does not use" if locked else ""))


def _disk(folder: Path) -> tuple[str, str]:
    free = shutil.disk_usage(folder).free / 2**30
    return ("ok" if free > 1 else "failed", f"{free:.1f} GiB free at {folder}" + ("" if free > 1 else "; free at least 1 GiB"))


def _scanner(kind: Literal["sqlite", "postgres"]) -> tuple[str, str, str]:
    with open_duck() as con:
        try:
            return (f"{kind} scanner", "ok", f"loaded from {load_scanner(con, kind)}")
        except AccordError as error:
            return (f"{kind} scanner", "failed", str(error))
