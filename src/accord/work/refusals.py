"""What came from outside and was refused stands in the log once, and nobody can fill the log with it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from accord.model.event import Event, ObjectRef
from accord.store import Store
from accord.store.database import Rows

MOST_STRANGERS = 100  # refusals of senders nobody knows that are recorded in an hour
_HOUR = timedelta(hours=1)


class Refusals:
    """Records refusals.

    Args:
        store: where to.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._strangers: deque[datetime] = deque()
        self._unrecorded = 0
        self._guard = threading.Lock()

    def record(
        self, type_: str, identity: str, reason: str, about: ObjectRef, *, now: datetime, known: bool, more: Mapping[str, Any] | None = None
    ) -> None:
        """Record that something was refused; the same of the same identity once.

        Args:
            type_: of the event.
            identity: of what was refused.
            reason: for people.
            about: the object it is about.
            now: the time.
            known: the sender proved who it is; of others only so many are recorded in an hour, and the next says how many were not.
            more: further attributes.
        """
        body: dict[str, Any] = {"reason": reason, **(more or {})}
        if not known:
            with self._guard:
                while self._strangers and not now - _HOUR < self._strangers[0] <= now:
                    self._strangers.popleft()
                if len(self._strangers) >= MOST_STRANGERS:
                    self._unrecorded += 1
                    return
                self._strangers.append(now)
                if self._unrecorded:
                    body["unrecorded"], self._unrecorded = self._unrecorded, 0
        event = Event(f"{type_}:{identity}", type_, now, "outside", body, (about,))

        def decide(rows: Rows) -> tuple[list[Event], None]:
            return ([] if rows.rows("SELECT 1 FROM event WHERE id = ?", event.id) else [event]), None

        self._store.transact(decide)
