"""The feeds that systems keep, with whose they are, and the end of those that this workspace left behind."""

from __future__ import annotations

from pathlib import Path

from accord.cli.output import clock
from accord.connectors.feed_state import FeedState, KeepsFeeds
from accord.connectors.protocol import Connector, Logged
from accord.model.errors import AccordError
from accord.model.integration_map import IntegrationMap
from accord.store import Store
from accord.sync.state.left_feeds import OwnFeed, is_read, left_feeds, note_dropped, own_feeds

Check = tuple[str, str, str]


def state_there(home: Path, store_url: str) -> bool:
    """Whether a workspace has a store already; to look for one does not make it."""
    return bool(store_url) or (home / ".accord" / "store.db").exists()


class KeptFeeds:
    """Looks at one system after the other; those that belong to other stores are shown and never touched.

    Args:
        map: the map as it is now.
        store: of the workspace; ``None`` before its first run, when no feed is known.
        drop: take down what is left; the caller holds the store's lease.
    """

    def __init__(self, map: IntegrationMap, store: Store | None, *, drop: bool) -> None:  # noqa: A002 - the word of the glossary
        self._map, self._store, self._drop = map, store, drop
        self._own = own_feeds(map, store) if store else ()
        self._missed = {feed.name: feed for feed in (left_feeds(map, store) if store else ())}
        self._gone: list[OwnFeed] = []

    def checks(self, connector: Connector) -> list[Check]:
        """A line for each feed that a system keeps.

        Raises:
            SystemUnreachable: no answer, or somebody still reads what is to be taken down.
        """
        if not isinstance(connector, KeepsFeeds):
            return []
        called = {connector.feed_called(feed.name): feed for feed in self._own}
        return [self._check(connector, feed, called.get(feed.name)) for feed in connector.feeds()]

    def end(self, *, reached: bool) -> list[Check]:
        """What is known to be left and no system of the map shows; and a note of what was taken down, so that no run tells of it again.

        Args:
            reached: every system was; one that was not may keep what is missed.
        """
        if not reached:
            self._missed.clear()
        found: list[Check] = []
        for feed in self._missed.values():
            told = f"what binding '{feed.binding}' set up is in no system of the map. If its system is still there, look for what has "
            found.append(
                (f"feed of flow {feed.flow}", "ok", f"{told}{feed.name} in its name (slot and publication, or outbox) and drop it")
            )
        if self._drop and self._store is not None:
            note_dropped(self._store, [*self._gone, *self._missed.values()], now=clock())
        return found

    def _check(self, connector: Connector, feed: FeedState, own: OwnFeed | None) -> Check:
        system = connector.system.name
        name, reader = f"feed of {system}", {None: "", True: ", being read", False: ", nobody reads it now"}[feed.read]
        detail = f"{feed.name}: {feed.behind:,} {feed.unit} kept{reader}" + (f"; lost: {feed.lost}" if feed.lost else "")
        status = "failed" if feed.lost else "ok"
        if own is None:
            return name, status, detail
        of = f"flow '{own.flow}', binding '{own.binding}'"
        if is_read(self._map, own, system):
            return name, status, f"{detail}; of {of}"
        if own.map:
            todo = "accord doctor says more with that map; drop it by hand if that map is no more"
            return name, status, f"{detail}; of {of} of map '{own.map}': {todo}"
        self._missed.pop(own.name, None)
        if not self._drop or not isinstance(connector, Logged):
            todo = "Take it down with --drop-feeds, before it fills the disk"
            return name, "failed", f"{detail}; left by {of}, which the map does not read from here any more. {todo}"
        try:
            connector.drop_feed("", name=own.name)
        except AccordError as error:
            return name, "failed", f"{detail}; left by {of}, and could not be taken down: {error}"
        self._gone.append(own)
        return name, "ok", f"{detail}; left by {of}, and taken down now"
