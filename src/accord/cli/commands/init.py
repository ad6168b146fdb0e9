"""``accord init``: write a first map: look at systems, find what two of them hold alike, propose entities and flows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer

from accord.cli import options
from accord.cli.given_systems import systems_given, systems_in
from accord.cli.listed import sentence
from accord.cli.output import emit_json, emit_note, escape, out, table
from accord.cli.pandas_left import leave_pandas
from accord.connectors.duck import borrowed_duck
from accord.connectors.registry import connector_kinds, open_connectors
from accord.lifecycle.design.proposed_map import identifier
from accord.lifecycle.design.starter import Starter, start_map
from accord.lifecycle.files import write_whole
from accord.lifecycle.titles import counted
from accord.mapfile import dump_map
from accord.mapfile.load import ENDINGS
from accord.model.errors import UsageError

FILE = "accord.yaml"
_NEXT = "accord lint", "accord doctor", "accord plan"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("init", help=sentence(__doc__))(init)


def init(
    folder: Path = typer.Argument(Path(), help="Folder of the map; made when it is not there.", show_default="this folder"),
    system: list[str] = typer.Option(
        [],
        "--system",
        help="NAME=ADDRESS of a system, the one that others follow first: a URL, a file, a folder, KIND:AT; may be repeated. "
        "Without any: the data files in the folder.",
    ),
    name: str = typer.Option("", "--name", help="Name of the map; default: the folder's."),
    json: options.Json = False,
) -> None:
    """Only reads the systems; what it writes is one file, which stands there for people to correct."""
    _free(folder)
    leave_pandas()
    given = systems_given(system, connector_kinds(), folder) if system else systems_in(folder)
    if not given.named:
        raise UsageError(
            f"{folder.absolute()} holds no data files to begin with.",
            expected="Name the systems: accord init --system crm=postgresql://me@db.example.org/crm --system lists=csv:exports",
        )
    connectors = open_connectors(given.opened, base=folder)
    try:
        with borrowed_duck() as con:
            started = start_map(name or identifier(folder.absolute().name), given.named, connectors, con, emit_note)
    finally:
        for connector in connectors.values():
            connector.close()
    path = folder / FILE
    _free(folder)  # somebody may have been quicker
    write_whole(path, _text(started, given.secrets))
    if json:
        flows = [{"flow": f.name, "entity": f.entity, "systems": list(f.bindings)} for f in started.map.flows.values()]
        systems = {s.name: {"connector": s.connector, "at": s.at} for s in given.named.values()}
        more = {"systems": systems, "flows": flows, "notes": started.notes, "secrets": given.secrets}
        emit_json({"command": "init", "map": str(path), **more})
        return
    _show(path, started, given.secrets)


def _free(folder: Path) -> None:
    """A folder without a map: its YAML files would all be one map."""
    there = sorted(p.name for p in folder.iterdir() if p.suffix in ENDINGS) if folder.is_dir() else []
    if there:
        raise UsageError(
            f"{folder.absolute()} holds {', '.join(there)} already, and all YAML files of a folder are one map.",
            expected="Give an empty folder; accord design proposes what could be added to a map.",
        )


def _text(started: Starter, secrets: Sequence[str]) -> str:
    head = [
        "# Proposed by accord init from what the systems hold. Correct it: every name is yours to choose.",
        "# Where two systems differ, the first binding of a flow that holds the field is right; authority: says otherwise.",
        *(f"# {variable} has to be set in the environment." for variable in secrets),
    ]
    if started.notes:
        head += ["#", "# To be looked at:", *(f"# - {' '.join(note.split())}" for note in started.notes)]
    return "\n".join(head) + "\n\n" + dump_map(started.map)


def _show(path: Path, started: Starter, secrets: Sequence[str]) -> None:
    map_ = started.map
    rows = []
    for flow in map_.flows.values():
        entity = map_.entities[flow.entity]
        places = [f"{b.holder}/{b.resource}{'' if b.direction == 'both' else ' (read)'}" for b in flow.bindings.values()]
        rows.append((flow.name, entity.name, ", ".join(entity.key), str(len(entity.fields)), "  ".join(places)))
    table("", ("flow", "entity", "key", "fields", "where"), rows, right=(3,))
    for note in started.notes:
        out().print(escape(f"look: {note}"))
    for variable in secrets:
        out().print(escape(f"set {variable} in the environment: the password of --system does not stand in the map"))
    where = "" if path.parent == Path() else f" {path.parent}"
    size = f"{counted(len(map_.systems), 'system')}, {counted(len(map_.flows), 'flow')}"
    out().print(escape(f"written {path}: {size}. Next: {'; '.join(command + where for command in _NEXT)}"))
