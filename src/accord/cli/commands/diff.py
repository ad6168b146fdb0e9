"""``accord diff``: what changed between two maps, in words."""

from __future__ import annotations

from pathlib import Path

import typer

from accord.cli import options
from accord.cli.listed import sentence
from accord.cli.output import emit_json, escape, out
from accord.mapfile import diff_maps, load_map


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("diff", help=sentence(__doc__))(diff)


def diff(
    old: Path = typer.Argument(help="The map before: a file or a folder."),
    new: Path = typer.Argument(help="The map after: a file or a folder."),
    data: options.Data = None,
    set_: options.SetVariable = [],
    json: options.Json = False,
) -> None:
    """Show the differences as sentences."""
    values = options.variables(data, set_)
    sentences = diff_maps(load_map(old, values, as_written=True), load_map(new, values, as_written=True))
    if json:
        emit_json({"command": "diff", "changes": sentences})
        return
    for said in sentences:
        out().print(escape(said))
    if not sentences:
        out().print("no change in meaning")
