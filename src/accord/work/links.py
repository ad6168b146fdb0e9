"""Signed one-time links: whoever holds one may do one thing to one task as one person, once and for a time.

A link says all it stands for, so none is kept before it is used; that it was used stands in the log, in the transaction of what it did.
It is bound to the round of its task: once the work was sent back, offered again or given to somebody else, an older link is refused.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from accord.model.errors import TerminalError
from accord.model.event import Event, ObjectRef
from accord.model.integration_map import IntegrationMap
from accord.store.database import Rows
from accord.store.signing import SigningKey
from accord.work import people
from accord.work.definition import Definition
from accord.work.engine import Work
from accord.work.forms import form_schema
from accord.work.moves import Moves
from accord.work.refusals import Refusals
from accord.work.state import OBJECT, Instance, Task, load_instance

ACTIONS = ("accept", "claim", "complete", "reject")
LONGEST_TOKEN = 2000
_PURPOSE = b"accord link 1\n"  # what is signed says what it is, so that no signature passes for one of another purpose


class LinkRefused(TerminalError):
    """A link that is forged, expired, used, or about a task that moved on; ``reason`` is one word of these."""

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        super().__init__(message, left="nothing was changed")


@dataclass(frozen=True, slots=True)
class Link:
    """What a link stands for.

    Args:
        task: on which task.
        action: one of ``ACTIONS``.
        person: as whom, a name of ``people`` in the map.
        expires: seconds since 1970.
        nonce: makes it one of its kind.
        round: of the task, as ``round_of`` gives it.
    """

    task: str
    action: str
    person: str
    expires: int
    nonce: str
    round: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What a page shows before somebody uses a link: the task, what will be done as whom, and the form to fill in, if any."""

    task: Task
    title: str
    action: str
    person: str
    form: Mapping[str, Any] | None
    expires: datetime


def round_of(instance: Instance, task: Task) -> str:
    """Changes whenever a task is begun again, offered again or given to another team."""
    handoff = instance.handoffs.get(task.handoff)
    return f"{task.attempt}.{handoff.attempt if handoff else 0}.{task.team}"


def page_address(integration_map: IntegrationMap) -> str:
    """What stands before a token in a message, where the map says at which address people reach Accord; else nothing."""
    return f"{integration_map.public_url.rstrip('/')}/links/" if integration_map.public_url else ""


def make_token(link: Link, key: SigningKey) -> str:
    """A link as text that can stand in a web address."""
    payload = json.dumps([link.task, link.action, link.person, link.expires, link.nonce, link.round], separators=(",", ":")).encode()
    return f"{_text(payload)}.{_text(key.sign(_PURPOSE + payload))}"


def read_token(token: str, key: SigningKey, *, now: datetime) -> Link:
    """The link of a token.

    Raises:
        LinkRefused: it was not signed here, or its time is over.
    """
    try:
        if len(token) > LONGEST_TOKEN or not token.isascii():
            raise ValueError(token)
        payload, signature = (_bytes(part) for part in token.split("."))
        if not key.public.verify(signature, _PURPOSE + payload):
            raise ValueError(token)
        link = Link(*json.loads(payload))
    except (ValueError, TypeError, binascii.Error) as error:
        raise LinkRefused("forged", "this link is not one of ours. Use it exactly as it stands in the message.") from error
    if now.timestamp() >= link.expires:
        over = datetime.fromtimestamp(link.expires, UTC)
        raise LinkRefused("expired", f"this link was good until {over:%Y-%m-%d %H:%M} UTC. The task is still in the inbox, if it is open.")
    return link


