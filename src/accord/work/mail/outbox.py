"""What mail there is to send, and sending it: each message once, tried again while the server cannot take it.

The outbox follows the log. What a message says is written when it is sent, from the task as it stands then: no address and no link
stands in the log, and a message nobody needs any more is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from accord.model.errors import LeaseHeld, MapError, TerminalError, TransientError
from accord.model.event import Event, ObjectRef, StoredEvent
from accord.model.integration_map import IntegrationMap
from accord.model.pause import doubling_pause
from accord.store import Store
from accord.store.database import Rows
from accord.store.signing import SigningKey
from accord.work.engine import Work
from accord.work.links import round_of
from accord.work.mail.message import compose, links_of
from accord.work.mail.smtp import Post
from accord.work.moves import stamp
from accord.work.state import NOT_OVER, Task, find_tasks, load_instance

LEASE = "mail"
MOST_FAILURES = 30
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 30.0, 3600.0
_BATCH = 500
_NOTICES = {
    "task.ready": "new",
    "task.offered": "new",
    "task.accepted": "new",
    "task.reopened": "back",
    "task.delegated": "given",
    "task.escalated": "late",
}
_NAMED = {"task.escalated": "to", "task.accepted": "by"}  # whoever accepted gets the links to go on with
_FOR_PEOPLE = ("offered", "ready", "started")
_FIRST = f"{NOT_OVER} AND state IN ('offered', 'ready') AND kind IN ('human', 'decision') ORDER BY seq"
_DUE = (
    "SELECT mail, task, round, notice, person, team, failures, queued_at FROM mail "
    "WHERE state = 'queued' AND run_at <= ? ORDER BY run_at, mail LIMIT ?"
)
_REACHED = "SELECT seq FROM follower WHERE name = 'mail'"
_NEW = f"SELECT 1 FROM event WHERE seq > ? AND seq <= ? AND type IN ({', '.join('?' * len(_NOTICES))}) LIMIT 1"
Recipient = tuple[str, str]  # person, team: one of them is empty


def recipients(integration_map: IntegrationMap, task: Task) -> list[Recipient]:
    """Who is told about a task: whose it is; else the team's shared address; else each of the team with an address; else its owner."""
    if task.assignee:
        return _reached(integration_map, task.assignee)
    return _reached(integration_map, task.team)


def _reached(integration_map: IntegrationMap, name: str) -> list[Recipient]:
    person = integration_map.people.get(name)
    if person is not None:
        return [(name, "")] if person.email else []
    team = integration_map.teams.get(name)
    if team is None:
        return []
    if team.email:
        return [("", name)]
    members = [(person.name, "") for person in integration_map.people.values() if person.team == name and person.email]
    owner = integration_map.people.get(team.owner)
    return members or ([(owner.name, "")] if owner and owner.email else [])


