"""``accord doctor``: what this machine and the map's systems can do, and how to mend what they cannot."""

from __future__ import annotations

import platform
import shutil
from pathlib import Path
from typing import Literal

import duckdb
import typer

from accord import __version__
from accord.cli import options
from accord.cli.output import emit_json, escape, table
from accord.connectors.duck import load_scanner, open_duck
from accord.connectors.registry import connector_kinds, open_connector
from accord.mapfile import load_map
from accord.model.errors import AccordError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor", help="Check this machine, the connectors and, with a map, each system; say the mend.")(doctor)


def doctor(
    map_path: Path | None = typer.Argument(None, help="Map whose systems are tested; none: only this machine."),
    data: options.Data = None,
    set_: options.SetVariable = [],
    json: options.Json = False,
) -> int:
    """Show a table of checks; exit code 3 when a system could not be reached, 1 when something else is wrong."""
    checks = [
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
        integration_map = load_map(map_path, variables=options.variables(data, set_), known_connectors=set(connector_kinds()))
        base = map_path if map_path.is_dir() else map_path.parent
        for system in integration_map.systems.values():
            connector = open_connector(system, base=base)
            try:
                described = connector.describe()
            except AccordError as error:
                unreachable = unreachable or error.exit_code == 3
                checks.append((f"system {system.name}", "failed", str(error)))
            else:
                rows = sum(r.row_count for r in described.resources)
                names = ", ".join(r.name for r in described.resources)
                checks.append((f"system {system.name}", "ok", f"{described.connector}, {rows:,} rows in {names or 'nothing'}"))
            finally:
                connector.close()
    if json:
        emit_json({"command": "doctor", "checks": [{"name": n, "status": s, "detail": d} for n, s, d in checks]})
    else:
        table("", ("check", "status", "detail"), [(n, s, escape(d)) for n, s, d in checks])
    if unreachable:
        return 3
    return 1 if any(status == "failed" for _, status, _ in checks) else 0


def _disk(folder: Path) -> tuple[str, str]:
    free = shutil.disk_usage(folder).free / 2**30
    return ("ok" if free > 1 else "failed", f"{free:.1f} GiB free at {folder}" + ("" if free > 1 else "; free at least 1 GiB"))


def _scanner(kind: Literal["sqlite", "postgres"]) -> tuple[str, str, str]:
    with open_duck() as con:
        try:
            return (f"{kind} scanner", "ok", f"loaded from {load_scanner(con, kind)}")
        except AccordError as error:
            return (f"{kind} scanner", "failed", str(error))
