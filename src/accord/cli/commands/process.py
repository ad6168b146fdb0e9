"""``accord process``: processes as BPMN 2.0: draw one of a map, or read a diagram into a map."""

from __future__ import annotations

from pathlib import Path

import typer

from accord.cli import options
from accord.cli.given import given_bytes
from accord.cli.listed import sentence
from accord.cli.output import emit_json, escape, out
from accord.cli.problems import problem_json, tell_problems
from accord.lifecycle.files import write_whole
from accord.mapfile import load_map
from accord.mapfile.bpmn import (
    BpmnProblems,
    add_processes,
    diagram_text,
    export_bpmn,
    import_bpmn,
    place_of,
    processes_text,
    read_diagram,
)
from accord.model.errors import UnknownName

_MOST_BYTES = 5_000_001  # one more than a diagram may have, so that it is told when there are more


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help=sentence(__doc__))
    group.command("export", help="Write a process of a map as BPMN 2.0.")(export)
    group.command("import", help="Read a file of BPMN 2.0 as processes of a map.")(import_)
    app.add_typer(group, name="process")


def export(
    process: str = typer.Argument(..., help="A process of the map."),
    map_path: options.MapOption = options.HERE,
    data: options.Data = None,
    set_: options.SetVariable = [],
    to: Path | None = typer.Option(None, "--to", help="Write this file; default: print it."),
    json: options.Json = False,
) -> None:
    """Positions that an import brought along, in the folder ``diagrams`` beside the map, are kept."""
    map_ = load_map(map_path, options.variables(data, set_), as_written=True)
    if process not in map_.processes:
        raise UnknownName("process", process, map_.processes)
    text = export_bpmn(map_, process, read_diagram(place_of(map_path, process)))
    if to is not None:
        write_whole(to, text)
    if json:
        emit_json({"command": "process export", "process": process, "file": str(to) if to is not None else None, "bpmn": text})
    elif to is not None:
        out().print(escape(f"written {to}"))
    else:
        typer.echo(text, nl=False)


def import_(
    file: Path = typer.Argument(help="Diagram: a file of BPMN 2.0."),
    into: Path | None = typer.Option(None, "--into", help="Map to add the processes to: its folder or its file."),
    data: options.Data = None,
    set_: options.SetVariable = [],
    replace: bool = typer.Option(False, "--replace", help="Put the process where one of its name stands in the map."),
    json: options.Json = False,
) -> int:
    """Show the processes as YAML of a map, or add them to one; 2 when the diagram holds what is not taken."""
    values = options.variables(data, set_)
    try:
        found = import_bpmn(given_bytes(file, "Give a file of BPMN 2.0.", most=_MOST_BYTES), str(file))
    except BpmnProblems as error:
        return tell_problems("process import", error.problems, as_json=json)
    addition = None if into is None else add_processes(into, found, values, replacing=replace)
    diagrams: list[Path] = []
    if addition is not None and into is not None:
        write_whole(addition.file, addition.text)
        for name, diagram in found.diagrams.items():
            diagrams.append(place_of(into, name))
            write_whole(diagrams[-1], diagram_text(diagram))
    notes = (*found.left_out, *(addition.notes if addition is not None else ()))
    if json:
        body = {
            "processes": found.processes,
            "teams": found.teams,
            "yaml": processes_text(found),
            "left_out": [problem_json(n) for n in notes],
        }
        files = {"file": str(addition.file) if addition is not None else None, "diagrams": [str(path) for path in diagrams]}
        emit_json({"command": "process import", **body, **files, "problems": []})
        return 0
    if addition is None:
        typer.echo(processes_text(found), nl=False)
    for note in notes:  # on standard error, so that the output stays a file of a map
        typer.echo(str(note), err=True)
    if addition is not None:
        out().print(escape(f"written {addition.file}: {', '.join(found.processes)}"))
    return 0
