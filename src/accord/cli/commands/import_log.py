"""``accord import-log``: read an event log (CSV, Parquet, XES, OCEL 2.0) and measure it."""

from __future__ import annotations

from pathlib import Path

import typer

from accord.cli import options
from accord.cli.listed import sentence
from accord.cli.output import clock, emit_json, escape, out, plain, table
from accord.lifecycle.run_id import new_run_id
from accord.measure import declared_log, discover_kpis, import_log, measure_kpis, open_measure
from accord.model.errors import UsageError
from accord.store import open_store


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("import-log", help=sentence(__doc__))(run)


def run(
    file: Path = typer.Argument(help="The log: .csv, .parquet, .xes, .xes.gz, .sqlite or .json (OCEL 2.0)."),
    mapping: Path | None = typer.Option(None, "--mapping", help="YAML that says which column is what; XES and OCEL need none."),
    root: options.Root = None,
    store: options.StoreUrl = "",
    json: options.Json = False,
) -> None:
    """Import, then show the KPIs an event log alone can give. The same file again is «no change»."""
    if not file.is_file():
        raise UsageError(f"there is no file {file}.", expected="Give the path of an event log.")
    integration_map, log = declared_log(mapping, file)
    home = (root or Path("accord-logs") / log.name).resolve()
    state = home / ".accord"
    try:
        state.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        what = f"the workspace {home} cannot hold the folder .accord: {error.strerror}."
        raise UsageError(what, expected="Name a folder that can be written with --workspace.") from error
    now = clock()
    with open_store(store or str(state / "store.db"), segments=state / "segments") as opened, options.leased(opened, "import-log"):
        result = import_log(log, opened, base=Path.cwd(), now=now, run=new_run_id(now))
        kpis = {n: k for n, k in discover_kpis(integration_map).items() if k.applies_to(integration_map)}
        with open_measure(integration_map, opened, now=now) as measure:
            figures = [f for f in measure_kpis(measure, kpis, breakdown=False) if f.value is not None]
    if json:
        emit_json({"command": "import-log", "workspace": str(home), "import": plain(result), "kpis": plain(figures)})
        return
    state_word = "imported" if result.changed else "no change: this very file was imported before"
    out().print(escape(f"{state_word}: {result.events:,} events, {result.cases:,} cases, {result.quarantined:,} rows kept back ({home})"))
    for bad in result.bad_rows:
        out().print(escape(f"  line {bad.line}: {bad.reason}"))
    for note in result.notes:
        out().print(escape(f"  {note}"))
    table("", ("KPI", "value [95 % interval] (sample)"), [(escape(f.title or f.name), escape(f.show())) for f in figures])
