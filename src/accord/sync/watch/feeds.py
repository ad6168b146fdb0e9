"""Feeds that stay open between runs: a thread waits on each and wakes the loop; a run then reads what was seen through its own view.

A run opens a feed, reads, acknowledges and closes it, as ever. In continuous mode the connectors are wrapped, so that opening gives a view
of the feed already open and closing it leaves it open. What the waiting thread read is handed to the next run first, again and again
until it is acknowledged: a run that fails loses nothing.

At any moment either the thread or a run reads a feed, never both: while a batch waits to be acknowledged the thread does not read on.
That is the back-pressure: the system's own log keeps the rest.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from accord.connectors.direct import EarlyChanges, EarlyFeed, EarlyRows, LoggedRow
from accord.connectors.protocol import Connector, Feed, KeyChanges, Logged
from accord.model.defect import Defect, defect_of
from accord.model.errors import AccordError
from accord.model.flow import Binding, Flow

_WAIT_SECONDS = 0.25  # how long a run may have to wait for the thread to let go of a quiet feed
LIMIT = 100_000  # keys; what one batch may hold in memory
CHANGED_AT = "_changed_at"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Batch: TypeAlias = KeyChanges | EarlyRows
_PILE = 500  # batches, after which they are put together
MOST_BATCHES = 5_000  # that went the short way and wait for a run to acknowledge them


@dataclass
class HeldFeed:
    """One open feed with what was read from it and not yet acknowledged.

    ``start`` is the position everything in ``waiting`` follows. The first ``handled`` batches went the short way: they wait only for the
    next run to store a position behind them, and the thread reads on. ``demand``: something in them is left for a run.
    """

    flow: str
    system: str
    resource: str
    name: str
    feed: Feed
    start: str | None
    wake: Callable[[], None]
    waiting: list[Batch] = field(default_factory=list)
    failure: AccordError | None = None
    handled: int = 0
    demand: bool = False
    _idle: threading.Condition = field(default_factory=threading.Condition)
    _claimed: bool = False
    _closed: bool = False
    _thread: threading.Thread | None = None

    def watch(self) -> None:
        """Start the waiting thread."""
        self._thread = threading.Thread(target=self._wait, name=f"feed {self.name}", daemon=True)
        self._thread.start()

    def _wait(self) -> None:
        while True:
            with self._idle:
                self._idle.wait_for(lambda: self._closed or not (self._claimed or self.alerted))
                if self._closed:
                    return
                try:
                    read = self.feed.read_early if isinstance(self.feed, EarlyFeed) else self.feed.read
                    found = read(wait_seconds=_WAIT_SECONDS, limit=LIMIT)
                except Exception as met:  # noqa: BLE001 - not swallowed: the next run raises it
                    # Told by the run that this wakes: it opens the feed anew, and its error is reported with the flow's. A thread that
                    # ended without a word would be taken for a feed in which nothing happens.
                    self.failure = met if isinstance(met, AccordError) else defect_of(met)
                    found = None
                if found is not None:
                    self.waiting.append(found)
            if self.failure is not None or found is not None:
                self.wake()

    @property
    def alerted(self) -> bool:
        """Whether something waits to be looked at."""
        return self.handled < len(self.waiting) or self.pressing

    @property
    def pressing(self) -> bool:
        """Whether a run must look: something in the batches is left for one, or there are too many of them."""
        return self.demand or self.failure is not None or self.handled >= MOST_BATCHES

    def oldest(self) -> datetime | None:
        """When the oldest change that waits was committed, by the clock of its system; ``None`` where that is not known."""
        moments = [_first_moment(b) for b in self.waiting[0 if self.pressing else self.handled :]]
        known = [moment for moment in moments if moment is not None]
        return min(known) if known and len(known) == len(moments) and self.failure is None else None

    def fresh(self) -> list[Batch]:
        """Batches nobody has looked at; the thread has let go of the feed while there are any."""
        return self.waiting[self.handled :] if not self.demand and self.failure is None else []

    def went_short(self, batches: int, *, demand: bool) -> None:
        """So many batches went the short way; ``demand``: not wholly, so a run has to follow."""
        with self._idle:
            for number in range(self.handled, self.handled + batches):
                self.waiting[number] = _keys_only(self.waiting[number])
            self.handled += batches
            self.demand = self.demand or demand
            if self.handled >= _PILE:
                # One batch for all: a position is stored only behind the last of them.
                pile = together(self.waiting[: self.handled])
                self.waiting[: self.handled], self.handled = pile, len(pile)
            self._idle.notify_all()

    def claim(self) -> None:
        """Take the feed from the thread for a run."""
        self._claimed = True  # seen by the thread when it lets go of the lock, which it would otherwise take again at once
        with self._idle:
            self.demand = False
            if len(self.waiting) > 1:
                self.waiting[:] = together(self.waiting)
            self.handled = 0

    def release(self) -> None:
        """Give it back."""
        with self._idle:
            self._claimed = False
            self._idle.notify_all()

    def acknowledge(self, position: str) -> None:
        """Forget what is stored, and tell the system."""
        self.settle(position)
        self.feed.acknowledge(position)

    def settle(self, position: str) -> None:
        """Everything up to ``position`` is stored. One that is of no waiting batch settles none: to see it again is harmless."""
        for number, batch in enumerate(self.waiting):
            if batch.position == position:
                del self.waiting[: number + 1]
                self.handled = max(0, self.handled - number - 1)
                break
        self.start = position

    def close(self) -> None:
        """End the thread and the stream."""
        self._closed = True  # as in ``claim``
        with self._idle:
            self._idle.notify_all()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=30)
        self.feed.close()


def together(batches: Sequence[Batch]) -> list[Batch]:
    """Batches that follow each other as one, since a position is stored only behind the last of them; each key once, with its last time."""
    last = batches[-1]
    if isinstance(last, EarlyRows) and all(isinstance(b, EarlyRows) and b.columns == last.columns for b in batches):
        few = [b for b in batches if isinstance(b, EarlyRows)]
        rows = {key: row for b in few for key, row in b.rows.items()}
        return [replace(last, rows=rows, unseen=frozenset[int]().union(*(b.unseen for b in few)))] if len(rows) <= LIMIT else [*few]
    given = [whole(b) for b in batches]
    tables = [b.keys for b in given]
    if any(t is None for t in tables) or sum(t.num_rows for t in tables if t is not None) > LIMIT:
        return list(batches)
    one = pa.concat_tables([t for t in tables if t is not None], promote_options="permissive")
    keys = [name for name in one.column_names if name != CHANGED_AT]
    if CHANGED_AT in one.column_names:
        one = one.group_by(keys).aggregate([(CHANGED_AT, "max")]).rename_columns({f"{CHANGED_AT}_max": CHANGED_AT})
    unseen = frozenset[int]().union(*(b.unseen for b in given if isinstance(b, EarlyChanges)))
    return [EarlyChanges(one, last.position, "", last.more, unseen=unseen)]


def _keys_only(batch: Batch) -> Batch:
    """What a run needs of a batch that went the short way; rows may be large."""
    if not isinstance(batch, EarlyRows):
        return batch
    return replace(batch, rows={key: LoggedRow(row.microseconds, None, told=False) for key, row in batch.rows.items()})


def _first_moment(batch: Batch) -> datetime | None:
    """When the first change of a batch was committed, if it says so of each."""
    if isinstance(batch, EarlyRows):
        return EPOCH + timedelta(microseconds=min(row.microseconds for row in batch.rows.values())) if batch.rows else None
    times = None if batch.keys is None or CHANGED_AT not in batch.keys.column_names else batch.keys[CHANGED_AT]
    found = None if times is None or times.null_count else pc.min(times).as_py()
    return found if isinstance(found, datetime) else None


def whole(batch: Batch) -> KeyChanges:
    """As runs read it."""
    return batch.changes() if isinstance(batch, EarlyRows) else batch


class FeedView:
    """What a run sees of a held feed: first what waits, then the stream."""

    def __init__(self, held: HeldFeed) -> None:
        self._held, self._next, self._open = held, 0, True
        held.claim()

    def read(self, *, wait_seconds: float = 0.0, limit: int = LIMIT) -> KeyChanges | None:
        """As ``Feed.read``; batches that no run has acknowledged come again."""
        if self._next == len(self._held.waiting):
            found = self._held.feed.read(wait_seconds=wait_seconds, limit=limit)
            if found is None:
                return None
            self._held.waiting.append(found)
        found = whole(self._held.waiting[self._next])
        if isinstance(found, EarlyChanges) and isinstance(self._held.feed, EarlyFeed):
            self._held.feed.wait(found.unseen)  # a run reads rows in more ways than the short one, which looks for itself
        self._next += 1
        return found

    def acknowledge(self, position: str) -> None:
        """As ``Feed.acknowledge``."""
        before = len(self._held.waiting)
        self._held.acknowledge(position)
        self._next = max(0, self._next - (before - len(self._held.waiting)))

    def close(self) -> None:
        """The stream stays open for the waiting thread."""
        if self._open:
            self._open = False
            self._held.release()


class HeldConnector:
    """A logged connector whose feeds stay open. Everything else is the connector's own."""

    def __init__(self, inner: Connector, feeds: HeldFeeds, system: str) -> None:
        # Copied, not looked up on demand: protocols ask statically what an object can do.
        for name in dir(inner):
            if not name.startswith("_") and name not in ("open_feed", "drop_feed"):
                setattr(self, name, getattr(inner, name))
        self._inner: Any = inner
        self._feeds, self._system = feeds, system

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def open_feed(self, resource: str, key: Sequence[str], *, name: str, after: str | None) -> Feed:
        """As ``Logged.open_feed``; the feed already open when it stands there."""
        return self._feeds.view(self._inner, self._system, resource, key, name=name, after=after)

    def drop_feed(self, resource: str, *, name: str) -> None:
        """As ``Logged.drop_feed``."""
        self._feeds.drop(self._system, resource, name)
        self._inner.drop_feed(resource, name=name)


