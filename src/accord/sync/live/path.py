"""The short way of a change: take or read the row, decide it against what is agreed, write it, read it back, agree. A few milliseconds.

It gives the same answer as a run would, or none: a key for which anything is out of the ordinary (another side moved too, a contract, a
conflict, a mass delete, a guarded field) is *left*, and the next run decides it with everything else in view.

The order of the durable steps is that of a run. ``flow.live_intended`` holds what is about to be written, so that after a crash our own
write is not taken for a user's edit; ``flow.live_applied`` holds the new bases and golden row, once the target shows them. The second goes
into the log together with the next intent, or with ``settle`` when nothing else is to be done: until then the intent says enough. Feeds are
not acknowledged here but by the next run: after a crash the same keys come again, and are found equal.

A row that the log tells is decided as the log has it, and written only once the system was seen to show it, too.
"""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import duckdb

from accord.connectors.direct import DirectTable, Key, Texts, UnseenError, open_direct
from accord.connectors.duck import open_duck
from accord.connectors.protocol import Connector
from accord.model.event import Event, ObjectRef
from accord.model.flow import Flow
from accord.model.integration_map import IntegrationMap
from accord.store import Store
from accord.sync.apply.guard import ALWAYS_ALLOWED_ROWS, empty_share_of, share_of
from accord.sync.capture.drift import unsettled
from accord.sync.cycle import storage_type
from accord.sync.live.agreed import Agreed, Known, Values
from accord.sync.live.decision import EQUAL, Change, Decider, Decision
from accord.sync.live.rows import SideRows, Wanted
from accord.sync.live.simple import why_not
from accord.sync.state.record import last_of

MOST_KEYS = 2000  # more at once are quicker in a run
_MOST_REMEMBERED = 10_000  # rows
_CHUNK_KEYS = 200  # in one transaction of a target
_GUARD_SECONDS = 3600.0  # deletes that came one by one are one mass delete when they came within so long
_PLAIN_KEYS = ("BIGINT", "VARCHAR", "UUID")
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Taken:
    """What became of some keys: rows of targets written; ``equal``: nothing to do; ``left``: for the next run; ``why``: reason → keys.

    ``parted``: too many for one transaction.
    """

    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    equal: int = 0
    left: list[Key] = field(default_factory=list)
    why: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    parted: bool = False

    def leave(self, flow: str, key: Key, reason: str) -> None:
        """Leave a key to the next run."""
        self.left.append(key)
        self.why[reason] += 1
        _log.debug("flow %s: key %s is left to a run: %s", flow, key, reason)


