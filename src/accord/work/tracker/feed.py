"""The log as a feed of changed tasks: its sequence numbers are positions, and nothing in it is ever lost."""

from __future__ import annotations

import time

import pyarrow as pa

from accord.connectors.protocol import KeyChanges
from accord.model.event import StoredEvent
from accord.store import Store

_LOOK_SECONDS = 0.1
_MOVED = "type LIKE 'task.%' OR type LIKE 'handoff.%' OR type LIKE 'tracker.%'"
_FIRST_CHUNK = 1000


def last_moved(store: Store, looked: int, last: int) -> tuple[int, int]:
    """Up to where the log was looked at, and its last event about a task or handoff.

    Args:
        store: holds the log.
        looked: events up to this one were looked at before.
        last: what was found then.
    """
    head = store.head().seq
    top, size = head, _FIRST_CHUNK
    while top > looked:  # from the end, where it is most likely to be; further back in ever larger pieces
        below = max(looked, top - size)
        ((found,),) = store.rows(f"SELECT max(seq) FROM event WHERE seq > ? AND seq <= ? AND ({_MOVED})", below, top)
        if found is not None:
            return head, int(found)
        top, size = below, size * 8
    return head, last


class TaskFeed:
    """Keys of tasks, or of handoffs, that events behind a position are about."""

    def __init__(self, store: Store, key: str, after: str | None) -> None:
        self._store, self._key = store, key
        self._begun = after is not None
        self._at = int(after) if after else 0

    def read(self, *, wait_seconds: float = 0.0, limit: int = 100_000) -> KeyChanges | None:
        """Changes since; the first read of a new feed says that every row has to be looked at."""
        if not self._begun:
            self._begun, self._at = True, self._store.head().seq
            return KeyChanges(None, str(self._at), "the feed is new")
        until = time.monotonic() + wait_seconds
        while True:
            found = self._take(limit)
            left = until - time.monotonic()
            if found is not None or left <= 0:
                return found
            time.sleep(min(_LOOK_SECONDS, left))

    def acknowledge(self, position: str) -> None:
        """The log keeps everything."""

    def close(self) -> None:
        """Nothing is held."""

    def _take(self, limit: int) -> KeyChanges | None:
        head = self._store.head().seq
        if head == self._at:
            return None
        changed: dict[str, object] = {}
        at, more = head, False
        for stored in self._store.read(after=self._at):
            name = self._about(stored)
            if name:
                changed[name] = stored.event.time
            if len(changed) >= limit:
                at, more = stored.seq, stored.seq < head
                break
        self._at = at
        if not changed:
            return None
        keys = pa.table(
            {
                self._key: pa.array(list(changed), pa.string()),
                "_changed_at": pa.array(list(changed.values()), pa.timestamp("us", tz="UTC")),
            }
        )
        return KeyChanges(keys, str(at), more=more)

    def _about(self, stored: StoredEvent) -> str:
        given, kind = stored.event.attributes, stored.event.type.partition(".")[0]
        if self._key == "handoff":
            return str(given.get("handoff") or "") if kind == "handoff" else ""
        if kind == "handoff":
            return str(given.get("to_task") or "") or str(given.get("handoff") or "").removesuffix("/handoff")
        return str(given.get("task") or "") if kind in ("task", "tracker") else ""
