"""``accord erase``: erase a person from systems, events and state; shows what would be done, and does it with --yes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import typer

from accord.cli import options
from accord.cli.listed import sentence
from accord.cli.output import clock, emit_json, escape, out, plain, table
from accord.lifecycle.erasing import Plan, erase_person, find_person
from accord.lifecycle.run_id import new_run_id
from accord.model.errors import UsageError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("erase", help=sentence(__doc__))(erase)


@options.at_map_option
def erase(
    person: str = typer.Argument(help="Id of the person: the key of their row, or the name they act under."),
    where: options.Where = options.WHERE,
    json: options.Json = False,
    entity: str = typer.Option("", "--entity", help="Only as a row of this entity; default: as whatever the map may know the person."),
    yes: bool = typer.Option(False, "--yes", help="Do it. It cannot be undone."),
    by: str = typer.Option("", "--by", metavar="NAME", help="Who asked for it; default: the user of this machine."),
    reason: str = typer.Option("", "--reason", help="Why, for the log; name nobody in it."),
) -> int:
    """Exit code 1: something of the person remains, and the answer says where and what to do."""
    if yes and not reason.strip():
        raise UsageError("no reason is given.", expected="Give --reason, such as 'request of 4 May'; it stays in the log.")
    with where.opened(write=yes) as workspace:
        if yes:
            now = clock()
            plan = erase_person(workspace, person, entity=entity, by=options.person(by), reason=reason, run=new_run_id(now), now=now)
        else:
            plan = find_person(workspace, person, entity=entity)
    remains = plan.remains if yes else ()
    if json:
        body = {"command": "erase", "done": yes and not remains, "systems": plain(plan.systems), "remains": list(remains)}
        emit_json({**body, "found": _figures(plan)})
    else:
        _show(plan, done=yes)
        for sentence in remains:
            out().print(escape(sentence))
    return 1 if remains else 0


def _figures(plan: Plan) -> Mapping[str, object]:
    found = plan.found
    return {
        "pseudonyms": list(found.pseudonyms),
        "events": found.events,
        "segments": len(found.segments),
        "rows": sum(found.segments.values()),
        "agreed": dict(found.present),
        "events_in_clear": list(found.clear),
        "other_segments": [sha for sha, _ in found.unknown],
        "files": [str(Path(name)) for name in plan.files],
        "unfinished": found.unscrubbed,
    }


def _show(plan: Plan, *, done: bool) -> None:
    found = plan.found
    rows = [
        (f"{r.system}: {r.resource}", "deleted" if done and not r.left else r.left or "would be deleted", f"{r.rows:,} rows")
        for r in plan.systems
        if r.rows or r.left
    ]
    if not done and found.events:
        rows.append(("events", "would become unreadable", f"{found.events:,} events under {len(found.pseudonyms)} keys"))
    if not done and found.segments:
        rows.append(("state", "would be written anew", f"{sum(found.segments.values()):,} rows in {len(found.segments)} segments"))
    if not done and found.unscrubbed:
        rows.append(("an erasure", "would be finished", ""))
    if rows:
        table("", ("where", "what", "how much"), [(escape(a), escape(b), escape(c)) for a, b, c in rows])
    if done:
        out().print("erased; the log verifies as before")
    elif not rows:
        out().print("nothing is known of this person")
    else:
        out().print("nothing was changed; do it with --yes --reason …")