class HeldFeeds:
    """All feeds a watch holds open, and connectors that use them."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self.flow = ""  # the one that is running: feeds opened now are its own
        self._held: dict[tuple[str, str, str], HeldFeed] = {}
        self._connectors: dict[str, Connector] = {}

    def connectors(self, given: Mapping[str, Connector]) -> Mapping[str, Connector]:
        """The connectors, those with a log wrapped."""
        return _Wrapped(given, self)

    def wrap(self, system: str, connector: Connector) -> Connector:
        """The connector, wrapped when it has a log."""
        if not isinstance(connector, Logged):
            return connector
        if system not in self._connectors:
            made: Any = HeldConnector(connector, self, system)
            self._connectors[system] = made
        return self._connectors[system]

    def view(self, inner: Logged, system: str, resource: str, key: Sequence[str], *, name: str, after: str | None) -> Feed:
        """A view of the feed at ``after``: the one held when it stands there and is sound, otherwise one opened now.

        Raises:
            Defect: the one held ended by a mistake of ours; the next call opens it anew.
        """
        place = (system, resource, name)
        held = self._held.get(place)
        if held is not None and after is not None and any(b.position == after for b in held.waiting):
            held.settle(after)  # stored by a run that ended before it could acknowledge
        if held is not None and (held.failure is not None or after is None or held.start != after):
            self.drop(*place)
            if isinstance(held.failure, Defect):
                raise held.failure
            held = None
        if held is None:
            feed = inner.open_feed(resource, key, name=name, after=after)
            held = HeldFeed(self.flow, system, resource, name, feed, after, self._wake)
            self._held[place] = held
            view = FeedView(held)
            held.watch()
            return view
        return FeedView(held)

    def drop(self, system: str, resource: str, name: str) -> None:
        """Close a feed; harmless when it is not held."""
        held = self._held.pop((system, resource, name), None)
        if held is not None:
            held.close()

    def of(self, flow: Flow, binding: Binding | None = None) -> list[HeldFeed]:
        """The feeds of a flow, or of one of its bindings."""
        bindings = [binding] if binding is not None else list(flow.bindings.values())
        places = {(b.holder, b.resource) for b in bindings}
        return [h for h in self._held.values() if h.flow == flow.name and (h.system, h.resource) in places]

    def quiet(self, flow: Flow) -> bool:
        """Whether every log of the flow is listened to and has told nothing; otherwise a run must read it, written or not."""
        return all(any(not h.alerted for h in self.of(flow, b)) for b in flow.bindings.values() if b.capture == "cdc")

    def close(self) -> None:
        """Close every feed; what the systems keep for them stays."""
        for place in list(self._held):
            self.drop(*place)


class _Wrapped(Mapping[str, Connector]):
    def __init__(self, inner: Mapping[str, Connector], feeds: HeldFeeds) -> None:
        self._inner, self._feeds = inner, feeds

    def __getitem__(self, name: str) -> Connector:
        return self._feeds.wrap(name, self._inner[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._inner)

    def __len__(self) -> int:
        return len(self._inner)
