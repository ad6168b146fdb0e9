"""``accord reconcile``: read every system again and name each key on which they differ."""

from __future__ import annotations

import typer

from accord.cli import options
from accord.cli.output import clock, emit_json, out, plain, progress, table
from accord.lifecycle.run import new_run_id
from accord.model.errors import UnknownName
from accord.sync import flow_order, reconcile


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("reconcile", help="Prove that the systems agree: every missing, extra and different key by name.")(run)


def run(
    map_path: options.MapPath = options.HERE,
    data: options.Data = None,
    set_: options.SetVariable = [],
    root: options.Root = None,
    store: options.StoreUrl = "",
    json: options.Json = False,
    flow: list[str] = typer.Option([], "--flow", help="Only this flow; may be repeated."),
) -> int:
    """Compare all bindings of each flow; exit code 1 when they differ. Rows in quarantine are counted apart."""
    with options.workspace(map_path, root, options.variables(data, set_), store) as workspace, progress(json) as bar:
        for name in flow:
            if name not in workspace.map.flows:
                raise UnknownName("flow", name, workspace.map.flows)
        chosen = [name for name in flow_order(workspace.map) if not flow or name in flow]
        now = clock()
        run_id = new_run_id(now)
        bar.begin("reconcile", len(chosen))
        proofs = []
        for name in chosen:
            bar.advance(name)
            proofs.append(reconcile(workspace.map, name, workspace.connectors(), workspace.store, run=run_id, now=now))
    agree = all(pair.agrees for proof in proofs for pair in proof.pairs)
    waiting = sum(sum(proof.quarantined.values()) for proof in proofs)
    if json:
        emit_json({"command": "reconcile", "run": run_id, "agree": agree, "quarantined": waiting, "flows": plain(proofs)})
        return 0 if agree else 1
    rows = [
        (p.flow, f"{pair.left} ~ {pair.right}", f"{pair.keys:,}", f"{pair.missing:,}", f"{pair.extra:,}", f"{pair.different:,}")
        for p in proofs
        for pair in p.pairs
    ]
    table("", ("flow", "pair", "keys", "missing", "extra", "different"), rows, right=(2, 3, 4, 5))
    out().print("the systems agree on every key that was compared" if agree else "the systems differ")
    if waiting:
        out().print(f"{waiting:,} rows that break their contract wait in quarantine; they are no part of the comparison")
    return 0 if agree else 1
