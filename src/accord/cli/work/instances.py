"""Instances of processes: begun, looked at, told something, ended, moved to another version."""

from __future__ import annotations

import json as json_module
from typing import Annotated

import typer

from accord.cli import options
from accord.cli.output import emit_json, escape, out, plain, table
from accord.cli.work.common import By, InstanceId, left, opened
from accord.cli.work.given import read_json, read_variables
from accord.work import inbox


@options.at_map_option
def start(
    process: Annotated[str, typer.Argument(help="A process of the map.")],
    where: options.Where = options.WHERE,
    json: options.Json = False,
    by: By = "",
    case: str = typer.Option(..., "--case", help="Key of what it carries, such as a campaign's id."),
    variable: list[str] = typer.Option([], "--variable", help="name=value it starts with; may be repeated."),
    key: str = typer.Option("", "--key", help="Makes a repeat harmless: the same key starts one instance."),
) -> None:
    """Its first tasks are open right away."""
    with opened(where) as (_, work):
        fields = work.library.current(process).process.variables
        instance = work.start(process, case=case, by=options.person(by), variables=read_variables(fields, variable), key=key)
    if json:
        emit_json({"command": "work start", "instance": instance})
    else:
        out().print(escape(f"started: {instance}"))


@options.at_map_option
def show(
    instance: InstanceId,
    where: options.Where = options.WHERE,
    json: options.Json = False,
) -> None:
    """Both teams of a handoff see the same."""
    with opened(where) as (_, work):
        found, events = inbox.show(work.store, instance)
        now = work.now()
        handoffs = inbox.passages(work.store, instance, now=now)
    open_tasks = [inbox.item(task, now) for task in found.open_tasks()]
    history = [(stored.event.time.isoformat(sep=" ", timespec="seconds"), inbox.sentence(stored)) for stored in events]
    if json:
        emit_json(
            {
                "command": "work show",
                "instance": plain(found) | {"tokens": len(found.tokens)},
                "history": history,
                "open": plain(open_tasks),
                "handoffs": plain(handoffs),
            }
        )
        return
    out().print(escape(f"{found.process} of {found.case}: {found.status}"))
    rows = [(i.task.task, i.task.state, i.task.team, i.task.assignee, left(i.sla, i.hours_left)) for i in open_tasks]
    if rows:
        table("", ("open", "state", "team", "who", "time"), [tuple(map(escape, row)) for row in rows])
    if handoffs:
        seen = [(h.step, h.from_team, h.giver_sees, h.to_team, h.receiver_sees, f"{h.waited_hours:.1f} h") for h in handoffs]
        table("", ("handed over for", "from", "they see", "to", "they see", "waited"), [tuple(map(escape, row)) for row in seen])
    if found.variables:
        table(
            "",
            ("variable", "value"),
            [(escape(name), escape(json_module.dumps(v, ensure_ascii=False))) for name, v in found.variables.items()],
        )
    table("", ("when (UTC)", "what"), [(when[:19], escape(what)) for when, what in history])


@options.at_map_option
def running(
    where: options.Where = options.WHERE,
    json: options.Json = False,
    process: str = typer.Option("", "--process", help="Only instances of this process."),
) -> None:
    """Blocked: everything open in it waits for somebody to take it."""
    with opened(where) as (_, work):
        cards = inbox.board(work.store, now=work.now(), process=process)
    if json:
        emit_json({"command": "work board", "instances": plain(cards)})
        return
    rows = [(c.instance, c.case, c.status, ", ".join(c.open_steps), (c.blocked_since or "")[:19]) for c in cards]
    table("", ("instance", "case", "status", "open", "blocked since (UTC)"), [tuple(map(escape, row)) for row in rows])


@options.at_map_option
def signal(
    message: Annotated[str, typer.Argument(help="Name of the message.")],
    where: options.Where = options.WHERE,
    json: options.Json = False,
    by: By = "",
    key: str = typer.Option(..., "--key", help="What it is about, such as the case."),
    content: str = typer.Option("{}", "--content", help="JSON object; its values become variables."),
    id_: str = typer.Option("", "--id", help="Id of the message; a repeat of the same id changes nothing."),
) -> None:
    """Exit code 2 when nobody waits for it; that it came is recorded."""
    body = read_json(content, "--content")
    with opened(where) as (_, work):
        reached = work.signal(message, key=key, content=body, by=options.person(by), id=id_)
    if json:
        emit_json({"command": "work signal", "reached": list(reached)})
    else:
        out().print(escape(f"reached: {', '.join(reached)}" if reached else "this message was delivered before; nothing was changed"))


@options.at_map_option
def cancel(
    instance: InstanceId,
    where: options.Where = options.WHERE,
    json: options.Json = False,
    by: By = "",
    reason: str = typer.Option(..., "--reason", help="Why."),
) -> None:
    """Steps with an undo are taken back in reverse order."""
    with opened(where) as (_, work):
        work.cancel(instance, by=options.person(by), reason=reason)
        status = str(work.store.rows("SELECT status FROM work_instance WHERE instance = ?", instance)[0][0])
    if json:
        emit_json({"command": "work cancel", "instance": instance, "status": status})
    else:
        out().print(escape(f"{status}: {instance}"))


@options.at_map_option
def migrate(
    instance: InstanceId,
    where: options.Where = options.WHERE,
    json: options.Json = False,
    by: By = "",
) -> None:
    """Refused, with every reason, when an open step has no place there."""
    with opened(where) as (_, work):
        digest = work.migrate(instance, by=options.person(by))
    if json:
        emit_json({"command": "work migrate", "instance": instance, "definition": digest})
    else:
        out().print(escape(f"{instance} runs by definition {digest[:12]}"))


@options.at_map_option
def resume(
    instance: InstanceId,
    where: options.Where = options.WHERE,
    json: options.Json = False,
    by: By = "",
    step: str = typer.Option("", "--step", help="The step that begins anew; needed when nothing is open."),
    variable: list[str] = typer.Option([], "--variable", help="name=value to correct before; may be repeated."),
    comment: str = typer.Option("", "--comment", help="Why, for the history."),
) -> None:
    """After what held it up was mended: another version of the process (accord work migrate), or a value."""
    with opened(where) as (_, work):
        found, _ = inbox.show(work.store, instance)
        fields = work.library.get(work.store, found.definition).process.variables
        work.resume(instance, by=options.person(by), step=step, variables=read_variables(fields, variable), comment=comment)
        found, _ = inbox.show(work.store, instance)
    if json:
        emit_json({"command": "work resume", "instance": instance, "status": found.status})
    else:
        out().print(escape(f"{instance} is {found.status}"))