class LivePath:
    """The short way of one flow. Made by ``open_live``; every method belongs to the thread that made it."""

    def __init__(
        self, map_: IntegrationMap, flow: Flow, store: Store, tables: Mapping[str, DirectTable], clock: Callable[[], datetime], run: str
    ) -> None:
        self.flow = flow
        self._store, self._tables, self._clock, self._run = store, tables, clock, run
        self._con: duckdb.DuckDBPyConnection = open_duck(threads=1)
        self._con.execute("SET TimeZone = 'UTC'")
        entity = map_.entities[flow.entity]
        self._sides = {name: SideRows(self._con, entity, flow.bindings[name], tables[name].types) for name in tables}
        self._decider = Decider(map_, flow, self._sides, tables)
        self._fields, self._guard = list(entity.fields), share_of(flow)
        # All that is read of such a side is compared when it is written, so that a row need not be looked at before.
        self._compared = frozenset(n for n, s in self._sides.items() if set(s.codes) <= {c.name for c in s.written} | set(entity.key))
        self._agreed = Agreed(entity, list(flow.bindings))
        self._rows: dict[tuple[str, Key], Texts] = {}  # as the systems write them; each is what is agreed with that side
        self._deletes: deque[float] = deque()
        self._emptied: dict[str, deque[float]] = {}
        self._values: dict[str, int] = {}  # of a field, before those were emptied; counted when it is asked for
        self._empty_guard = empty_share_of(flow)
        self._count = 0
        self._unsaid: list[Event] = []

    def refresh(self) -> None:
        """Take in what a run has agreed since."""
        self._rows.clear()
        self._values.clear()
        self._agreed.load(self._con, self._store, self.flow.name)

    @property
    def unsettled(self) -> bool:
        """Whether ``settle`` has something to do."""
        return bool(self._unsaid)

    def settle(self) -> None:
        """Put what was agreed into the log."""
        if self._unsaid:
            self._store.append(self._unsaid)
            self._unsaid.clear()

    def close(self) -> None:
        """Let go of everything; what was not settled is told to the next run by its intents."""
        for table in self._tables.values():
            table.close()
        self._agreed.close()
        self._con.close()

    def take(
        self,
        binding: str,
        keys: Sequence[tuple[Key, str | None]],
        unseen: Collection[int] = (),
        logged: Mapping[Key, Texts | None] | None = None,
    ) -> Taken:
        """Bring changed rows of one side to the others; call ``settle`` when there are no more for the moment.

        Args:
            binding: the side that changed.
            keys: its key values as text, each with when the system says it changed.
            unseen: of ``EarlyChanges`` of that side.
            logged: rows as that side's log has them, of those keys of which it has the whole row; ``None`` for one that is gone.

        Raises:
            SystemUnreachable, SystemChanged, DataRefused: from a system; close this path, the next run sorts out what was begun.
        """
        began, taken = time.monotonic(), Taken(parted=len(keys) > _CHUNK_KEYS)
        for start in range(0, len(keys), _CHUNK_KEYS):
            self._take(binding, keys[start : start + _CHUNK_KEYS], unseen if start == 0 or logged else (), logged or {}, taken)
        taken.seconds = time.monotonic() - began
        return taken

    def _take(
        self,
        binding: str,
        keys: Sequence[tuple[Key, str | None]],
        unseen: Collection[int],
        logged: Mapping[Key, Texts | None],
        taken: Taken,
    ) -> None:
        told = self._told(binding, logged)
        news = [(key, at) for key, at in keys if (row := told.get(key)) is None or self._rows.get((binding, key)) != row]
        by_log = told.keys() >= {key for key, _ in news}
        try:
            rows = told if by_log else self._tables[binding].read([key for key, _ in news], unseen)
            there = {key: row for key, row in rows.items() if row is not None}
            if not by_log:
                news = [(key, at) for key, at in news if key not in there or self._rows.get((binding, key)) != there[key]]
            taken.equal += len(keys) - len(news)  # echoes of our own writes
            stale = self._bring(binding, news, there, taken, self._compared, unseen if by_log else None)
            if stale:
                # Somebody wrote there, or what was remembered or logged is old: once more, with a look at every side.
                again = [(key, at) for key, at in news if key in stale]
                there = dict(self._tables[binding].read([key for key, _ in again], unseen))
                for key in self._bring(binding, again, there, taken, frozenset(), None):
                    taken.leave(self.flow.name, key, "another write came first")
        except UnseenError:
            for key, _ in keys if not by_log else news:
                taken.leave(self.flow.name, key, "its transaction cannot be seen yet")

    def _told(self, binding: str, logged: Mapping[Key, Texts | None]) -> dict[Key, Texts | None]:
        """The rows that the log tells, as the system itself would show them."""
        told: dict[Key, Texts | None] = {}
        for key, row in logged.items():
            shown = None if row is None else self._tables[binding].from_log(row)
            if row is None or shown is not None:
                told[key] = shown
        return told

    def _bring(
        self,
        source: str,
        keys: Sequence[tuple[Key, str | None]],
        rows: Mapping[Key, Texts],
        taken: Taken,
        remembered: frozenset[str],
        unseen: Collection[int] | None,
    ) -> set[Key]:
        """Decide and carry out; returns the keys that were not as expected, and of which nothing was written.

        ``unseen``: the rows are those of the log, in these transactions, and nobody has looked yet whether the source shows them.
        """
        if not keys:
            return set()
        agreed = {key: self._agreed.of(key) for key, _ in keys}
        believed = {
            (name, key): row
            for name in remembered
            for key, known in agreed.items()
            if name != source and (row := self._believed(name, key, known)) is not None
        }
        found: dict[str, Mapping[Key, Texts]] = {source: rows}
        for name, table in self._tables.items():
            if name != source:
                found[name] = table.read([key for key, _ in keys if (name, key) not in believed])
        decisions: list[Decision] = []
        for key, changed_at in keys:
            sure = frozenset(n for n in remembered if (n, key) in believed)
            shown = {n: believed[n, key] if n in sure else found[n].get(key) for n in self._tables}
            decision = self._decider.decide(Change(source, key, changed_at, shown, sure), agreed[key])
            if isinstance(decision, str):
                taken.leave(self.flow.name, key, decision)
            elif decision.op == EQUAL:
                taken.equal += 1
                if decision.merged is not None:
                    self._remember(source, key, rows[key])
            else:
                decisions.append(decision)
        decisions = self._spared(self._guarded(self._childless(self._alone(decisions, taken), taken), taken), taken)
        return self._carry_out(source, decisions, rows, taken, unseen) if decisions else set()

    def _believed(self, name: str, key: Key, known: Known | None) -> Texts | None:
        """A side's row without a look at it: as it was seen last, or as what is agreed with the side must look there."""
        if known is None or name not in known.sides:
            return None
        row = self._rows.get((name, key))
        return row if row is not None else self._sides[name].as_stored(known.sides[name])

    def _alone(self, decisions: list[Decision], taken: Taken) -> list[Decision]:
        """Without the deletes, where a new row was left or may yet be: the two may be one whose key was changed, and a run sees both."""
        doomed = [d for d in decisions if d.op == "delete"]
        if not doomed or not (taken.parted or any((known := self._agreed.of(key)) is None or known.golden is None for key in taken.left)):
            return decisions
        for decision in doomed:
            taken.leave(self.flow.name, decision.key, "a deleted row beside a new one that is left")
        return [d for d in decisions if d.op != "delete"]

    def _childless(self, decisions: list[Decision], taken: Taken) -> list[Decision]:
        """Without the deletes that a system's own foreign keys may carry on to other rows: a run looks at these first."""
        asked = {name for d in decisions for name, change in d.changes.items() if change.op == "delete"}
        going = {name for name in asked if self._tables[name].goes_on()}
        left = [d for d in decisions if any(d.changes[name].op == "delete" for name in going & d.changes.keys())]
        for decision in left:
            taken.leave(self.flow.name, decision.key, "the system may delete or empty other rows with it")
        return [d for d in decisions if d not in left]

    def _guarded(self, decisions: list[Decision], taken: Taken) -> list[Decision]:
        """Without the deletes, when these and those of the last hour are more than one run would be allowed."""
        doomed = [d for d in decisions if d.op == "delete"]
        if not doomed:
            return decisions
        now = time.monotonic()
        _forget_before(self._deletes, now - _GUARD_SECONDS)
        rows, count = self._agreed.rows(), len(self._deletes) + len(doomed)
        if (count > ALWAYS_ALLOWED_ROWS and count > self._guard * (rows + len(self._deletes))) or len(doomed) >= rows > 1:
            for decision in doomed:
                taken.leave(self.flow.name, decision.key, "more deletes than the guard allows")
            return [d for d in decisions if d.op != "delete"]
        self._deletes.extend([now] * len(doomed))
        return decisions

    def _spared(self, decisions: list[Decision], taken: Taken) -> list[Decision]:
        """Without those that empty a field, when these and those of the last hour are more of its values than one run would be allowed."""
        now = time.monotonic()
        for name in {f: None for d in decisions for f in d.emptied}:
            past = self._emptied.setdefault(name, deque())
            _forget_before(past, now - _GUARD_SECONDS)
            mine = [d for d in decisions if name in d.emptied]
            count = len(past) + len(mine)
            if count > ALWAYS_ALLOWED_ROWS:
                if name not in self._values:
                    self._values[name] = self._agreed.filled(name) + len(past)
                if count > self._empty_guard * self._values[name]:
                    for decision in mine:
                        taken.leave(self.flow.name, decision.key, "more emptied values than the guard allows")
                    decisions = [d for d in decisions if name not in d.emptied]
                    continue
            past.extend([now] * len(mine))
        return decisions

    def _carry_out(
        self, source: str, decisions: list[Decision], rows: Mapping[Key, Texts], taken: Taken, unseen: Collection[int] | None
    ) -> set[Key]:
        # While the intent goes to disk the source looks whether its log told of what is there for everybody, and still is.
        look = None if unseen is None else self._tables[source].ask([d.key for d in decisions], unseen)
        self._count += 1
        intent = f"{self._run}:{self.flow.name}:live:{self._count}"
        intended = [
            {"key": list(d.key), "target": name, "op": change.op, "set": d.sets[name], "values": self._shown(d.wanted.get(name))}
            for d in decisions
            for name, change in d.changes.items()
        ]
        if intended:
            self._unsaid.append(self._event("flow.live_intended", intent, rows=intended))
            self.settle()
        stale = set() if look is None else _other_than(rows, [d.key for d in decisions], look)
        decisions = [d for d in decisions if d.key not in stale]
        back = self._write(decisions)
        good = []
        for d in decisions:
            made = {name: back[name][d.key] for name in d.changes}
            if made and not any(row is not None for row in made.values()):
                stale.add(d.key)
            elif all(row is not None and self._decider.took(name, d, row) for name, row in made.items()):
                good.append(d)
                self._agree(source, d, rows, made, taken)
            else:
                self._forget(d.key)
                taken.leave(self.flow.name, d.key, "the system made something else of what was written")
        for key in stale:
            self._forget(key)
        if good or stale:
            now = self._clock().isoformat()
            body = [self._row(source, d, now) for d in good]
            self._unsaid.append(self._event("flow.live_applied", intent, rows=body, withdrawn=[list(key) for key in sorted(stale)]))
        return stale

    def _write(self, decisions: list[Decision]) -> dict[str, dict[Key, Texts | None]]:
        back: dict[str, dict[Key, Texts | None]] = {}
        for name, table in self._tables.items():
            mine = [d for d in decisions if name in d.changes]
            if mine:
                back[name] = dict(zip([d.key for d in mine], table.write([d.changes[name] for d in mine]), strict=True))
        return back

    def _agree(self, source: str, d: Decision, rows: Mapping[Key, Texts], made: Mapping[str, Texts | None], taken: Taken) -> None:
        if d.merged is None:
            self._agreed.drop(d.key)
            self._forget(d.key)
        else:
            self._agreed.put(d.key, d.merged, d.sides, new=d.op == "insert")
            self._remember(source, d.key, rows[d.key])
            for name, row in made.items():
                if row is not None and self._decider.exactly(name, d, row):
                    self._remember(name, d.key, row)
                else:
                    self._rows.pop((name, d.key), None)
        for change in d.changes.values():
            if change.op == "insert":
                taken.inserted += 1
            elif change.op == "update":
                taken.updated += 1
            else:
                taken.deleted += 1
        taken.equal += not d.changes

    def _remember(self, name: str, key: Key, row: Texts) -> None:
        self._rows.pop((name, key), None)  # now the youngest
        self._rows[name, key] = row
        if len(self._rows) > _MOST_REMEMBERED:
            del self._rows[next(iter(self._rows))]

    def _forget(self, key: Key) -> None:
        for name in self._tables:
            self._rows.pop((name, key), None)

    def _row(self, source: str, d: Decision, now: str) -> dict[str, Any]:
        return {
            "key": list(d.key),
            "op": d.op,
            "source": source,
            "targets": list(d.changes),
            "golden": None if d.merged is None else self._named(d.merged),
            "sides": {name: self._named(values) for name, values in d.sides.items()},
            "changed_at": d.changed_at,
            "applied_at": now,
        }

    def _named(self, values: Values) -> dict[str, str]:
        """Values by field, nulls left out: the map may have other fields by the time this is read."""
        return {f: v for f, v in zip(self._fields, values, strict=True) if v is not None}

    def _shown(self, wanted: Wanted | None) -> dict[str, str]:
        return {} if wanted is None else {f: v for f, v in wanted.shown.items() if v is not None}

    def _event(self, type_: str, intent: str, **more: object) -> Event:
        body = {"flow": self.flow.name, "run": self._run, "intent": intent, **more}
        about = (ObjectRef("flow", self.flow.name), ObjectRef("run", self._run))
        return Event(f"{intent}:{type_}", type_, self._clock(), f"flow:{self.flow.name}", body, about)


