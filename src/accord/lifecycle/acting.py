"""What actions of processes reach the rest of Accord by: flows of the map, mail, secrets, and functions that were registered.

A function is registered by an entry point of the group ``accord.actions`` (``name = "module:function"``), or by a pack: each public
function of a module in the pack's folder ``actions`` that is named as the module.
"""

from __future__ import annotations

import hashlib
import os
import pkgutil
import smtplib
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import formatdate
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any
from urllib.parse import unquote, urlsplit

from accord.lifecycle.run import new_run_id
from accord.model.errors import TerminalError, TransientError, UsageError
from accord.packs import installed_packs
from accord.sync import run_flow
from accord.work.action import Context, Function
from accord.workspace import Workspace

_SMTP_SECONDS = 30


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
        return {"status": result.status, **result.counts}

    def plan(problem: str, key: str) -> Mapping[str, Any]:
        raise UsageError(f"nothing plans '{problem}' yet.", expected="Let people do this step (kind: human), or register a function.")

    def mail(to: str, subject: str, text: str, key: str) -> None:
        send_mail(mail_url, sender, to, subject, text, key=key)

    return Context(sync=sync, plan=plan, mail=mail, secret=secret, clock=time.time, functions=registered_functions())


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
    server = urlsplit(url)
    if server.scheme not in ("smtp", "smtps") or not server.hostname or not sender:
        raise UsageError(
            "no mail can be sent.", expected="Give --mail smtp://host:port and --sender address, or ACCORD_MAIL and ACCORD_SENDER."
        )
    message = EmailMessage()
    try:
        message["From"], message["To"], message["Subject"], message["Date"] = sender, to, subject, formatdate()
    except ValueError as error:
        raise UsageError(
            f"the message to {to!r} cannot be written: {error}.", expected="Expected addresses and a subject on one line."
        ) from error
    message["Message-ID"] = f"<{hashlib.sha256(key.encode()).hexdigest()[:40]}@{sender.rpartition('@')[2]}>"
    message.set_content(text)
    kind = smtplib.SMTP_SSL if server.scheme == "smtps" else smtplib.SMTP
    try:
        with kind(server.hostname, server.port or 0, timeout=_SMTP_SECONDS) as connection:
            if server.username:
                if server.scheme == "smtp":
                    connection.starttls()
                connection.login(unquote(server.username), unquote(server.password or ""))
            connection.send_message(message)
    except smtplib.SMTPResponseException as error:
        said = f"the mail server answered {error.smtp_code}: {error.smtp_error!r}."
        raise (TerminalError(said, left="it is not tried again") if error.smtp_code >= 500 else TransientError(said)) from error
    except smtplib.SMTPRecipientsRefused as error:
        raise TerminalError(f"the mail server refuses {', '.join(error.recipients)}.", left="nothing was sent") from error
    except (OSError, smtplib.SMTPException) as error:
        raise TransientError(f"the mail server at {server.hostname} cannot be reached: {error}.") from error