class Links:
    """Looks at links and uses them.

    Args:
        work: the processes.
        key: that signed them.
    """

    def __init__(self, work: Work, key: SigningKey) -> None:
        self._work, self._key, self._refusals = work, key, Refusals(work.store)

    def look(self, token: str) -> Preview:
        """What a link would do; nothing is changed, so whatever follows the links of a message on its way uses none up.

        Raises:
            LinkRefused: it would do nothing.
        """
        with self._recorded(token):
            link = read_token(token, self._key, now=self._work.now())
            instance, definition = _fitting(self._work.store, self._work, link)
            task = instance.tasks[link.task]
            step = definition.steps[task.step]
            form = None
            if link.action == "complete":
                form = definition.schemas.get(step.name) or (form_schema(step.form) if step.form else None)
            return Preview(task, step.title or step.name, link.action, link.person, form, datetime.fromtimestamp(link.expires, UTC))

    def redeem(self, token: str, *, answer: Mapping[str, Any] | None = None, reason: str = "") -> Task:
        """Do what a link stands for, as the person it was made for.

        Args:
            token: from the message.
            answer: what the form asks for, to complete.
            reason: to reject.

        Raises:
            LinkRefused: forged, expired, used, or the task moved on; nothing was changed, and that it was tried is recorded.
            UsageError: the form is not filled in right, or no reason is given; the link stays good.
        """
        with self._recorded(token):
            link = read_token(token, self._key, now=self._work.now())

            def decide(moves: Moves) -> Task:
                instance, _ = _fitting(moves.rows, self._work, link)
                task = _DO[link.action](moves, link.task, dict(answer or {}), reason)
                body = {"task": link.task, "action": link.action, "person": link.person, "nonce": link.nonce}
                about = (ObjectRef(OBJECT, instance.instance), ObjectRef("link", link.nonce))
                moves.events.append(Event(_used(link), "link.used", moves.now, f"process:{instance.process}", body, about))
                return task

            with self._work.recording_misfits(link.task, by=link.person):
                return self._work.command(decide, by=link.person)

    @contextmanager
    def _recorded(self, token: str) -> Iterator[None]:
        """Record a refusal that leaves the block; the log keeps the hash of the token and not the token."""
        try:
            yield
        except LinkRefused as error:
            digest = hashlib.sha256(token.encode(errors="replace")).hexdigest()[:32]
            known, more = error.reason != "forged", {}
            if known:
                link = read_token(token, self._key, now=datetime.fromtimestamp(0, UTC))
                more = {"task": link.task, "action": link.action, "person": link.person}
            self._refusals.record(
                "link.refused",
                f"{digest}:{error.reason}",
                error.reason,
                ObjectRef("link", digest),
                now=self._work.now(),
                known=known,
                more=more,
            )
            raise


def may_do(integration_map: IntegrationMap, definition: Definition, task: Task, person: str) -> bool:
    """Whether a person of the map may take a task: its assignee, one of its team, or who steps in for them."""
    known = integration_map.people.get(person)
    if known is None:
        return False
    step, team = definition.steps[task.step], integration_map.teams.get(task.team) or definition.teams.get(task.team)
    stand_ins = {step.backup, step.escalate_to, *((team.backup, team.owner) if team else ())} - {""}
    if person in stand_ins or (known.team and known.team in stand_ins):
        return True
    return person == task.assignee if task.assignee else not task.team or known.team == task.team


def _fitting(rows: Rows, work: Work, link: Link) -> tuple[Instance, Definition]:
    """The instance and its definition, when the link can still be used.

    Raises:
        LinkRefused: it was used, or the task moved on.
    """
    found = rows.rows("SELECT instance FROM work_task WHERE task = ?", link.task)
    if not found:
        raise LinkRefused("moved on", f"task '{link.task}' does not exist here.")
    instance = load_instance(rows, found[0][0])
    # Asked after the instance was read: whoever only looks is told «used» also where that happens in between.
    if rows.rows("SELECT 1 FROM event WHERE id = ?", _used(link)):
        raise LinkRefused("used", "this link was used already; it works once.")
    task, definition = instance.tasks[link.task], work.library.get(rows, instance.definition)
    if round_of(instance, task) != link.round:
        raise LinkRefused("moved on", f"task '{link.task}' was sent back or handed on since. Use the link of the newest message.")
    if task.state not in _POSSIBLE[link.action] or (task.state == "started" and task.assignee != link.person):
        has = f", {task.assignee} has it" if task.state == "started" else ""
        raise LinkRefused("moved on", f"task '{link.task}' is {task.state}{has}; this link does nothing any more.")
    if not may_do(work.map, definition, task, link.person):
        raise LinkRefused("moved on", f"task '{link.task}' is not for {link.person} any more.")
    return instance, definition


_POSSIBLE: Mapping[str, tuple[str, ...]] = {
    "accept": ("offered",),
    "claim": ("offered", "ready"),
    "complete": ("offered", "ready", "started"),
    "reject": ("offered",),
}
_DO: Mapping[str, Callable[[Moves, str, dict[str, Any], str], Task]] = {
    "accept": lambda moves, task, answer, reason: people.accept(moves, task),
    "claim": lambda moves, task, answer, reason: people.claim(moves, task),
    "complete": lambda moves, task, answer, reason: people.complete(moves, task, answer),
    "reject": lambda moves, task, answer, reason: people.reject(moves, task, reason),
}


def _used(link: Link) -> str:
    return f"link.used:{link.nonce}"


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if _text(data) != text:  # one spelling only, so that a used link cannot come back in another
        raise ValueError(text)
    return data
