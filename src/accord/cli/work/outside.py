"""What goes out and comes back: mails, their one-time links, webhooks."""

from __future__ import annotations

from typing import Annotated

import typer

from accord.cli import options
from accord.cli.output import emit_json, escape, out, plain, table
from accord.cli.work.common import AnswerFile, Answers, By, opened, tell
from accord.cli.work.given import read_answers
from accord.store.signing import load_or_create_key
from accord.work.links import Links
from accord.work.mail.outbox import mails
from accord.work.webhooks.sender import resume, standing


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
    with opened(where) as (workspace, work):
        links = Links(work, load_or_create_key(workspace.root / ".accord" / "keys"))
        found = links.look(token)
        if not look:
            given = read_answers(work, found.task.task, answer, answers)
            return tell(links.redeem(token, answer=given, reason=reason), json, found.action, f"{found.action} as {found.person}:")
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
    with opened(where) as (_, work):
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
