"""What actions of processes reach the rest of Accord by: flows of the map, mail, secrets, and functions that were registered.

A function is registered by an entry point of the group ``accord.actions`` (``name = "module:function"``), or by a pack: each public
function of a module in the pack's folder ``actions`` that is named as the module. ``measure_change`` and ``read_kpis`` are always there.
"""

from __future__ import annotations

import hashlib
import os
import pkgutil
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import formatdate
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from accord.lifecycle.measuring import measuring
from accord.lifecycle.run_id import new_run_id
from accord.lifecycle.starting import started_by
from accord.model.errors import UsageError
from accord.packs import installed_packs
from accord.store.signing import load_or_create_key
from accord.sync import run_flow
from accord.work import Work
from accord.work.action import Context, Function
from accord.work.couriers import Courier
from accord.work.mail import Mailbox, Post
from accord.work.webhooks.sender import senders
from accord.workspace import Workspace


def action_context(workspace: Workspace, *, mail_url: str = "", sender: str = "") -> Context:
    """What actions get when they run on a workspace.

    Args:
        workspace: opened; stays open while actions run.
        mail_url: ``smtp://user:password@host:port`` or ``smtps://…``.
        sender: address messages come from.
    """

    def sync(flow: str) -> Mapping[str, Any]:
        now = datetime.now(UTC)
        result = run_flow(workspace.map, flow, workspace.connectors(), workspace.store, run=new_run_id(now), now=now)
        begun = started_by(workspace, [flow])
        return {"status": result.status, **result.counts, "started": sum(bool(b.instance) for b in begun)}

    def plan(problem: str, key: str) -> Mapping[str, Any]:
        raise UsageError(f"nothing plans '{problem}' yet.", expected="Let people do this step (kind: human), or register a function.")

    def mail(to: str, subject: str, text: str, key: str) -> None:
        send_mail(mail_url, sender, to, subject, text, key=key)

    own = measuring(workspace.map, workspace.store, lambda: datetime.now(UTC))
    return Context(sync=sync, plan=plan, mail=mail, secret=secret, clock=time.time, functions=own | registered_functions())


def couriers_of(
    workspace: Workspace, work: Work, *, mail_url: str = "", sender: str = "", pages: str = "", webhooks: bool = True
) -> list[Courier]:
    """The outboxes of a workspace: the map's webhooks, and mail about tasks when a mail server is given.

    Args:
        workspace: opened.
        work: its processes.
        mail_url: as ``action_context`` takes it.
        sender: address messages come from.
        pages: address in front of the token of a link.
        webhooks: whether to send to the map's webhooks.

    Raises:
        UsageError: the address or the secret of a webhook is not set.
    """
    couriers: list[Courier] = [*senders(work)] if webhooks else []
    if mail_url and sender:
        key = load_or_create_key(workspace.root / ".accord" / "keys")
        couriers.append(Mailbox(work, Post(mail_url), sender=sender, key=key, pages=pages))
    return couriers


def secret(name: str) -> str:
    """The value of a secret: an environment variable, so that it stands in no map, log or report.

    Raises:
        UsageError: it is not set.
    """
    if name not in os.environ:
        raise UsageError(f"the environment variable {name} is not set.", expected=f"Set it, for example: export {name}=…")
    return os.environ[name]


def registered_functions() -> dict[str, Function]:
    """Functions by name: those of entry points, then those of packs; the first of a name counts."""
    found: dict[str, Function] = {}
    for pack in installed_packs().values():
        folder = pack.folder / "actions"
        for module in pkgutil.iter_modules([str(folder)]):
            function = getattr(import_module(f"{pack.module}.actions.{module.name}"), module.name, None)
            if callable(function):
                found[module.name] = function
    found.update({point.name: point.load() for point in entry_points(group="accord.actions")})
    return dict(sorted(found.items()))


def send_mail(url: str, sender: str, to: str, subject: str, text: str, *, key: str) -> None:
    """Hand one message to a mail server; its Message-ID is made of ``key``, so a repeat is the same message.

    Raises:
        UsageError: no mail server or sender is given, or a header would break the message.
        TransientError: the server does not answer, or says that it may take it later.
        TerminalError: it refuses the message.
    """
    post, message = Post(url), EmailMessage()
    if not sender:
        raise UsageError("no mail can be sent.", expected="Give --sender address, or ACCORD_SENDER.")
    try:
        message["From"], message["To"], message["Subject"], message["Date"] = sender, to, subject, formatdate()
    except ValueError as error:
        raise UsageError(
            f"the message to {to!r} cannot be written: {error}.", expected="Expected addresses and a subject on one line."
        ) from error
    message["Message-ID"] = f"<{hashlib.sha256(key.encode()).hexdigest()[:40]}@{sender.rpartition('@')[2]}>"
    message.set_content(text)
    with post:
        post.send(message)
