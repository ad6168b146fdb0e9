"""The inbox, and what a person does with a task."""

from __future__ import annotations

from typing import Annotated

import typer

from accord.cli import options
from accord.cli.output import emit_json, escape, plain, table
from accord.cli.undecided import show_undecided, undecided
from accord.cli.work.common import AnswerFile, Answers, By, TaskId, left, opened, tell
from accord.cli.work.given import read_answers
from accord.work.inbox import FOR_PEOPLE, inbox, offers
from accord.work.tracker import open_refusals


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
    with opened(where) as (workspace, work):
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
            left(i.sla, i.hours_left),
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


@options.at_map_option
def claim(
    task: TaskId,
    where: options.Where = options.WHERE,
    json: options.Json = False,
    by: By = "",
) -> int:
    """Two people cannot take the same task."""
    with opened(where) as (_, work):
        return tell(work.claim(task, by=options.person(by)), json, "claim", "yours:")


@options.at_map_option
def accept(
    task: TaskId,
    where: options.Where = options.WHERE,
    json: options.Json = False,
    by: By = "",
) -> int:
    """The clock of the handoff stops."""
    with opened(where) as (_, work):
        return tell(work.accept(task, by=options.person(by)), json, "accept", "accepted:")


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
    with opened(where) as (_, work):
        given = read_answers(work, task, answer, answers)
        return tell(work.complete(task, by=options.person(by), answer=given), json, "complete", "finished:")


@options.at_map_option
def reject(
    task: TaskId,
    where: options.Where = options.WHERE,
    json: options.Json = False,
    by: By = "",
    reason: str = typer.Option(..., "--reason", help="What is missing."),
) -> int:
    """The team it came from gets its task back; the clock of the handoff runs on."""
    with opened(where) as (_, work):
        return tell(work.reject(task, by=options.person(by), reason=reason), json, "reject", "sent back:")


@options.at_map_option
def release(
    task: TaskId,
    where: options.Where = options.WHERE,
    json: options.Json = False,
    by: By = "",
) -> int:
    """Anyone of the team may take it then."""
    with opened(where) as (_, work):
        return tell(work.release(task, by=options.person(by)), json, "release", "released:")


@options.at_map_option
def delegate(
    task: TaskId,
    to: Annotated[str, typer.Argument(help="A person, or a team of the map.")],
    where: options.Where = options.WHERE,
    json: options.Json = False,
    by: By = "",
) -> int:
    """A team's name hands the task over to that team."""
    with opened(where) as (_, work):
        return tell(work.delegate(task, by=options.person(by), to=to), json, "delegate", f"given to {to}:")


@options.at_map_option
def comment(
    task: TaskId,
    text: Annotated[str, typer.Argument(help="The text.")],
    where: options.Where = options.WHERE,
    json: options.Json = False,
    by: By = "",
) -> int:
    """It stays in the log with the task."""
    with opened(where) as (_, work):
        work.comment(task, by=options.person(by), text=text)
        return tell(work.task(task), json, "comment", "written to")


@options.at_map_option
def restart(
    task: TaskId,
    where: options.Where = options.WHERE,
    json: options.Json = False,
    by: By = "",
) -> int:
    """Its count of failures begins anew."""
    with opened(where) as (_, work):
        return tell(work.restart(task, by=options.person(by)), json, "restart", "queued again:")