class Mailbox:
    """The messages of a store.

    Args:
        work: the processes.
        post: the mail server.
        sender: address messages come from.
        key: signs the links.
        pages: address in front of the token of a link; empty: messages say the command instead.
    """

    def __init__(self, work: Work, post: Post, *, sender: str, key: SigningKey, pages: str = "") -> None:
        self._work, self._post, self._sender, self._key, self._pages = work, post, sender, key, pages
        self._looked = 0  # up to here nobody has to be told of anything; each look goes on from there

    def turn(self) -> int:
        """Queue what the log says since the last time, and send what is due; returns how many were sent.

        Where another process does the same, nothing is done here.

        Raises:
            TransientError: the mail server does not answer; what was not sent stays queued.
        """
        if self._idle():
            return 0
        try:
            with self._work.store.lease_named(LEASE, "accord mail", seconds=60) as lease:
                while self.queue():
                    lease.renew()
                sent = 0
                try:
                    for row in self._work.store.rows(_DUE, stamp(self._work.now()), _BATCH):
                        sent += self._send(*row)
                        lease.renew()
                finally:
                    self._post.close()
                return sent
        except LeaseHeld:
            return 0

    def _idle(self) -> bool:
        """Whether there is nothing to do; asked often, so it only reads."""
        rows, reached = self._work.store.rows, self._work.store.rows(_REACHED)
        if not reached:
            return False
        head = self._work.store.head().seq
        if rows(_NEW, max(reached[0][0], self._looked), head, *_NOTICES):
            return False
        self._looked = head
        return not rows(_DUE, stamp(self._work.now()), 1)

    def queue(self) -> int:
        """Queue messages for what happened since the last time; returns how many events were looked at."""
        store, now = self._work.store, self._work.now()
        reached = store.rows(_REACHED)
        if not reached:
            # Nobody has been told anything yet: each open task once, whatever happened to it before.
            through = store.head().seq
            told = {(task.task, ""): ("new", f"first:{task.task}") for task in find_tasks(store, _FIRST)}
            looked = 1
        else:
            events = list(store.read(after=reached[0][0], types=tuple(_NOTICES), limit=_BATCH))
            if not events:
                return 0
            through, told, looked = events[-1].seq, dict(map(_told, events)), len(events)
            # Who is told of an offer that was accepted meanwhile is told of the task as it stands; nobody needs a second message of it.
            told = {about: why for about, why in told.items() if why[0] == "late" or not about[1] or (about[0], "") not in told}

        # Read before the transaction: whatever happens to these tasks meanwhile is told by later events.
        queued = [event for (task, to), (notice, source) in told.items() for event in self._queued(store, task, to, notice, source, now)]

        def decide(rows: Rows) -> tuple[list[Event], int]:
            if rows.rows(_REACHED) != reached:
                return [], looked  # another process was quicker
            return [*queued, Event(f"mail.read:{through}", "mail.read", now, "mail", {"through": through})], looked

        return store.transact(decide)

    def _queued(self, rows: Rows, name: str, to: str, notice: str, source: str, now: datetime) -> Iterator[Event]:
        found = find_tasks(rows, "task = ?", name)
        if not found or found[0].state not in _FOR_PEOPLE or (notice == "new" and found[0].state == "started"):
            return
        task = found[0]
        if task.kind == "decision" and task.state == "started" and not task.assignee:
            return  # decided by the map, on the spot
        round_ = round_of(load_instance(rows, task.instance), task)
        for person, team in _reached(self._work.map, to) if to else recipients(self._work.map, task):
            mail = f"mail:{source}:{person or team}"
            body = {"mail": mail, "task": name, "round": round_, "notice": notice, "person": person, "team": team}
            yield Event(mail, "mail.queued", now, "mail", body, (ObjectRef("mail", mail),))

    def _send(self, mail: str, name: str, round_: str, notice: str, person: str, team: str, failures: int, queued_at: str) -> int:
        """Send one; what stands in the log of it, and its Message-ID, are the same however often this is done."""
        now, held = self._work.now(), self._work.map
        task = self._work.task(name)
        instance = load_instance(self._work.store, task.instance)
        known = held.people.get(person) if person else None
        shared = held.teams.get(team) if team else None
        address = known.email if known else shared.email if shared else ""
        if not address or task.state not in _FOR_PEOPLE or round_of(instance, task) != round_:
            self._record("mail.skipped", mail, now, error="" if address else "no address any more")
            return 0
        # Who reads a shared address is not known, so nothing can be done as them by a link.
        links = links_of(instance, task, person, mail=mail, queued_at=datetime.fromisoformat(queued_at)) if person else []
        try:
            message = compose(
                held,
                self._work.library.get(self._work.store, instance.definition),
                instance,
                task,
                mail=mail,
                notice=notice,
                links=links,
                key=self._key,
                pages=self._pages,
                sender=self._sender,
                to=((known.title or known.name) if known else (shared.title or shared.name) if shared else "", address),
                now=now,
            )
            self._post.send(message)
        except TransientError as error:
            said = _unnamed(error, address, person or team)
            if failures + 1 < MOST_FAILURES:
                again = now + timedelta(seconds=doubling_pause(_FIRST_PAUSE_SECONDS, failures + 1, _LONGEST_PAUSE_SECONDS))
                self._record("mail.failed", mail, now, number=f":{failures + 1}", error=said, run_at=stamp(again))
                raise
            self._record("mail.dead", mail, now, error=said)
            return 0
        except (MapError, TerminalError) as error:
            self._record("mail.dead", mail, now, error=_unnamed(error, address, person or team))
            return 0
        self._record("mail.sent", mail, now, message=str(message["Message-ID"]))
        return 1

    def _record(self, type_: str, mail: str, now: datetime, *, number: str = "", **more: str) -> None:
        body, about = {"mail": mail, **more}, (ObjectRef("mail", mail),)
        self._work.store.append([Event(f"{type_}:{mail}{number}", type_, now, "mail", body, about)])


def mails(store: Store, *, limit: int = 100) -> dict[str, Any]:
    """How many messages are in which state, and the newest of those that were given up."""
    states: dict[str, int] = dict(store.rows("SELECT state, count(*) FROM mail GROUP BY state ORDER BY state"))
    columns = ("mail", "task", "person", "team", "error")
    query = f"SELECT {', '.join(columns)} FROM mail WHERE state = 'dead' ORDER BY ended_at DESC, mail LIMIT ?"
    return {"states": states, "dead": [dict(zip(columns, row, strict=True)) for row in store.rows(query, limit)]}


def _unnamed(error: Exception, address: str, name: str) -> str:
    """What happened, for the log: servers repeat the address in what they say."""
    return re.sub(re.escape(address), lambda found: name, str(error), flags=re.IGNORECASE)[:2000]


def _told(stored: StoredEvent) -> tuple[tuple[str, str], tuple[str, str]]:
    """Task and who is named, with why; of several about one, the last counts."""
    given = stored.event.attributes
    to = str(given.get(_NAMED.get(stored.event.type, "")) or "")
    return (str(given["task"]), to), (_NOTICES[stored.event.type], str(stored.seq))
