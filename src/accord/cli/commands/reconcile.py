"""``accord reconcile``: prove that the systems agree: every missing, extra and different key by name."""

from __future__ import annotations

import json as json_module
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import typer

from accord.cli import options
from accord.cli.given import given_bytes
from accord.cli.listed import sentence
from accord.cli.output import clock, emit_json, escape, out, plain, progress, table
from accord.cli.plans import show_plans, signing_key, write_plan
from accord.cli.undecided import value_text
from accord.lifecycle.files import write_whole
from accord.lifecycle.run_id import new_run_id
from accord.model.errors import DataRefused, UnknownName, UsageError
from accord.sync import Reconciliation, flow_order, reconcile
from accord.sync.apply.plan import FlowPlan, unplanned
from accord.sync.apply.plans import plan_flows
from accord.sync.merge.conflict_list import open_conflicts
from accord.sync.proof.report import KIND, NAMED, coarser_sentences, lacking_sentence, proof_body, proof_markdown, row_named
from accord.workspace import Workspace


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("reconcile", help=sentence(__doc__))(run)


@options.at_map
def run(
    where: options.Where = options.WHERE,
    json: options.Json = False,
    flow: list[str] = typer.Option([], "--flow", help="Only this flow; may be repeated."),
    report: list[Path] = typer.Option([], "--report", help="Write the proof, signed, to this .json or .md file; may be repeated."),
    repair: Path | None = typer.Option(None, "--repair", help="Write a plan that mends what differs, for accord apply."),
    allow_deletes: bool = typer.Option(False, "--allow-deletes", help="With --repair: plan also what the guards would stop."),
    verify: Path | None = typer.Option(None, "--verify", help="Check the signature of a .json report instead; reads no system."),
    key: Path | None = typer.Option(None, "--key", help="With --verify: public key of who signed; default: this workspace's."),
    read_all: bool = typer.Option(False, "--read-all", help="Read every row, also where the systems' own digests would do."),
    limit: int = typer.Option(20, "--limit", min=0, help="Show at most so many differences; --json and --report name up to 10,000."),
) -> int:
    """Compare all bindings of each flow; exit code 1 when they differ. Rows in quarantine are counted apart."""
    if verify is not None:
        return _verify(verify, key, where, as_json=json)
    if unknown := [file for file in report if file.suffix not in (".json", ".md")]:
        raise UsageError(f"--report {unknown[0]} is neither .json nor .md.", expected="Give a file name that ends in one of them.")
    with where.opened() as workspace, progress(json) as bar:
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
            proofs.append(reconcile(workspace.map, name, workspace.connectors(), workspace.store, run=run_id, now=now, read_all=read_all))
        _report(report, proofs, workspace, now)
        plans, left, recognized = _repair(repair, proofs, workspace, now, allow_deletes=allow_deletes)
        undecided = _undecided(proofs, workspace)
        lacking = _lacking(proofs, workspace)
    agree = all(pair.agrees for proof in proofs for pair in proof.pairs)
    waiting = sum(sum(proof.quarantined.values()) for proof in proofs)
    if json:
        body = {"command": "reconcile", "run": run_id, "agree": agree, "quarantined": waiting, "reports": [str(file) for file in report]}
        mending = (
            {"file": str(repair), "writes": sum(p.writes for p in plans), "left": left, "recognized": recognized}
            if repair is not None
            else None
        )
        emit_json(body | {"repair": mending, "flows": [_as_json(proof) for proof in proofs]})
        return 0 if agree else 1
    rows = [
        (p.flow, f"{pair.left} ~ {pair.right}", f"{pair.keys:,}", f"{pair.missing:,}", f"{pair.extra:,}", f"{pair.different:,}")
        for p in proofs
        for pair in p.pairs
    ]
    table("", ("flow", "pair", "keys", "missing", "extra", "different"), rows, right=(2, 3, 4, 5))
    _show_differences(proofs, limit)
    out().print("the systems agree on every key that was compared" if agree else "the systems differ")
    for left_out in lacking:
        out().print(escape(left_out))
    for proof in proofs:
        for pair in proof.pairs:
            for said in coarser_sentences(pair.left, pair.right, pair.coarser):
                out().print(escape(f"{proof.flow}: {said}"))
    if nameless := sum(len(proof.unknown) for proof in proofs):
        what = "have no id yet and are shown by the key of their own system; a run finds out whether other systems have them too"
        out().print(f"{nameless:,} rows {what}: accord sync")
    if undecided:
        out().print(f"{undecided:,} of the differing fields are open conflicts, which wait for a person: accord conflicts --open")
    if waiting:
        out().print(f"{waiting:,} rows that break their contract wait in quarantine; they are no part of the comparison")
    for file in report:
        out().print(escape(f"written {file}"))
    if repair is not None:
        _show_repair(repair, plans, left, recognized)
    return 0 if agree else 1


def _lacking(proofs: Sequence[Reconciliation], workspace: Workspace) -> list[str]:
    """What was not compared, because a mapped column is gone."""
    bound = [(workspace.map.flows[proof.flow].bindings[name], columns) for proof in proofs for name, columns in proof.lacking.items()]
    return [lacking_sentence(binding.holder, binding.resource, columns) for binding, columns in bound]


def _as_json(proof: Reconciliation) -> dict[str, object]:
    found = proof.differences
    named = {"differences": found.slice(0, NAMED).to_pylist(), "differences_found": found.num_rows}
    return {**plain(proof), **named}


