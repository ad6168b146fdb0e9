"""``accord lint``: check a map: every mistake with file, line and what was meant."""

from __future__ import annotations

import typer

from accord.cli import options
from accord.cli.listed import sentence
from accord.cli.output import emit_json, escape, out
from accord.cli.problems import problem_json
from accord.mapfile import lint as lint_map
from accord.measure.discovery import known_kpis
from accord.workspace import known_connectors, known_options


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("lint", help=sentence(__doc__))(lint)


@options.map_too
def lint(
    map_path: options.MapPath = options.HERE,
    data: options.Data = None,
    set_: options.SetVariable = [],
    json: options.Json = False,
) -> int:
    """Show all problems; exit code 2 when there are any."""
    folder = map_path if map_path.is_dir() else map_path.parent
    problems = lint_map(
        map_path,
        variables=options.variables(data, set_),
        known_kpis=known_kpis(folder),
        known_connectors=known_connectors(),
        known_options=known_options(),
    )
    if json:
        emit_json({"command": "lint", "problems": [problem_json(p) for p in problems]})
    else:
        for problem in problems:
            out().print(escape(f"{problem.place}: {problem.message} {problem.expected}".rstrip()))
        out().print(
            f"{len(problems)} problem{'s' if len(problems) != 1 else ''}" if problems else "no problems: every name in the map resolves"
        )
    return 2 if problems else 0
