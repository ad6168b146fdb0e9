"""Telling a partner what happens: in the order of the log, at least once, from the moment the webhook is declared.

Each webhook follows the log by itself: one that does not answer holds up no other, and loses nothing. How far it has come stands in the
log after each batch; what was told and not yet recorded when a process died is told again, with the same id.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from uuid import uuid4

import httpx

from accord.connectors.registry import from_environment
from accord.model.errors import LeaseHeld, TerminalError, TransientError, UnknownName, UsageError
from accord.model.event import Event, ObjectRef, StoredEvent
from accord.model.pause import doubling_pause
from accord.model.webhook import Webhook
from accord.store import Store
from accord.store.database import Rows
from accord.work.actions.http import after, shown
from accord.work.engine import Work
from accord.work.moves import stamp
from accord.work.webhooks.cloud_event import CONTENT_TYPE, chosen, cloud_event, delivery_id
from accord.work.webhooks.signature import secrets_of, signed_headers

TIMEOUT_SECONDS = 15.0
MOST_FAILURES = 80  # of one event; with the pauses below that is three days
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 5.0, 3600.0
_TURN_SECONDS = 10.0
_RECORD_SECONDS = 1.0  # told and not yet recorded for at most so long
_PASSED = 5000  # events nobody asked for, after which it is recorded that they were passed
_STATE = "SELECT seq, state, failures, run_at, failed_seq FROM follower WHERE name = ?"


class Sender:
    """One webhook that is sent events.

    Args:
        work: gives store, clock and map.
        name: of the webhook in the map.
        timeout_seconds: longest time one delivery may take.

    Raises:
        UsageError: its address or secret is not set.
    """

    def __init__(self, work: Work, name: str, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._work, self._name, self._timeout = work, name, timeout_seconds
        webhook: Webhook = work.map.webhooks[name]
        self._types, self._secrets = webhook.types, secrets_of(webhook)
        self._url = from_environment(webhook.url, f"webhook '{name}'", webhook.place)
        self._passed = 0  # looked at by this process: told, or not asked for

    def turn(self) -> int:
        """Tell what happened since the last time, for some seconds at most; returns how many events that was.

        Where another process does the same, nothing is done here. That the partner does not answer is recorded, and tried again later.

        Raises:
            TransientError: the store does not answer.
        """
        store, follower = self._work.store, f"webhook:{self._name}"
        if not store.rows(_STATE, follower):
            self._begin(follower)
        seq, state, _, run_at, _ = store.rows(_STATE, follower)[0]
        if state or (run_at and datetime.fromisoformat(run_at) > self._work.now()) or store.head().seq <= max(seq, self._passed):
            return 0
        if not self._any_chosen(seq):
            return 0
        try:
            with store.lease_named(follower, "accord webhooks", seconds=60) as lease, self._client() as client:
                seq, state, failures, *_ = store.rows(_STATE, follower)[0]  # another process may have moved it meanwhile
                return 0 if state else self._tell(client, seq, failures, lease.renew)
        except LeaseHeld:
            return 0

    def _any_chosen(self, seq: int) -> bool:
        """Whether there is something to tell, or to record; most of what happens is for nobody, and asks for no lease."""
        for stored in self._work.store.read(after=max(seq, self._passed)):
            if chosen(stored.event.type, self._types) or stored.seq - seq > _PASSED:
                return True
            self._passed = stored.seq
        return False

    def _begin(self, follower: str) -> None:
        """From now on: a partner is not sent what was before it was asked."""

        def decide(rows: Rows) -> tuple[list[Event], None]:
            if rows.rows(_STATE, follower):
                return [], None
            return [self._event("webhook.started", through=int(rows.rows("SELECT seq FROM log_head")[0][0]))], None

        self._work.store.transact(decide)

    def _tell(self, client: httpx.Client, seq: int, failures: int, renew: Callable[[], None]) -> int:
        told, recorded, through, since = 0, seq, seq, time.monotonic()
        end = since + _TURN_SECONDS
        for stored in self._work.store.read(after=max(seq, self._passed)):
            if chosen(stored.event.type, self._types):
                failed = self._deliver(client, stored)
                if failed is not None:
                    more = [self._event("webhook.delivered", through=through)] if through > recorded else []
                    self._work.store.append([*more, self._failure(stored, failed, failures if not told else 0)])
                    return told
                told, through = told + 1, stored.seq
            self._passed = stored.seq
            if time.monotonic() - since > _RECORD_SECONDS:
                if through > recorded:
                    self._work.store.append([self._event("webhook.delivered", through=through)])
                    recorded = through
                renew()
                since = time.monotonic()
                if told and since > end:
                    break
        if through > recorded or self._passed - recorded > _PASSED:
            self._work.store.append([self._event("webhook.delivered", through=self._passed)])
        return told

    def _deliver(self, client: httpx.Client, stored: StoredEvent) -> TransientError | TerminalError | None:
        """Send one event; what went wrong, or ``None``."""
        url = self._url
        body = cloud_event(stored, self._work.map.name)
        headers = signed_headers(self._secrets, delivery_id(stored), body, now=self._work.now()) | {"content-type": CONTENT_TYPE}
        outcome: list[TransientError | TerminalError | None] = []

        def send() -> None:
            try:
                with client.stream("POST", url, content=body, headers=headers) as answer:
                    status, again = answer.status_code, answer.headers.get("retry-after")
            except Exception as error:  # noqa: BLE001 - not swallowed: recorded, and tried again
                outcome.append(TransientError(f"{shown(url)}: {type(error).__name__}."))
                return
            if status == 410:
                outcome.append(TerminalError(f"{shown(url)} answered 410: it is gone.", left="nothing more is sent there"))
            elif 200 <= status < 300:
                outcome.append(None)
            else:
                seconds = after(again, self._work.now())
                outcome.append(TransientError(f"{shown(url)} answered {status}.", retry_after_seconds=seconds))

        # On a thread of its own: a partner that sends its answer byte by byte keeps within every time-out between two bytes.
        thread = threading.Thread(target=send, name=f"webhook {self._name}", daemon=True)
        thread.start()
        thread.join(self._timeout)
        return outcome[0] if outcome else TransientError(f"{shown(url)} took longer than {self._timeout:g} s.")

    def _failure(self, stored: StoredEvent, error: TransientError | TerminalError, failures: int) -> Event:
        failures += 1
        if isinstance(error, TerminalError) or failures >= MOST_FAILURES:
            return self._event("webhook.dead", seq=stored.seq, error=str(error), failures=failures)
        pause = doubling_pause(_FIRST_PAUSE_SECONDS, failures, _LONGEST_PAUSE_SECONDS)
        pause = max(pause, min(error.retry_after_seconds or 0.0, 24 * _LONGEST_PAUSE_SECONDS))
        again = stamp(self._work.now() + timedelta(seconds=pause))
        return self._event("webhook.failed", seq=stored.seq, error=str(error), failures=failures, run_at=again)

    def _client(self) -> httpx.Client:
        # A redirect is not followed: what is signed for one address is not sent to whoever an answer names.
        return httpx.Client(timeout=self._timeout, follow_redirects=False)

    def _event(self, type_: str, **attributes: object) -> Event:
        return _event(type_, self._name, self._work.now(), attributes)


def senders(work: Work) -> list[Sender]:
    """One for each webhook of the map that is sent events."""
    return [Sender(work, webhook.name) for webhook in work.map.webhooks.values() if webhook.url]


def resume(work: Work, name: str, *, by: str, skip: bool = False) -> None:
    """Go on with a webhook that was given up, or is waiting, at once.

    Args:
        work: its map and store.
        name: of the webhook.
        by: who decides that.
        skip: leave out the event it stands at; that is recorded.

    Raises:
        UnknownName: the map has no webhook of that name that is sent events.
        UsageError: nothing failed there.
    """
    known = [webhook.name for webhook in work.map.webhooks.values() if webhook.url]
    if name not in known:
        raise UnknownName("webhook", name, known)

    def decide(rows: Rows) -> tuple[list[Event], None]:
        found = rows.rows(_STATE, f"webhook:{name}")
        if not found or not found[0][2]:
            raise UsageError(f"nothing failed at webhook '{name}'.", expected="It goes on by itself.")
        if not skip:
            return [_event("webhook.restarted", name, work.now(), {"by": by})], None
        return [_event("webhook.skipped", name, work.now(), {"by": by, "through": int(found[0][4])})], None

    work.store.transact(decide)


def standing(store: Store) -> list[dict[str, object]]:
    """Each outbox that follows the log: how far behind it is and what failed."""
    head = store.head().seq
    columns = ("name", "seq", "state", "failures", "run_at", "error")
    found = [dict(zip(columns, row, strict=True)) for row in store.rows(f"SELECT {', '.join(columns)} FROM follower ORDER BY name")]
    return [{**row, "behind": head - int(row["seq"])} for row in found]


def _event(type_: str, webhook: str, now: datetime, attributes: Mapping[str, object]) -> Event:
    return Event(uuid4().hex, type_, now, "webhooks", {"webhook": webhook, **attributes}, (ObjectRef("webhook", webhook),))