def _show_differences(proofs: Sequence[Reconciliation], limit: int) -> None:
    rows = [
        (
            proof.flow,
            f"{d['left']} ~ {d['right']}",
            row_named(d["key"], proof.unknown),
            d["kind"],
            d["field"] or "",
            _value(d, "left"),
            _value(d, "right"),
        )
        for proof in proofs
        for d in proof.differences.slice(0, limit).to_pylist()
    ]
    found = sum(proof.differences.num_rows for proof in proofs)
    if rows[:limit]:
        shown = [tuple(map(escape, row)) for row in rows[:limit]]
        table("", ("flow", "pair", "key", "difference", "field", "left", "right"), shown)
    if found > limit:
        out().print(f"{found:,} differences; the first {limit:,} are shown, --report names them")


def _value(difference: dict[str, str | None], side: str) -> str:
    """A value as it is told apart from no value; a key that is not there has none."""
    value = difference[f"{side}_value"]
    if difference["kind"] != "different":
        return ""
    return value_text(value if value is None or len(value) <= 60 else f"{value[:59]}…")


def _undecided(proofs: Sequence[Reconciliation], workspace: Workspace) -> int:
    """How many of the fields that differ are open conflicts."""
    differing = {(p.flow, d["key"], d["field"]) for p in proofs for d in p.differences.slice(0, NAMED).to_pylist()}
    waiting = open_conflicts(workspace.store, [p.flow for p in proofs])
    return sum((one.flow, one.key, one.field) in differing for one in waiting)


def _report(files: Sequence[Path], proofs: Sequence[Reconciliation], workspace: Workspace, now: datetime) -> None:
    if not files:
        return
    from accord.store.signing import sign_document  # here, because most proofs are not handed out

    body = proof_body(workspace.map, proofs, workspace.store.head(), now)
    signed = sign_document(body, signing_key(workspace)).decode()
    for file in files:
        write_whole(file, signed if file.suffix == ".json" else proof_markdown(body, json_module.loads(signed)["signature"]))


def _repair(
    file: Path | None, proofs: Sequence[Reconciliation], workspace: Workspace, now: datetime, *, allow_deletes: bool
) -> tuple[list[FlowPlan], dict[str, list[str]], dict[str, dict[str, str | None]]]:
    """The plans written, the keys per flow that no plan can mend, and those of rows without an id with what became of them."""
    plans: list[FlowPlan] = []
    left: dict[str, list[str]] = {}
    recognized: dict[str, dict[str, str | None]] = {}
    if file is None:
        return plans, left, recognized
    differing = {proof.flow: sorted(set(proof.differences.column("key").to_pylist())) for proof in proofs}
    flows = [flow for flow, keys in differing.items() if keys]
    if flows:
        run = f"{proofs[0].run}-repair"
        planned = plan_flows(
            workspace.map,
            flows,
            workspace.connectors(),
            workspace.store,
            run=run,
            now=now,
            allow_deletes=allow_deletes,
            keys=differing,
        )
        for _, error in planned.failed:
            raise error
        plans = planned.plans
        recognized = {result.flow: dict(result.recognized) for result in planned.results if result.recognized}
        for plan in plans:
            known = recognized.get(plan.flow, {})
            if rest := [key for key in unplanned(plan) if key not in known and key not in known.values()]:
                left[plan.flow] = rest
    write_plan(file, plans, workspace, now)
    return plans, left, recognized


def _show_repair(file: Path, plans: Sequence[FlowPlan], left: dict[str, list[str]], recognized: dict[str, dict[str, str | None]]) -> None:
    if plans:
        show_plans(plans, 20, nothing="there is nothing to write")
    out().print(escape(f"written {file}; carry it out with: accord apply {file}"))
    for flow, known in recognized.items():
        if same := sum(other is not None for other in known.values()):
            what = "without an id are recognized as rows of other systems, which the next run of the flow notes: accord sync"
            out().print(escape(f"flow '{flow}': {same:,} rows {what}"))
        if waiting := len(known) - same:
            what = (
                "without an id wait for a decision whether they are the same as others, which the next run asks for: accord identity list"
            )
            out().print(escape(f"flow '{flow}': {waiting:,} rows {what}"))
    for flow, keys in left.items():
        shown = ", ".join(keys[:3]) + (" …" if len(keys) > 3 else "")
        what = "differ and no rule of the map says who is right, or no system may be written"
        out().print(escape(f"flow '{flow}': {len(keys):,} keys {what}: {shown}"))


def _verify(file: Path, key: Path | None, where: options.Where, *, as_json: bool) -> int:
    from accord.store.signing import PUBLIC, load_public_key, verify_document

    folder = where.root or (where.map_path if where.map_path.is_dir() else where.map_path.parent)
    data = given_bytes(file, "Give a report written by --report.")
    public = load_public_key(key or folder / ".accord" / "keys" / PUBLIC)
    body = verify_document(data, public, where=str(file))
    if body.get("kind") != KIND:
        raise DataRefused("it is signed, but is no reconciliation", str(file), "a report written by accord reconcile --report")
    if as_json:
        emit_json({"command": "reconcile", "verified": str(file), "key": public.key_id, "agree": body["agree"], "made_at": body["made_at"]})
    else:
        word = "agree" if body["agree"] else "differ"
        out().print(escape(f"{file} is as key {public.key_id} signed it: made {body['made_at']}, the systems {word}"))
    return 0
