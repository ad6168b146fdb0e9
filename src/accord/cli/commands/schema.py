"""``accord schema``: the JSON Schema of map files, for editors."""

from __future__ import annotations

from pathlib import Path

import typer

from accord.cli.listed import sentence
from accord.cli.output import emit_json, out
from accord.lifecycle.files import write_whole
from accord.mapfile import json_schema


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("schema", help=sentence(__doc__))(schema)


def schema(to: Path | None = typer.Option(None, "--to", help="Write to this file instead of standard output.")) -> None:
    """Print the schema, or write it to a file."""
    if to is None:
        emit_json(json_schema())
        return
    import json

    write_whole(to, json.dumps(json_schema(), indent=2) + "\n")
    out().print(f"written {to}; in an editor, set the schema of your map files to it")
