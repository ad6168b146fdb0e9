"""The short way in a watch: open while a flow is in agreement and its sources tell of their changes, closed by any error."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta

from accord.connectors.direct import EarlyChanges, EarlyRows, Key, Texts
from accord.connectors.protocol import Connector, KeyChanges
from accord.model.errors import AccordError
from accord.model.flow import Binding, Flow
from accord.model.integration_map import IntegrationMap
from accord.store import Store
from accord.sync.capture.drift import unsettled
from accord.sync.live.path import MOST_KEYS, LivePath, Taken, open_live
from accord.sync.state.record import last_of
from accord.sync.watch.feeds import CHANGED_AT, EPOCH, Batch, HeldFeed, HeldFeeds
from accord.sync.watch.schedule import ends_watch


class ShortWay:
    """The live paths of a watch, by flow."""

    def __init__(
        self,
        map_: IntegrationMap,
        connectors: Mapping[str, Connector],
        store: Store,
        feeds: HeldFeeds,
        clock: Callable[[], datetime],
        new_run: Callable[[datetime], str],
    ) -> None:
        self._map, self._connectors, self._store, self._feeds = map_, connectors, store, feeds
        self._clock, self._new_run = clock, new_run
        self._paths: dict[str, LivePath] = {}
        self.closed: dict[str, str] = {}  # flow → why it has no short way

    def open(self, flow: Flow) -> bool:
        """Whether its short way is open."""
        return flow.name in self._paths

    def follow(self, flow: Flow) -> None:
        """A run of the flow ended well: open its short way, or take in what the run agreed on."""
        if not self._feeds.of(flow):
            self.closed[flow.name] = "no source tells of its changes"
            return
        try:
            if flow.name in self._paths and not unsettled(last_of(self._store, flow.name)):
                self._paths[flow.name].refresh()
                return
            run = self._new_run(self._clock())
            path, reason = open_live(self._map, flow, self._connectors, self._store, clock=self._clock, run=run)
        except AccordError as error:
            if ends_watch(error):
                raise
            self._close(flow.name, str(error))
            return
        if path is None:
            self._close(flow.name, reason)
        else:
            self._paths[flow.name] = path
            self.closed.pop(flow.name, None)

    def take(self, flow: Flow) -> Iterator[Taken]:
        """Bring over what the flow's feeds have seen; what cannot go this way asks for a run."""
        path = self._paths.get(flow.name)
        if path is None:
            return
        for binding in flow.bindings.values():
            columns = [binding.fields[k].column or k for k in self._map.entities[flow.entity].key]
            for held in self._feeds.of(flow, binding):
                batches = held.fresh()
                if not batches:
                    continue
                if reason := _not_single(binding, batches):
                    held.went_short(0, demand=True)
                    yield Taken(why=Counter({reason: 1}))
                    continue
                taken = self._bring(path, flow, binding.name, held, batches, columns)
                if taken is None:
                    return
                yield taken

    @property
    def unsettled(self) -> bool:
        """Whether something was agreed that is not in the log yet."""
        return any(path.unsettled for path in self._paths.values())

    def settle(self) -> None:
        """Put what all agreed on into the log; to be called before anything else is done with the store, or nothing at all."""
        for path in self._paths.values():
            path.settle()

    def _bring(self, path: LivePath, flow: Flow, binding: str, held: HeldFeed, batches: list[Batch], columns: list[str]) -> Taken | None:
        unseen = frozenset[int]().union(*(b.unseen for b in batches if isinstance(b, (EarlyChanges, EarlyRows))))
        keys, logged = _changes(batches, columns)
        try:
            taken = path.take(binding, keys, unseen, logged)
        except AccordError as error:
            if ends_watch(error):
                raise
            self._close(flow.name, str(error))
            held.went_short(len(batches), demand=True)
            return None
        held.went_short(len(batches), demand=bool(taken.left))
        return taken

    def _close(self, flow: str, reason: str) -> None:
        path = self._paths.pop(flow, None)
        if path is not None:
            try:
                path.settle()
            finally:
                path.close()
        self.closed[flow] = reason

    def close(self) -> None:
        """Close all."""
        for flow in list(self._paths):
            self._close(flow, "ended")


def _not_single(binding: Binding, batches: list[Batch]) -> str:
    """Why batches are not about single rows; empty when they are."""
    if binding.direction == "write":
        return "a system whose changes are not believed"
    for batch in batches:
        if isinstance(batch, KeyChanges) and batch.keys is None:
            return "the log does not tell which rows changed"
        if _size(batch) > MOST_KEYS:
            return "many rows at once"
    return ""


def _size(batch: Batch) -> int:
    if isinstance(batch, EarlyRows):
        return len(batch.rows)
    return 0 if batch.keys is None else batch.keys.num_rows


def _changes(batches: list[Batch], columns: list[str]) -> tuple[list[tuple[Key, str | None]], dict[Key, Texts | None]]:
    """Each key once, with the time of its last change, and its row where the log has the whole of it."""
    found: dict[Key, str | None] = {}
    logged: dict[Key, Texts | None] = {}
    for batch in batches:
        if isinstance(batch, EarlyRows):
            places = [batch.columns.index(c) for c in columns]
            for given, row in batch.rows.items():
                key = tuple(given[place] for place in places)
                found[key] = (EPOCH + timedelta(microseconds=row.microseconds)).isoformat()
                if row.told:
                    logged[key] = row.row
                else:
                    logged.pop(key, None)
            continue
        for told in batch.keys.to_pylist() if batch.keys is not None else ():
            moment, key = told.get(CHANGED_AT), tuple(str(told[c]) for c in columns)
            found[key] = moment.isoformat() if isinstance(moment, datetime) else None
            logged.pop(key, None)
    return list(found.items()), logged
