"""``accord conflicts``: list values that lost and conflicts that are open; decide them, or restore a value."""

from __future__ import annotations

import typer

from accord.cli import options
from accord.cli.listed import sentence
from accord.cli.output import clock, emit_json, escape, out, plain, table
from accord.cli.undecided import key_text, value_text, values_text
from accord.lifecycle.run_id import new_run_id
from accord.lifecycle.starting import started_by
from accord.model.errors import UnknownName, UsageError
from accord.store.kept_as import kept_as
from accord.sync import run_flow
from accord.sync.merge.conflict_list import LostValue, OpenConflict, lost_values, open_conflicts
from accord.sync.merge.decide import decide, restore
from accord.workspace import Workspace


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("conflicts", help=sentence(__doc__))(conflicts)


@options.at_map
def conflicts(
    where: options.Where = options.WHERE,
    json: options.Json = False,
    flow: list[str] = typer.Option([], "--flow", help="Only this flow; may be repeated."),
    open_: bool = typer.Option(False, "--open", help="Only conflicts that wait for a person."),
    key: str = typer.Option("", "--key", help="Only this row: its key as JSON, or the value of a key field."),
    limit: int = typer.Option(1000, "--limit", min=1, help="At most so many values, the newest first."),
    decide_id: str = typer.Option("", "--decide", metavar="ID", help="Decide this open conflict; the next accord sync carries it out."),
    take: str = typer.Option("", "--take", metavar="BINDING", help="With --decide: the value of this binding."),
    value: str | None = typer.Option(None, "--value", help="With --decide: this value, in canonical form."),
    null: bool = typer.Option(False, "--null", help="With --decide: no value."),
    restore_id: str = typer.Option("", "--restore", metavar="ID", help="Make this lost value the agreed one in all systems, now."),
    by: str = typer.Option("", "--by", metavar="NAME", help="Who decides or restores; kept with the record."),
    force: bool = typer.Option(
        False, "--force", help="With --restore: also when the field changed since. With --decide: in place of a decision."
    ),
) -> int:
    """Exit code 1: the value to restore was overtaken by a newer edit; 2: no such conflict, or it cannot be decided so."""
    writes = bool(decide_id or restore_id)
    with where.opened(write=writes) as workspace:
        for name in flow:
            if name not in workspace.map.flows:
                raise UnknownName("flow", name, workspace.map.flows)
        if decide_id and restore_id:
            raise UsageError("--decide and --restore are two things.", expected="Give one of them.")
        if decide_id:
            return _decide(workspace, decide_id, take=take, value=value, null=null, by=by, force=force, as_json=json)
        if restore_id:
            return _restore(workspace, restore_id, by=by, force=force, as_json=json)
        if take or null or force or value is not None:
            raise UsageError("--take, --value, --null and --force say how.", expected="Give --decide ID or --restore ID with them.")
        chosen = flow or list(workspace.map.flows)
        kept = kept_as(workspace.map, workspace.store)
        waiting = open_conflicts(workspace.store, chosen, key=key, kept=kept)
        lost = [] if open_ else lost_values(workspace.store, chosen, key=key, limit=limit, kept=kept)
    if json:
        emit_json({"command": "conflicts", "open": waiting, **({} if open_ else {"lost": lost})})
        return 0
    _show(waiting, lost)
    return 0


def _decide(workspace: Workspace, id_: str, *, take: str, value: str | None, null: bool, by: str, force: bool, as_json: bool) -> int:
    if [bool(take), value is not None, null].count(True) != 1:
        raise UsageError("--decide needs one value.", expected="Give one of --take BINDING, --value V or --null.")
    now, systems = clock(), workspace.connectors()
    run = new_run_id(now)
    task = decide(workspace.map, systems, workspace.store, id_, take=take, value=value, by=by, run=run, now=now, force=force)
    if as_json:
        emit_json({"command": "conflicts", "decided": task.id, "flow": task.flow, "by": by})
    else:
        out().print(escape(f"conflict {task.id} is decided by {by}; 'accord sync --flow {task.flow}' carries it out"))
    return 0


def _restore(workspace: Workspace, id_: str, *, by: str, force: bool, as_json: bool) -> int:
    now = clock()
    run = new_run_id(now)
    lost = restore(workspace.map, workspace.connectors(), workspace.store, id_, by=by, run=run, now=now, force=force)
    result = run_flow(workspace.map, lost.flow, workspace.connectors(), workspace.store, run=run, now=now)
    begun = started_by(workspace, [lost.flow])
    row = next(r for r in workspace.store.table("conflict").to_pylist() if r["id"] == lost.id)
    outcome = str(row["outcome"] or "waiting")
    if as_json:
        body = {"command": "conflicts", "restored": lost.id, "outcome": outcome, "by": by}
        emit_json(body | {"counts": dict(result.counts), "started": plain(begun)})
    else:
        sentences = {
            "applied": f"{lost.flow}: {lost.field} of {lost.key} is {value_text(lost.losing_value)} again in every system",
            "moved": f"{lost.flow}: {lost.field} of {lost.key} was edited meanwhile; the newer edit stands",
            "gone": f"{lost.flow}: the row {lost.key} was deleted meanwhile",
            "waiting": f"{lost.flow}: the row {lost.key} breaks its contract with this value, or was kept back; the next run tries again",
        }
        out().print(escape(sentences.get(outcome, outcome)))
        for one in begun:
            out().print(escape(one.sentence))
    return 0 if outcome == "applied" else 1


def _show(waiting: list[OpenConflict], lost: list[LostValue]) -> None:
    if waiting:
        rows = []
        for task in waiting:
            decided = f"{value_text(task.value)} by {task.decided_by}" if task.status == "decided" else "—"
            rows.append(tuple(escape(v) for v in (task.id, task.flow, key_text(task.key), task.field, values_text(task), decided)))
        table("open: they wait for a person", ("id", "flow", "key", "field", "values", "decided"), rows)
    if lost:
        rows = [
            tuple(
                escape(v)
                for v in (
                    value.id,
                    value.flow,
                    key_text(value.key),
                    value.field or "the row",
                    f"{value_text(value.losing_value)} ({value.loser})",
                    f"{value_text(value.winning_value)} ({value.winner})",
                    value.rule,
                    value.changed_by or value.loser,
                    f"{value.changed_at or value.at:%Y-%m-%d %H:%M}",
                )
            )
            for value in lost
        ]
        table("values that lost", ("id", "flow", "key", "field", "lost", "to", "rule", "who", "when (UTC)"), rows)
    if not waiting and not lost:
        out().print("no conflicts")
