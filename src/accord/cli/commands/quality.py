"""``accord quality``: score data by five validations; name every gap, its owner and what to do."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import typer

from accord.cli import options
from accord.cli.listed import sentence
from accord.cli.output import clock, emit_json, escape, out, plain, progress, table
from accord.connectors.types import path_literal
from accord.lifecycle.run_id import new_run_id
from accord.lifecycle.titles import counted
from accord.lifecycle.validation import flow_scores, remedy, scores
from accord.model.errors import UsageError
from accord.store.room import no_room
from accord.sync.quality import Quality, quality

_FORMS = {".csv": "csv, HEADER", ".parquet": "parquet", ".jsonl": "json"}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("quality", help=sentence(__doc__))(run)


@options.at_map
def run(
    where: options.Where = options.WHERE,
    json: options.Json = False,
    flow: list[str] = typer.Option([], "--flow", help="Only this flow; may be repeated."),
    dimension: list[str] = typer.Option([], "--dimension", help="Only this validation; may be repeated."),
    since: str = typer.Option("", "--since", help="Timeliness of changes captured since this date or time (ISO 8601, UTC); default: all."),
    gaps: Path | None = typer.Option(None, "--gaps", help="Write every gap to this .csv, .jsonl or .parquet file."),
    at_least: float = typer.Option(0.0, "--at-least", min=0.0, max=1.0, help="Exit code 1 when a validation scores less, 0 to 1."),
) -> int:
    """Nothing is written to any system; the counts and the list of gaps are kept in the log."""
    if gaps is not None and gaps.suffix not in _FORMS:
        raise UsageError(f"--gaps {gaps} ends in none of the known forms.", expected=f"Give a file name that ends in {', '.join(_FORMS)}.")
    moment = options.moment("--since", since)
    with where.opened() as workspace, progress(json) as bar:
        now = clock()
        run_id = new_run_id(now)
        bar.begin("quality", len(flow or workspace.map.flows))
        found = quality(
            workspace.map,
            workspace.connectors(),
            workspace.store,
            run=run_id,
            now=now,
            flows=flow,
            dimensions=dimension,
            since=moment,
            progress=lambda sentence: bar.advance(sentence) if sentence.endswith("comparing") else None,
        )
    if gaps is not None:
        write_gaps(gaps, found.gaps)
    overall = scores(found, dimension)
    missed = [f for f in overall if f.value is not None and f.value < at_least]
    if json:
        body = {"command": "quality", "run": run_id, "at_least": at_least, "met": not missed, "gaps": found.gaps.num_rows}
        emit_json(body | {"file": gaps, "scores": plain(overall), "by_side": plain(flow_scores(found)), "checks": plain(found.checks)})
        return 1 if missed else 0
    _show(found, dimension)
    if gaps is not None:
        out().print(escape(f"written {gaps}"))
    for figure in missed:
        out().print(f"{figure.name} is under {at_least:.1%}")
    return 1 if missed else 0


def _show(found: Quality, dimensions: list[str]) -> None:
    rows = [(f.name, f.show()) for f in scores(found, dimensions)]
    table("", ("validation", "score [95 % interval] (asked)"), rows)
    worst = sorted((c for c in found.checks if c.bad), key=lambda c: (-c.bad / c.asked, -c.bad, c.flow, c.binding, c.check))
    shown = [
        (
            c.dimension,
            c.flow,
            c.binding or "all",
            escape(f"{c.check} {c.field}".strip()),
            f"{c.bad:,} of {c.asked:,}",
            c.owner or "nobody",
            escape("; ".join(c.examples)),
            remedy(c.dimension, c.check),
        )
        for c in worst
    ]
    table("", ("validation", "flow", "side", "check", "bad", "owner", "examples", "to do"), shown, right=(4,))
    out().print(f"{counted(found.gaps.num_rows, 'gap')} in {counted(len(found.seconds), 'flow')}")


def write_gaps(file: Path, gaps: pa.Table) -> None:
    """Write the list of gaps with what to do about each.

    Raises:
        UsageError: the folder is not there or may not be written.
        StorageFull: the disk is full.
    """
    places = pc.binary_join_element_wise(gaps.column("dimension"), gaps.column("check"), "\n").to_pylist()
    told = {place: remedy(*place.split("\n", 1)) for place in set(places)}
    listed = gaps.append_column("to_do", pa.array([told[place] for place in places], pa.string()))
    try:
        with duckdb.connect() as con:
            con.register("gaps", listed)
            con.execute(f"COPY (SELECT * FROM gaps ORDER BY ALL) TO {path_literal(file)} (FORMAT {_FORMS[file.suffix]})")
    except duckdb.IOException as error:
        if full := no_room(error, file, why="the list of gaps"):
            raise full from error
        raise UsageError(f"{file} cannot be written.", expected="Give a file in a folder that is there and may be written.") from error
