"""``accord worker``: carry out timers and actions of running processes; with --watch until told to stop."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack

import typer

from accord.cli import options
from accord.cli.listed import sentence
from accord.cli.map_changes import map_state, noticing
from accord.cli.output import clock, emit_error, emit_json, emit_note, out
from accord.cli.stopping import ended_by_signals
from accord.govern.reviews import note_due
from accord.lifecycle.acting import action_context, couriers_of
from accord.model.errors import AccordError, UsageError
from accord.work.couriers import Courier, carry_out_once, carrying
from accord.work.links import page_address
from accord.work.queue_runner import QueueRunner
from accord.work.runner import EmbeddedRunner, Runner


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("worker", help=sentence(__doc__))(worker)


@options.at_map
def worker(
    where: options.Where = options.WHERE,
    json: options.Json = False,
    watch: bool = typer.Option(False, "--watch", help="Keep on until SIGTERM or Ctrl-C; what had begun is ended first."),
    many: bool = typer.Option(False, "--many", help="Be one of many workers on a PostgreSQL store, on any number of machines."),
    threads: int = typer.Option(4, "--threads", min=1, max=64, help="Actions carried out at once."),
    mail: str = typer.Option("", "--mail", help="Mail server: smtp://user:password@host:port or smtps://….", envvar="ACCORD_MAIL"),
    sender: str = typer.Option("", "--sender", help="Address mails come from.", envvar="ACCORD_SENDER"),
    links: str = typer.Option(
        "", "--links", help="Web address before the links in mails; default: that of the map (public_url).", envvar="ACCORD_LINKS"
    ),
    webhooks: bool = typer.Option(True, "--webhooks/--no-webhooks", help="Send events to the webhooks of the map."),
) -> int:
    """Without --watch: carry out what is due now and what follows at once from it, then end."""
    if many and not where.store.startswith(("postgresql://", "postgres://")):
        raise UsageError("--many needs a store that several machines reach.", expected="Give --store postgresql://….")

    def made(opened: ExitStack) -> tuple[Runner, list[Courier]]:
        workspace = opened.enter_context(where.opened(write=False))
        work = workspace.work()
        note_due(workspace.map, workspace.store, now=clock())
        context = action_context(workspace, mail_url=mail, sender=sender)
        runner: Runner
        if many:
            runner = QueueRunner(work, context, where.store, threads=threads, failed=_told)
        else:
            runner = EmbeddedRunner(work, context, threads=threads, failed=_told)
        pages = links or page_address(workspace.map)
        return runner, couriers_of(workspace, work, mail_url=mail, sender=sender, pages=pages, webhooks=webhooks)

    done = 0
    if watch:
        _keep_on(where, made)
    else:
        with ExitStack() as opened:
            runner, couriers = made(opened)
            done = runner.drain()
            done += carry_out_once(couriers, _told)
    if json:
        emit_json({"command": "worker", "done": done})
    elif not watch:
        out().print(f"carried out: {done:,}" if done else "nothing is due")
    return 0


def _keep_on(where: options.Where, made: Callable[[ExitStack], tuple[Runner, list[Courier]]]) -> None:
    """Until told to stop; where the map changes, what had begun is ended and the next is begun by the new one."""
    stop = threading.Event()
    halt, turn = threading.Event(), threading.Lock()
    following: list[tuple[ExitStack, Runner, list[Courier]]] = []

    def end() -> None:
        stop.set()
        halt.set()

    def renew() -> None:
        fresh = ExitStack()
        try:
            runner, couriers = made(fresh)
        except AccordError as error:
            fresh.close()
            said = f"The map has changed and is not used: {error} Work goes on by the one before until it is mended."
            emit_error(type(error).__name__, said, as_json=False, code=error.exit_code)
            return
        with turn:
            for older, *_ in following:
                older.close()
            following[:] = [(fresh, runner, couriers)]
            halt.set()

    since, opened = map_state(where.map_path), ExitStack()
    runner, couriers = made(opened)
    with ended_by_signals(stop, end), noticing(where.map_path, renew, since=since):
        while True:
            with opened, carrying(couriers, halt, _told):
                runner.run(halt)
            with turn:
                if stop.is_set() or not following:
                    break
                opened, runner, couriers = following.pop()
                halt.clear()
            if stop.is_set():  # told in between
                halt.set()
            emit_note("The map has changed; work goes on by the new one.")
    for unused, *_ in following:
        unused.close()


def _told(error: AccordError) -> None:
    emit_error(type(error).__name__, str(error), as_json=False, code=error.exit_code)
