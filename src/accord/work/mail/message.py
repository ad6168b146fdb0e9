"""One message about one task: what it is, until when, from whom, and links for what can be done."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from zoneinfo import ZoneInfo

from accord.model.errors import UsageError
from accord.model.integration_map import IntegrationMap
from accord.store.signing import SigningKey
from accord.work.definition import Definition
from accord.work.links import Link, make_token, round_of
from accord.work.mail.calendar_entry import calendar_entry
from accord.work.state import Instance, Task

LINK_DAYS = 14
_OFFERS = {"offered": ("accept", "reject"), "ready": ("claim", "complete"), "started": ("complete",)}
_DOES = {"accept": "Accept it for your team", "claim": "Take it", "complete": "Finish it", "reject": "Send it back, with a reason"}
_ABOUT = {"new": "", "back": "sent back: ", "given": "for you: ", "late": "late: "}


def links_of(instance: Instance, task: Task, person: str, *, mail: str, queued_at: datetime) -> list[Link]:
    """What the person may do by link; equal for each try of the same message."""
    expires = int((queued_at + timedelta(days=LINK_DAYS)).timestamp())
    round_ = round_of(instance, task)
    return [
        Link(task.task, action, person, expires, hashlib.sha256(f"{mail}:{action}".encode()).hexdigest()[:32], round_)
        for action in _OFFERS.get(task.state, ())
    ]


def compose(
    integration_map: IntegrationMap,
    definition: Definition,
    instance: Instance,
    task: Task,
    *,
    mail: str,
    notice: str,
    links: Sequence[Link],
    key: SigningKey,
    pages: str,
    sender: str,
    to: tuple[str, str],
    now: datetime,
) -> EmailMessage:
    """The message.

    Args:
        integration_map: for titles.
        definition: that the instance runs by.
        instance: of the task.
        task: what it is about.
        mail: its identity, which makes the Message-ID: a repeat is the same message.
        notice: why it is sent: new, back, given or late.
        links: what can be done by link.
        key: signs the links.
        pages: address in front of a token, such as ``https://accord.example/links/``; empty: the command is given instead.
        sender: address it comes from.
        to: name and address it goes to.
        now: the time.

    Raises:
        UsageError: an address is none.
    """
    step = definition.steps[task.step]
    title = step.title or step.name
    subject = _line(f"[{integration_map.title or integration_map.name}] {_ABOUT.get(notice, '')}{title}: {task.case or instance.instance}")
    message = EmailMessage()
    try:
        message["From"] = sender
        message["To"] = Address(_line(to[0]), addr_spec=to[1])
    except (ValueError, IndexError) as error:
        raise UsageError(f"a message from '{sender}' to '{to[1]}' cannot be written: {error}.", expected="Expected addresses.") from error
    message["Subject"], message["Date"] = subject, now
    message["Message-ID"] = f"<{hashlib.sha256(mail.encode()).hexdigest()[:40]}@{sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's absence note answers it
    zone = zone_of(integration_map, task)
    about = _about(integration_map, definition, instance, task, notice, zone)
    message.set_content("\n\n".join(part for part in (about, _links(links, key, pages, zone)) if part) + "\n")
    if task.due_at is not None:
        handoff = instance.handoffs.get(task.handoff)
        entry = calendar_entry(
            key=task.task,
            due=task.due_at,
            title=f"{title}: {task.case}",
            text=about,
            sequence=task.attempt - 1 + (handoff.attempt if handoff else 0),
            now=now,
        )
        message.add_attachment(entry.encode(), "text", "calendar", filename="due.ics", params={"charset": "utf-8", "method": "PUBLISH"})
    return message


def _about(integration_map: IntegrationMap, definition: Definition, instance: Instance, task: Task, notice: str, zone: ZoneInfo) -> str:
    step, process = definition.steps[task.step], definition.process
    team = integration_map.teams.get(task.team)
    lines = [f"{step.title or step.name}, for {task.case or instance.instance} ({process.title or process.name})."]
    handoff = instance.handoffs.get(task.handoff)
    if task.state == "offered" and handoff is not None:
        giver = integration_map.teams.get(handoff.from_team)
        times = f", for the {handoff.attempt}. time" if handoff.attempt > 1 else ""
        lines.append(f"{giver.title or giver.name if giver else handoff.from_team} offers it{times}.")
    elif task.assignee:
        lines.append(f"It is for {task.assignee}.")
    elif task.team:
        lines.append(f"Anyone of {team.title or team.name if team else task.team} can take it.")
    if task.reasons:
        lines.append("It came back because: " + "; ".join(task.reasons))
    if task.due_at is not None:
        what = "To be accepted by" if task.state == "offered" else "Due"
        over = " (this time is over)" if notice == "late" else ""
        lines.append(f"{what} {task.due_at.astimezone(zone):%a %Y-%m-%d %H:%M %Z}{over}.")
    lines.append(f"Task: {task.task}")
    return "\n".join(lines)


def _links(links: Sequence[Link], key: SigningKey, pages: str, zone: ZoneInfo) -> str:
    if not links:
        return ""
    lines = []
    for link in links:
        token = make_token(link, key)
        lines.append(f"{_DOES[link.action]}:\n{pages or 'accord work redeem '}{token}")
    until = datetime.fromtimestamp(links[0].expires, zone)
    lines.append(f"Each link works once, until {until:%Y-%m-%d %H:%M %Z}, and acts as {links[0].person}: do not pass this message on.")
    return "\n\n".join(lines)


def zone_of(integration_map: IntegrationMap, task: Task) -> ZoneInfo:
    """The time zone people of a task's team read times in."""
    team = integration_map.teams.get(task.team)
    calendar = integration_map.calendars.get(team.calendar) if team else None
    return ZoneInfo(calendar.timezone if calendar else integration_map.timezone)


def _line(text: str) -> str:
    """On one line: a case or a name may hold anything, and a header must not be broken by it."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:200]
