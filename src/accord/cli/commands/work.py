"""``accord work``: the processes of a map, as the people who carry them use them."""

from __future__ import annotations

import json as json_module
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from accord.cli import options
from accord.cli.given import given_bytes
from accord.cli.output import emit_json, escape, out, plain, table
from accord.cli.undecided import show_undecided, undecided
from accord.model.entity import Field
from accord.model.errors import UsageError
from accord.model.types import CanonicalType
from accord.store.signing import load_or_create_key
from accord.work import Task, Work
from accord.work.inbox import FOR_PEOPLE, board, inbox, item, offers, passages, sentence, show
from accord.work.links import Links
from accord.work.mail.outbox import mails
from accord.work.tracker import open_refusals
from accord.work.webhooks.sender import resume, standing
from accord.workspace import Workspace

_BOOLEANS = {"true": True, "yes": True, "false": False, "no": False}


By = Annotated[str, typer.Option("--by", help="Who does it; default: your user name.", envvar="ACCORD_USER")]
TaskId = Annotated[str, typer.Argument(help="Id of the task.")]
InstanceId = Annotated[str, typer.Argument(help="Id of the process instance.")]
Answers = Annotated[list[str], typer.Option("--answer", help="name=value, as the form of the step asks for it; may be repeated.")]
AnswerFile = Annotated[Path | None, typer.Option("--answers", help="JSON file with the answers.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help="Work across teams: tasks, handoffs and instances of the map's processes.")
    for name, function, told in (
        ("tasks", tasks, "Open tasks, the most urgent first."),
        ("claim", claim, "Take a task; an offered one is accepted with it."),
        ("accept", accept, "Accept a handoff for your team."),
        ("complete", complete, "Finish a task with what its form asks for."),
        ("reject", reject, "Send offered work back, with a reason."),
        ("release", release, "Give a task back to its team."),
        ("delegate", delegate, "Give a task to a person or to another team."),
        ("comment", comment, "Write something to a task."),
        ("start", start, "Begin an instance of a process."),
        ("show", show_instance, "An instance: how it stands, and what happened to it."),
        ("board", running, "Running instances and what they wait for."),
        ("signal", signal, "Deliver a message to whoever waits for it."),
        ("cancel", cancel, "End an instance early; what can be undone is undone."),
        ("migrate", migrate, "Move an instance to the present version of its process."),
        ("resume", resume_instance, "Go on with an instance that is stuck."),
        ("restart", restart, "Try an action again that failed too often."),
        ("redeem", redeem, "Use a one-time link from a mail."),
        ("outbox", outbox, "Mail and webhooks: what is sent, what waits, what failed."),
    ):
        group.command(name, help=told)(function)
    app.add_typer(group, name="work")


@contextmanager
def _work(where: options.Where) -> Iterator[tuple[Workspace, Work]]:
    """The lease is not taken: each command is one short transaction, and people work while a synchronization runs."""
    with where.opened(write=False) as workspace:
        yield workspace, workspace.work()


def _tell(task: Task, json: bool, command: str, said: str) -> int:
    refused = command == "complete" and task.state != "completed"
    if json:
        emit_json({"command": f"work {command}", "task": plain(task)})
    elif refused:
        out().print(escape(f"not finished: {'; '.join(task.reasons)}"))
    else:
        out().print(escape(f"{said} {task.task}"))
    return 1 if refused else 0


@options.at_map_option
def tasks(
    where: options.Where = options.WHERE,
    json: options.Json = False,
    team: str = typer.Option("", "--team", help="Only tasks of this team."),
    person: str = typer.Option("", "--person", help="Only tasks of this person."),
    overdue: bool = typer.Option(False, "--overdue", help="Only tasks whose time is over."),
    state: list[str] = typer.Option([], "--state", help="Only tasks in this state; may be repeated."),
    limit: int = typer.Option(100, "--limit", help="At most so many tasks."),
) -> None:
    """Sorted by due time."""
    with _work(where) as (workspace, work):
        titles = {(p.name, s.name): s.title for p in workspace.map.processes.values() for s in p.steps.values()}
        states = tuple(state) or FOR_PEOPLE
        found = inbox(work.store, now=work.now(), team=team, person=person, overdue=overdue, titles=titles, limit=limit, states=states)
        waiting = offers(work.store, to_team=team)
        refused = open_refusals(work.store, team=team)
        conflicts = [] if person or overdue or state else undecided(workspace, team=team)
    if json:
        body = {"command": "work tasks", "tasks": plain(found), "offers": waiting, "refused": plain(refused)}
        emit_json(body | {"conflicts": plain(conflicts)})
        return
    rows = [
        (
            i.task.task,
            i.task.case,
            i.title,
            i.task.team,
            i.task.assignee,
            i.task.state if i.task.attempt == 1 else f"{i.task.state}, {i.task.attempt}. time",
            i.task.due_at.isoformat(sep=" ", timespec="minutes")[:16] if i.task.due_at else "",
            _left(i.sla, i.hours_left),
            "; ".join(i.task.reasons),
        )
        for i in found
    ]
    table(
        "",
        ("task", "case", "step", "team", "who", "state", "due (UTC)", "time", "sent back because"),
        [tuple(map(escape, row)) for row in rows],
    )
    show_undecided(conflicts)
    if refused:
        shown = [(r.task, ", ".join([*(f"{n} {v}" for n, v in r.wanted.items()), r.person]), r.at[:19], r.reason) for r in refused]
        columns = ("task", "it wants", "since (UTC)", "refused because")
        table("the tracker says otherwise", columns, [tuple(map(escape, row)) for row in shown])


def _left(sla: str, hours: float | None) -> str:
    if hours is None:
        return sla
    shown = f"{abs(hours):.1f} h" if abs(hours) < 48 else f"{abs(hours) / 24:.1f} d"
    return f"overdue since {shown}" if sla == "overdue" else f"{sla}, {shown} left"


@options.at_map_option
def claim(
    task: TaskId,
    where: options.Where = options.WHERE,
    json: options.Json = False,
    by: By = "",
) -> int:
    """Two people cannot take the same task."""
    with _work(where) as (_, work):
        return _tell(work.claim(task, by=options.person(by)), json, "claim", "yours:")


@options.at_map_option
def accept(
    task: TaskId,
    where: options.Where = options.WHERE,
    json: options.Json = False,
    by: By = "",
) -> int:
    """The clock of the handoff stops."""
    with _work(where) as (_, work):
        return _tell(work.accept(task, by=options.person(by)), json, "accept", "accepted:")


@options.at_map_option
def complete(
    task: TaskId,
    where: options.Where = options.WHERE,
    json: options.Json = False,
    by: By = "",
    answer: Answers = [],
    answers: AnswerFile = None,
) -> int:
    """Exit code 1 when a gate sent it back; the reasons are printed."""
    with _work(where) as (_, work):
        given = _answers(work, task, answer, answers)
        return _tell(work.complete(task, by=options.person(by), answer=given), json, "complete", "finished:")


@options.at_map_option
def reject(
    task: TaskId,
    where: options.Where = options.WHERE,
    json: options.Json = False,
    by: By = "",
    reason: str = typer.Option(..., "--reason", help="What is missing."),
) -> int:
    """The team it came from gets its task back; the clock of the handoff runs on."""
    with _work(where) as (_, work):
        return _tell(work.reject(task, by=options.person(by), reason=reason), json, "reject", "sent back:")


@options.at_map_option
def release(
    task: TaskId,
    where: options.Where = options.WHERE,
    json: options.Json = False,
    by: By = "",
) -> int:
    """Anyone of the team may take it then."""
    with _work(where) as (_, work):
        return _tell(work.release(task, by=options.person(by)), json, "release", "released:")


@options.at_map_option
def delegate(
    task: TaskId,
    to: Annotated[str, typer.Argument(help="A person, or a team of the map.")],
    where: options.Where = options.WHERE,
    json: options.Json = False,
    by: By = "",
) -> int:
    """A team's name hands the task over to that team."""
    with _work(where) as (_, work):
        return _tell(work.delegate(task, by=options.person(by), to=to), json, "delegate", f"given to {to}:")


@options.at_map_option
def comment(
    task: TaskId,
    text: Annotated[str, typer.Argument(help="The text.")],
    where: options.Where = options.WHERE,
    json: options.Json = False,
    by: By = "",
) -> int:
    """It stays in the log with the task."""
    with _work(where) as (_, work):
        work.comment(task, by=options.person(by), text=text)
        return _tell(work.task(task), json, "comment", "written to")


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
    with _work(where) as (_, work):
        fields = work.library.current(process).process.variables
        instance = work.start(process, case=case, by=options.person(by), variables=_variables(fields, variable), key=key)
    if json:
        emit_json({"command": "work start", "instance": instance})
    else:
        out().print(escape(f"started: {instance}"))


@options.at_map_option
def show_instance(
    instance: InstanceId,
    where: options.Where = options.WHERE,
    json: options.Json = False,
) -> None:
    """Both teams of a handoff see the same."""
    with _work(where) as (_, work):
        found, events = show(work.store, instance)
        now = work.now()
        handoffs = passages(work.store, instance, now=now)
    open_tasks = [item(task, now) for task in found.open_tasks()]
    history = [(stored.event.time.isoformat(sep=" ", timespec="seconds"), sentence(stored)) for stored in events]
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
    rows = [(i.task.task, i.task.state, i.task.team, i.task.assignee, _left(i.sla, i.hours_left)) for i in open_tasks]
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
    with _work(where) as (_, work):
        cards = board(work.store, now=work.now(), process=process)
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
    body = _json(content, "--content")
    with _work(where) as (_, work):
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
    with _work(where) as (_, work):
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
    with _work(where) as (_, work):
        digest = work.migrate(instance, by=options.person(by))
    if json:
        emit_json({"command": "work migrate", "instance": instance, "definition": digest})
    else:
        out().print(escape(f"{instance} runs by definition {digest[:12]}"))


@options.at_map_option
def resume_instance(
    instance: InstanceId,
    where: options.Where = options.WHERE,
    json: options.Json = False,
    by: By = "",
    step: str = typer.Option("", "--step", help="The step that begins anew; needed when nothing is open."),
    variable: list[str] = typer.Option([], "--variable", help="name=value to correct before; may be repeated."),
    comment: str = typer.Option("", "--comment", help="Why, for the history."),
) -> None:
    """After what held it up was mended: another version of the process (accord work migrate), or a value."""
    with _work(where) as (_, work):
        found, _ = show(work.store, instance)
        fields = work.library.get(work.store, found.definition).process.variables
        work.resume(instance, by=options.person(by), step=step, variables=_variables(fields, variable), comment=comment)
        found, _ = show(work.store, instance)
    if json:
        emit_json({"command": "work resume", "instance": instance, "status": found.status})
    else:
        out().print(escape(f"{instance} is {found.status}"))


@options.at_map_option
def restart(
    task: TaskId,
    where: options.Where = options.WHERE,
    json: options.Json = False,
    by: By = "",
) -> int:
    """Its count of failures begins anew."""
    with _work(where) as (_, work):
        return _tell(work.restart(task, by=options.person(by)), json, "restart", "queued again:")


@options.at_map_option
def redeem(
    token: Annotated[str, typer.Argument(help="The link, or what stands behind the last slash of it.")],
    where: options.Where = options.WHERE,
    json: options.Json = False,
    reason: str = typer.Option("", "--reason", help="What is missing, to send work back."),
    look: bool = typer.Option(False, "--look", help="Only say what it would do."),
    answer: Answers = [],
    answers: AnswerFile = None,
) -> int:
    """It acts as the person the mail went to, once; a link that is forged, old or used is refused and changes nothing."""
    token = token.rpartition("/")[2]
    with _work(where) as (workspace, work):
        links = Links(work, load_or_create_key(workspace.root / ".accord" / "keys"))
        found = links.look(token)
        if not look:
            given = _answers(work, found.task.task, answer, answers)
            return _tell(links.redeem(token, answer=given, reason=reason), json, found.action, f"{found.action} as {found.person}:")
    if json:
        emit_json({"command": "work redeem", **plain(found)})
    else:
        out().print(escape(f"{found.action} '{found.title}' of {found.task.case} as {found.person} ({found.task.task})"))
    return 0


@options.at_map_option
def outbox(
    where: options.Where = options.WHERE,
    json: options.Json = False,
    by: By = "",
    restart: str = typer.Option("", "--restart", help="Go on with this webhook at once, which was given up or waits."),
    skip: str = typer.Option("", "--skip", help="The same, and leave out the event it stands at."),
) -> int:
    """Exit code 1 when something was given up: a webhook until somebody restarts it, a mail for good."""
    with _work(where) as (_, work):
        if restart or skip:
            resume(work, skip or restart, by=options.person(by), skip=bool(skip))
        followers, mail = standing(work.store), mails(work.store)
    dead = mail["dead"] or any(row["state"] == "dead" for row in followers)
    if json:
        emit_json({"command": "work outbox", "followers": followers, "mail": mail})
        return int(bool(dead))
    rows = [(str(r["name"]), str(r["behind"]), str(r["state"]), str(r["run_at"] or "")[:19], str(r["error"])) for r in followers]
    table("", ("outbox", "behind", "state", "next try (UTC)", "because"), [tuple(map(escape, row)) for row in rows], right=(1,))
    out().print(", ".join(f"{count} {state}" for state, count in mail["states"].items()) or "no mail")
    for lost in mail["dead"]:
        out().print(escape(f"not sent: {lost['task']} to {lost['person'] or lost['team']}: {lost['error']}"))
    return int(bool(dead))


def _answers(work: Work, task: str, given: list[str], file: Path | None) -> dict[str, Any]:
    found = work.task(task)
    values: dict[str, Any] = {}
    if file is not None:
        values = _json(given_bytes(file, "Give a JSON file."), str(file))
    row = work.store.rows("SELECT definition FROM work_instance WHERE instance = ?", found.instance)
    step = work.library.get(work.store, row[0][0]).steps[found.step]
    for name, value in _pairs(given, "--answer"):
        values[name] = _typed(step.form[name].type if name in step.form else "", value)
    return values


def _variables(fields: Mapping[str, Field], given: list[str]) -> dict[str, Any]:
    return {name: _typed(fields[name].type if name in fields else "", value) for name, value in _pairs(given, "--variable")}


def _pairs(given: list[str], option: str) -> list[tuple[str, str]]:
    pairs = []
    for text in given:
        name, separator, value = text.partition("=")
        if not separator or not name:
            raise UsageError(f"{option} '{text}' is not of the form name=value.", expected="For example budget=1200")
        pairs.append((name, value))
    return pairs


def _typed(kind: str, value: str) -> Any:
    """The text as its field wants it; left as text where it is none of that, so that the form says what is wrong."""
    name = CanonicalType.parse(kind).name if kind else ""
    try:
        if name == "integer":
            return int(value)
        if name in ("number", "double"):
            return float(value)
        if name == "json":
            return json_module.loads(value)
    except ValueError:
        return value
    return _BOOLEANS.get(value.lower(), value) if name == "boolean" else value


def _json(text: str | bytes, where: str) -> dict[str, Any]:
    try:
        found = json_module.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{where} is no JSON: {error}.", expected='Expected an object such as {"paid": true}') from error
    if not isinstance(found, Mapping):
        raise UsageError(f"{where} is no JSON object.", expected='Expected an object such as {"paid": true}')
    return dict(found)