def _other_than(rows: Mapping[Key, Texts], keys: Sequence[Key], look: Callable[[], Mapping[Key, Texts]]) -> set[Key]:
    """The keys that the system shows otherwise than the log told."""
    try:
        shown = look()
    except UnseenError:
        return set(keys)
    return {key for key in keys if shown.get(key) != rows.get(key)}


def _forget_before(past: deque[float], moment: float) -> None:
    while past and past[0] < moment:
        past.popleft()


def open_live(
    map_: IntegrationMap, flow: Flow, connectors: Mapping[str, Connector], store: Store, *, clock: Callable[[], datetime], run: str
) -> tuple[LivePath | None, str]:
    """The short way of a flow that a run has just brought into agreement, or why it has none.

    Args:
        map_: the map.
        flow: the flow.
        connectors: by system.
        store: its state is what is agreed; nothing may be pending in it.
        clock: the time, aware, in UTC.
        run: id under which its events stand; unique.

    Raises:
        SystemUnreachable, DataRefused: from a connector.
    """
    reason = why_not(map_, flow)
    if reason:
        return None, reason
    if store.pending_intents(flow.name, flow.bindings):
        return None, "a run that was broken off has not been taken up yet"
    if unsettled(last_of(store, flow.name)):
        return None, "a column is left out until somebody settles what became of it"
    entity = map_.entities[flow.entity]
    tables: dict[str, DirectTable] = {}
    path: LivePath | None = None
    try:
        for binding in flow.bindings.values():
            key = [binding.fields[k].column or k for k in entity.key]
            columns = [m.column or m.name for m in binding.fields.values()]
            table = open_direct(connectors[binding.holder], binding.resource, key, columns)
            if table is None or any(table.types[k] not in _PLAIN_KEYS for k in key):
                if table is not None:
                    table.close()
                return None, f"'{binding.name}' cannot be read and written row by row"
            tables[binding.name] = table
        for name in entity.key:
            kinds = {tables[b.name].types[b.fields[name].column or name] for b in flow.bindings.values()}
            if len(kinds) > 1 and kinds != {"VARCHAR", storage_type(entity, name)}:
                # Where a row's key becomes one that another column cannot hold, its old row must not go alone: a run sees both.
                return None, f"key '{name}' may be one that not every system can hold"
        path = LivePath(map_, flow, store, tables, clock, run)
        path.refresh()
        return path, ""
    finally:
        if path is None:
            for table in tables.values():
                table.close()
