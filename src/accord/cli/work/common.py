"""What the commands of ``accord work`` share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from accord.cli import options
from accord.cli.output import emit_json, escape, out, plain
from accord.work import Task, Work
from accord.workspace import Workspace

By = Annotated[str, typer.Option("--by", help="Who does it; default: your user name.", envvar="ACCORD_USER")]
TaskId = Annotated[str, typer.Argument(help="Id of the task.")]
InstanceId = Annotated[str, typer.Argument(help="Id of the process instance.")]
Answers = Annotated[list[str], typer.Option("--answer", help="name=value, as the form of the step asks for it; may be repeated.")]
AnswerFile = Annotated[Path | None, typer.Option("--answers", help="JSON file with the answers.")]


@contextmanager
def opened(where: options.Where) -> Iterator[tuple[Workspace, Work]]:
    """The lease is not taken: each command is one short transaction, and people work while a synchronization runs."""
    with where.opened(write=False) as workspace:
        yield workspace, workspace.work()


def tell(task: Task, json: bool, command: str, said: str) -> int:
    """Show a task after something was done with it; 1 when a gate sent it back."""
    refused = command == "complete" and task.state != "completed"
    if json:
        emit_json({"command": f"work {command}", "task": plain(task)})
    elif refused:
        out().print(escape(f"not finished: {'; '.join(task.reasons)}"))
    else:
        out().print(escape(f"{said} {task.task}"))
    return 1 if refused else 0


def left(sla: str, hours: float | None) -> str:
    """How its time stands, in words; ``hours`` are negative once it is over."""
    if hours is None:
        return sla
    shown = f"{abs(hours):.1f} h" if abs(hours) < 48 else f"{abs(hours) / 24:.1f} d"
    return f"overdue since {shown}" if sla == "overdue" else f"{sla}, {shown} left"
