"""``accord review``: regular reviews: list what is due, hold one with its decisions, close an action."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from accord.cli import options
from accord.cli.listed import sentence
from accord.cli.output import clock, emit_json, escape, out, plain, progress, table
from accord.govern.review_facts import facts_of
from accord.govern.reviews import Action, Held, finish_action, hold, list_actions, list_reviews, next_due, note_due
from accord.lifecycle.context import STEPS, StepContext, StepReport
from accord.lifecycle.run_id import new_run_id
from accord.lifecycle.runner import run_step
from accord.model.errors import UsageError
from accord.workspace import Workspace


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("review", help=sentence(__doc__))(review)


@options.at_map
def review(
    where: options.Where = options.WHERE,
    json: options.Json = False,
    due: bool = typer.Option(False, "--due", help="Only what is due or overdue, with the figures to look at."),
    run: bool = typer.Option(
        False, "--run", help="With --due: walk the lifecycle steps the reviews look at first, so that figures are new."
    ),
    hold_name: str = typer.Option("", "--hold", metavar="NAME", help="Record that this review was held."),
    period: str = typer.Option("", "--period", help="With --hold: for this period, such as 2026-03 or 2026-Q1; default: the oldest due."),
    decision: list[str] = typer.Option([], "--decision", help="With --hold: what was decided; may be repeated."),
    action: list[str] = typer.Option([], "--action", help="With --hold: what is to be done: WHAT; WHO; YYYY-MM-DD. May be repeated."),
    done: str = typer.Option("", "--done", metavar="ACTION", help="Record that an action of a review is done."),
    by: str = typer.Option("", "--by", help="Who held it, or did it; default: your user name.", envvar="ACCORD_USER"),
) -> int:
    """Exit code 1: with --due, a review is overdue."""
    if hold_name and done:
        raise UsageError("--hold and --done are two things.", expected="Give one of them.")
    if (decision or action or period) and not hold_name:
        raise UsageError("--decision, --action and --period say what a review came to.", expected="Give --hold NAME with them.")
    if run and not due:
        raise UsageError("--run makes the figures of what is due new.", expected="Give --due with it.")
    with where.opened(write=run) as workspace:
        map_, store, now = workspace.map, workspace.store, clock()
        note_due(map_, store, now=now)
        if done:
            return _tell_action(finish_action(store, done, by=options.person(by), now=now), json)
        if hold_name:
            person = options.person(by)
            return _tell_held(hold(map_, store, hold_name, by=person, decisions=decision, actions=action, period=period, now=now), json)
        found = list_reviews(map_, store, now=now)
        if due:
            found = [held for held in found if held.state in ("due", "overdue")]
        reports = _run(workspace, found, json) if run else []
        facts = facts_of(store, now=now) if due and found else {}
        running = {name: p.end for name, p in next_due(map_, now=now).items()}
        actions = list_actions(store, only_open=True)
    late = any(held.state == "overdue" for held in found)
    if json:
        body = {"command": "review", "reviews": plain(found), "actions": plain(actions), "next": plain(running), "facts": facts}
        emit_json(body | ({"steps": [r.step for r in reports], "run": reports[0].run} if reports else {}))
        return 1 if due and late else 0
    _show(found, actions)
    if facts:
        table("to look at", ("what", "now"), [(escape(name), escape(str(value))) for name, value in facts.items()])
    for report in reports:
        changed = sum(d.changed for d in report.deliverables)
        out().print(f"{report.step}: {len(report.analysis.findings):,} findings, {changed} of {len(report.deliverables)} deliverables new")
    if not found:
        ahead = ", ".join(f"{name} on {end:%Y-%m-%d}" for name, end in running.items())
        out().print(escape(f"nothing is due; next: {ahead}"))
    return 1 if due and late else 0


def _run(workspace: Workspace, found: Sequence[Held], json: bool) -> list[StepReport]:
    """The steps of what is due, each once, in their order."""
    with progress(json) as bar:
        now = clock()
        context = StepContext(workspace, new_run_id(now), now, bar, {})
        wanted = {step for held in found for step in held.steps}
        return [run_step(step, context) for step in STEPS if step in wanted]


def _show(found: Sequence[Held], actions: Sequence[Action]) -> None:
    rows = []
    for held in found:
        when = f"until {held.until:%Y-%m-%d}" if held.held_at is None else f"{held.held_at:%Y-%m-%d} by {held.held_by}"
        rows.append((held.title, held.period, held.owner, f"{held.state}, {when}", "; ".join(held.decisions)))
    if rows:
        table("", ("review", "period", "team", "state", "decided"), [tuple(map(escape, row)) for row in rows])
    for held in found[-1:]:
        moved = [(m.what, str(m.before or "—"), str(m.after or "—")) for m in held.moved]
        if moved:
            title = f"{held.title} {held.period}: moved since the one before"
            table(title, ("what", "before", "then"), [tuple(map(escape, row)) for row in moved])
    if actions:
        shown = [(a.id, a.what, a.who, a.due_on) for a in actions]
        table("open actions", ("action", "what", "who", "by"), [tuple(map(escape, row)) for row in shown])


def _tell_held(held: Held, json: bool) -> int:
    if json:
        emit_json({"command": "review", "held": plain(held)})
        return 0
    out().print(escape(f"held: {held.title} for {held.period} by {held.held_by}: {'; '.join(held.decisions)}"))
    _show([held], [a for a in held.actions if not a.done_at])
    return 0


def _tell_action(action: Action, json: bool) -> int:
    if json:
        emit_json({"command": "review", "action": plain(action)})
    else:
        out().print(escape(f"done: {action.what} ({action.id}) by {action.done_by}"))
    return 0
