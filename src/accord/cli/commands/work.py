"""``accord work``: work across teams: tasks, handoffs and instances of the map's processes."""

from __future__ import annotations

import typer

from accord.cli.listed import sentence
from accord.cli.work import instances, outside, tasks


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help=sentence(__doc__))
    for name, function, told in (
        ("tasks", tasks.tasks, "Open tasks, the most urgent first."),
        ("claim", tasks.claim, "Take a task; an offered one is accepted with it."),
        ("accept", tasks.accept, "Accept a handoff for your team."),
        ("complete", tasks.complete, "Finish a task with what its form asks for."),
        ("reject", tasks.reject, "Send offered work back, with a reason."),
        ("release", tasks.release, "Give a task back to its team."),
        ("delegate", tasks.delegate, "Give a task to a person or to another team."),
        ("comment", tasks.comment, "Write something to a task."),
        ("start", instances.start, "Begin an instance of a process."),
        ("show", instances.show, "An instance: how it stands, and what happened to it."),
        ("board", instances.running, "Running instances and what they wait for."),
        ("signal", instances.signal, "Deliver a message to whoever waits for it."),
        ("cancel", instances.cancel, "End an instance early; what can be undone is undone."),
        ("migrate", instances.migrate, "Move an instance to the present version of its process."),
        ("resume", instances.resume, "Go on with an instance that is stuck."),
        ("restart", tasks.restart, "Try an action again that failed too often."),
        ("redeem", outside.redeem, "Use a one-time link from a mail."),
        ("outbox", outside.outbox, "Mail and webhooks: what is sent, what waits, what failed."),
    ):
        group.command(name, help=told)(function)
    app.add_typer(group, name="work")
