"""``accord quarantine``: rows that break their contract: list them, judge them again, or put them aside."""

from __future__ import annotations

import pyarrow as pa
import typer

from accord.cli import options
from accord.cli.flows import about, failed_code
from accord.cli.listed import sentence
from accord.cli.output import clock, emit_error, emit_json, escape, out, plain, progress, table
from accord.lifecycle.run_id import new_run_id
from accord.lifecycle.starting import started_by
from accord.lifecycle.titles import counted
from accord.sync import flow_order, run_flows
from accord.sync.judge.quarantine import Choice, discard, list_quarantine, reopen, still_waiting

_FLOW = typer.Option("", "--flow", help="Only rows of this flow.")
_BINDING = typer.Option("", "--binding", help="Only rows of this side of a flow.")
_REASON = typer.Option("", "--reason", help="Only rows of which one reason holds this text.")
_KEY = typer.Option([], "--key", help="Only the row with this key; may be repeated.")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help=sentence(__doc__))
    group.command("list", help="Rows that wait, with every reason, counted by reason and owner.")(list_)
    group.command("retry", help="Judge the flows with waiting rows again now; corrected rows return. Discarded rows meant are reopened.")(
        retry
    )
    group.command("discard", help="Do not ask about these rows again as they are; they stay out, and return once corrected.")(discard_)
    app.add_typer(group, name="quarantine")


@options.at_map
def list_(
    where: options.Where = options.WHERE,
    json: options.Json = False,
    flow: str = _FLOW,
    binding: str = _BINDING,
    reason: str = _REASON,
    key: list[str] = _KEY,
    since: str = typer.Option("", "--since", help="Only rows waiting since this date or time (ISO 8601, UTC) or later."),
    discarded: bool = typer.Option(False, "--discarded", help="Also rows that were discarded."),
    limit: int = typer.Option(20, "--limit", min=0, help="Show at most so many rows."),
) -> int:
    """Read the state of the last run; no system is asked. Exit code 0, also when rows wait."""
    choice = Choice(flow, binding, reason, tuple(key), options.moment("--since", since), discarded)
    with where.opened(write=False) as workspace:
        found = list_quarantine(workspace.map, workspace.store, choice)
    total = found.rows.num_rows
    rows, reasons = found.rows.slice(0, limit).to_pylist(), found.reasons.to_pylist()
    if json:
        emit_json({"command": "quarantine list", "waiting": total, "reasons": reasons, "rows": plain(rows)})
        return 0
    counted = [(r["flow"], r["binding"] or "merged", r["owner"] or "—", escape(r["reason"]), f"{r['rows']:,}") for r in reasons]
    table("", ("flow", "side", "owner", "reason", "rows"), counted, right=(4,))
    shown = [
        (r["flow"], r["binding"] or "merged", escape(r["key"] or "—"), escape("; ".join(r["reasons"])), f"{r['since']:%Y-%m-%d %H:%M}")
        for r in rows
    ]
    table("", ("flow", "side", "key", "reasons", "since"), shown)
    out().print(f"{total:,} rows wait in quarantine" + (f"; the first {limit} are shown" if total > limit else ""))
    return 0


@options.at_map
def retry(
    where: options.Where = options.WHERE,
    json: options.Json = False,
    flow: str = _FLOW,
    binding: str = _BINDING,
    reason: str = _REASON,
    key: list[str] = _KEY,
) -> int:
    """Run the flows in which rows that are meant wait; exit code 1 when some of them still do, 2 and 3 as with sync."""
    choice = Choice(flow, binding, reason, tuple(key))
    with where.opened() as workspace, progress(json) as bar:
        now = clock()
        # Only a discard of rows that are named is taken back: a plain retry must not ask again what a person has answered.
        reopened = reopen(workspace.map, workspace.store, choice, by=options.person(), now=now) if choice != Choice() else 0
        meant = list_quarantine(workspace.map, workspace.store, choice).rows
        waiting = set(meant.column("flow").to_pylist())
        run = new_run_id(now)
        chosen = [name for name in flow_order(workspace.map) if name in waiting]
        bar.begin("retry", len(chosen))
        ran = run_flows(workspace.map, chosen, workspace.connectors(), workspace.store, run=run, now=now, begin=bar.advance)
        begun = started_by(workspace, chosen)
        after = still_waiting(workspace.map, workspace.store, meant)  # perhaps for another reason than the one asked for
    before = meant.num_rows
    released = sum(r.counts.get("released", 0) for r in ran.results)
    if json:
        body = {"command": "quarantine retry", "run": run, "meant": before, "released": released, "waiting": after, "reopened": reopened}
        failed = [{"flow": name, "error": str(error)} for name, error in ran.failed]
        emit_json(body | {"flows": plain(ran.results), "failed": failed, "started": plain(begun)})
    else:
        others = max(released - (before - after), 0)
        out().print(
            f"{counted(before, 'row')} judged again: {before - after:,} no longer wait, {after:,} still do"
            + (f"; {counted(others, 'other', 'others')} of these flows returned too" if others else "")
        )
        for one in begun:
            out().print(escape(one.sentence))
    for name, failure in ran.failed:
        emit_error(type(failure).__name__, about(name, str(failure)), as_json=False, code=failure.exit_code)
    return failed_code(ran.failed, otherwise=int(after > 0))


@options.at_map
def discard_(
    where: options.Where = options.WHERE,
    json: options.Json = False,
    flow: str = _FLOW,
    binding: str = _BINDING,
    reason: str = _REASON,
    key: list[str] = _KEY,
    note: str = typer.Option("", "--note", help="Why, for those who ask later."),
    by: str = typer.Option("", "--by", help="Who decides; default: the user of this machine."),
) -> int:
    """Record the decision. No system is asked or changed."""
    with where.opened() as workspace:
        choice = Choice(flow, binding, reason, tuple(key))
        before = _kept(list_quarantine(workspace.map, workspace.store).rows)
        count = discard(workspace.map, workspace.store, choice, by=options.person(by), note=note, now=clock())
        rows = list_quarantine(workspace.map, workspace.store).rows
        left, freed = rows.num_rows, len(before - _kept(rows))
    if json:
        emit_json({"command": "quarantine discard", "discarded": count, "waiting": left, "deletes": freed})
    else:
        deletes = f"; the next run carries out {counted(freed, 'delete')} that waited with them" if freed else ""
        out().print(f"{count:,} rows discarded as they are; {left:,} still wait{deletes}")
    return 0


def _kept(rows: pa.Table) -> set[tuple[str, str]]:
    """Flow and key of every deleted row that waits with one of these."""
    return {(row["flow"], key) for row in rows.select(["flow", "keeps"]).to_pylist() for key in row["keeps"] or ()}
