"""``accord coverage``: which ids of a pack's specification are demonstrated in the last run, implemented, or not yet."""

from __future__ import annotations

import contextlib
import tempfile
from collections import Counter
from pathlib import Path

import typer

from accord.cli import options
from accord.cli.listed import sentence
from accord.cli.output import emit_json, escape, out, plain, table
from accord.govern.coverage import coverage, declared_ids, ran_ids
from accord.measure import discover_kpis
from accord.packs import find_pack


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("coverage", help=sentence(__doc__))(run)


@options.map_too
def run(
    map_path: Path | None = typer.Argument(
        None, help="Map whose run is looked at; default: the pack's demo, or the pack's map without a run."
    ),
    pack: str = typer.Option(..., "--pack", help="Pack whose specification is looked at, such as marketing-operations."),
    data: options.Data = None,
    set_: options.SetVariable = [],
    root: options.Root = None,
    store: options.StoreUrl = "",
    json: options.Json = False,
) -> None:
    """Computed from what the map and KPI files declare and from what the log says ran; no list is kept by hand."""
    found = find_pack(pack)
    specification = found.specification()
    demo = Path("accord-demo") / pack
    with tempfile.TemporaryDirectory(prefix="accord-coverage-") as nothing_ran, contextlib.ExitStack() as opened:
        chosen = map_path or (demo if demo.is_dir() else found.folder / "map")
        home = root or (None if map_path or demo.is_dir() else Path(nothing_ran))
        workspace = opened.enter_context(options.workspace(chosen, home, options.variables(data, set_), store, write=False))
        kpis = {name: kpi.covers for name, kpi in discover_kpis(workspace.map).items()}
        rows = coverage(specification, declared=declared_ids(workspace.map, kpis=kpis), ran=ran_ids(workspace.store, workspace.map))
    counts = Counter(r.status for r in rows)
    if json:
        emit_json({"command": "coverage", "pack": pack, "counts": dict(counts), "ids": plain(rows)})
        return
    table("", ("id", "title", "status", "evidence"), [(r.id, escape(r.title), r.status, escape(", ".join(r.evidence))) for r in rows])
    out().print(", ".join(f"{n} {status}" for status, n in counts.items()) + f" of {len(rows)}")
