"""The short way of a change: read the row, decide it against what is agreed, write it, read it back, agree. A few milliseconds.

It gives the same answer as a run would, or none: a key for which anything is out of the ordinary (another side moved too, a contract, a
conflict, a delete, a guarded field, a stale write) is *left*, and the next run decides it with everything else in view.

The order of the durable steps is that of a run. ``flow.live_intended`` holds what is about to be written, so that after a crash our own
write is not taken for a user's edit; ``flow.live_applied`` holds the new bases and golden row, once the target shows them. Feeds are not
acknowledged here but by the next run: after a crash the same keys come again, and are found equal.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import duckdb

from accord.connectors.direct import DirectChange, DirectTable, Key, Texts, open_direct
from accord.connectors.duck import open_duck
from accord.connectors.protocol import Connector
from accord.model.event import Event, ObjectRef
from accord.model.flow import Flow
from accord.model.integration_map import IntegrationMap
from accord.store import Store
from accord.sync.live.agreed import Agreed, Known, Values
from accord.sync.live.rows import SideRows, Wanted
from accord.sync.live.simple import guarded_fields, why_not

MOST_KEYS = 2000  # more at once are quicker in a run
_MOST_OURS = 10_000  # a side whose log is not read never gives them back
_LOOKS = 10
_LOOK_SECONDS = 0.001
_CHUNK_KEYS = 200  # in one transaction of a target
_PLAIN_KEYS = ("BIGINT", "VARCHAR", "UUID")


@dataclass(slots=True)
class Taken:
    """What became of some keys: ``inserted`` and ``updated`` rows of targets; ``equal``: nothing to do; ``left``: for the next run."""

    inserted: int = 0
    updated: int = 0
    equal: int = 0
    left: list[Key] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(slots=True)
class _Decision:
    key: Key
    merged: Values
    sides: dict[str, Values]
    changes: dict[str, DirectChange]
    wanted: dict[str, Wanted]
    seen: dict[str, Values]
    sets: dict[str, list[str]]
    op: str
    changed_at: str | None


class LivePath:
    """The short way of one flow. Made by ``open_live``; every method belongs to the thread that made it."""

    def __init__(
        self, map_: IntegrationMap, flow: Flow, store: Store, tables: Mapping[str, DirectTable], clock: Callable[[], datetime], run: str
    ) -> None:
        self.flow, self._entity = flow, map_.entities[flow.entity]
        self._store, self._tables, self._clock, self._run = store, tables, clock, run
        self._con: duckdb.DuckDBPyConnection = open_duck(threads=1)
        self._con.execute("SET TimeZone = 'UTC'")
        self._sides = {name: SideRows(self._con, self._entity, flow.bindings[name], tables[name].types) for name in tables}
        self._fields = list(self._entity.fields)
        self._guarded = guarded_fields(map_, flow)
        # Other flows judge their references by this flow's segments, in which a new row stands only after the next run.
        self._referenced = any(f.references == flow.entity for e in map_.entities.values() for f in e.fields.values())
        self._agreed = Agreed(self._entity, list(flow.bindings))
        self._count = 0
        self._ours: set[tuple[str, Key]] = set()  # written here, and not yet come back from that side's log

    def refresh(self) -> None:
        """Take in what a run has agreed since."""
        self._agreed.load(self._con, self._store, self.flow.name)

    def close(self) -> None:
        """Let go of everything."""
        for table in self._tables.values():
            table.close()
        self._agreed.close()
        self._con.close()

    def take(self, binding: str, keys: Sequence[tuple[Key, str | None]]) -> Taken:
        """Bring changed rows of one side to the others.

        Args:
            binding: the side that changed.
            keys: its key values as text, each with when the system says it changed.

        Raises:
            SystemUnreachable, SystemChanged, DataRefused: from a system; close this path, the next run sorts out what was begun.
        """
        began, taken = time.monotonic(), Taken()
        for start in range(0, len(keys), _CHUNK_KEYS):
            self._take(binding, keys[start : start + _CHUNK_KEYS], taken)
        taken.seconds = time.monotonic() - began
        return taken

    def _take(self, binding: str, keys: Sequence[tuple[Key, str | None]], taken: Taken) -> None:
        rows = {name: table.read([key for key, _ in keys]) for name, table in self._tables.items()}
        rows[binding] = self._visible(binding, keys, rows[binding])
        decisions: list[_Decision] = []
        for key, changed_at in keys:
            decision = self._decide(binding, key, changed_at, {name: found.get(key) for name, found in rows.items()})
            if decision is None:
                taken.left.append(key)
            elif decision.op == "equal":
                taken.equal += 1
            else:
                decisions.append(decision)
        if decisions:
            self._carry_out(binding, decisions, taken)

    def _visible(self, binding: str, keys: Sequence[tuple[Key, str | None]], rows: dict[Key, Texts]) -> dict[Key, Texts]:
        """Rows of the side that changed, read again for a moment while one shows nothing new and we did not write it ourselves.

        The race: PostgreSQL sends a commit from its log before it lets other sessions see it. A row read in between shows the old value
        and looks like an echo. Should it stay so, the next run looks at the key once more.
        """
        for _ in range(_LOOKS):
            old = [key for key, _ in keys if (binding, key) not in self._ours and self._same(binding, key, rows.get(key))]
            if not old:
                break
            time.sleep(_LOOK_SECONDS)
            rows |= self._tables[binding].read(old)
        for key, _ in keys:
            self._ours.discard((binding, key))
        return rows

    def _same(self, binding: str, key: Key, row: Texts | None) -> bool:
        known, seen = self._agreed.of(key), self._sides[binding].read(row) if row is not None else None
        if row is None:
            return known is None or binding not in known.sides
        return known is not None and seen is not None and binding in known.sides and not self._moved(binding, seen, known)

    def _decide(self, source: str, key: Key, changed_at: str | None, rows: Mapping[str, Texts | None]) -> _Decision | None:
        """What is to happen to a row; ``None`` when a run must say."""
        row = rows[source]
        if row is None or any(ord(c) < 32 or ord(c) == 127 for part in key for c in part):
            return None
        seen = self._sides[source].read(row)
        known = self._agreed.of(key)
        if seen is None or (known is not None and not known.settled):
            return None
        if known is None:
            return self._decide_new(source, key, changed_at, seen, rows)
        return self._decide_known(source, key, changed_at, seen, known, rows)

    def _decide_known(
        self, source: str, key: Key, changed_at: str | None, seen: Values, known: Known, rows: Mapping[str, Texts | None]
    ) -> _Decision | None:
        if known.golden is None or set(known.sides) != set(self.flow.bindings):
            return None
        moved = self._moved(source, seen, known)
        if not moved:
            # An echo. Should another side have moved meanwhile, its own feed or the next run tells.
            return _Decision(key, seen, {}, {}, {}, {}, {}, "equal", changed_at)
        shown: dict[str, Values] = {source: seen}
        for name, row in rows.items():
            if name != source:
                values = self._sides[name].read(row) if row is not None else None
                if values is None or self._moved(name, values, known):
                    return None  # gone, refused, or edited as well
                shown[name] = values
        codes = self._sides[source].codes
        if moved & self._guarded or any(not codes[f].readable for f in moved) or moved & set(self._entity.key):
            return None
        merged = [seen[n] if f in moved else known.golden[n] for n, f in enumerate(self._fields)]
        decision = _Decision(key, merged, {source: seen}, {}, {}, shown, {}, "update", changed_at)
        for name in self._tables:
            if name == source:
                continue
            decision.sides[name] = list(known.sides[name])
            side = self._sides[name]
            if self.flow.bindings[name].direction == "read":
                continue
            wanted = side.want(merged)
            if not wanted.fits:
                return None
            at = {f: n for n, f in enumerate(self._fields)}
            fields = [c for c in side.written if c.name in moved and wanted.shown[c.name] != shown[name][at[c.name]]]
            for code in fields:
                decision.sides[name][at[code.name]] = wanted.shown[code.name]
            if fields:
                row = rows[name]
                assert row is not None
                old = {c.column: row[c.column] for c in side.written}
                new = {c.column: wanted.native[c.column] for c in fields}
                decision.changes[name] = DirectChange("update", key, new, old)
                decision.wanted[name], decision.sets[name] = wanted, [c.name for c in fields]
        return decision

    def _decide_new(
        self, source: str, key: Key, changed_at: str | None, seen: Values, rows: Mapping[str, Texts | None]
    ) -> _Decision | None:
        flow = self.flow
        if self._referenced or flow.bindings[source].direction == "write" or (flow.existence and source not in flow.existence):
            return None
        codes = self._sides[source].codes
        merged = [
            v if f in codes and (codes[f].readable or f in self._entity.key) else None for f, v in zip(self._fields, seen, strict=True)
        ]
        if any(merged[n] is not None for n, f in enumerate(self._fields) if f in self._guarded) or merged != seen:
            return None
        decision = _Decision(key, merged, {source: seen}, {}, {}, {}, {}, "insert", changed_at)
        for name, row in rows.items():
            if name == source:
                continue
            if row is not None or flow.bindings[name].direction == "read" or not self._tables[name].keyed:
                return None
            side = self._sides[name]
            wanted = side.want(merged)
            if not wanted.fits:
                return None
            decision.changes[name] = DirectChange("insert", key, dict(wanted.native), {})
            decision.wanted[name] = wanted
            decision.sets[name] = [c.name for c in side.written]
            decision.sides[name] = [wanted.shown.get(f) for f in self._fields]
        return decision

    def _moved(self, name: str, values: Values, known: Known) -> set[str]:
        base, codes = known.sides[name], self._sides[name].codes
        return {f for n, f in enumerate(self._fields) if f in codes and values[n] != base[n]}

    def _carry_out(self, source: str, decisions: list[_Decision], taken: Taken) -> None:
        self._count += 1
        intent = f"{self._run}:{self.flow.name}:live:{self._count}"
        intended = [
            {"key": list(d.key), "target": name, "op": change.op, "set": d.sets[name], "values": self._shown(d.wanted[name])}
            for d in decisions
            for name, change in d.changes.items()
        ]
        if intended:
            self._append("flow.live_intended", intent, intended)
        good = {d.key for d in decisions}
        for name, table in self._tables.items():
            mine = [d for d in decisions if name in d.changes]
            if not mine:
                continue
            written = table.write([d.changes[name] for d in mine])
            back = table.read([d.key for d in mine])
            for d, done in zip(mine, written, strict=True):
                if not done or not self._shows(name, d, back.get(d.key)):
                    good.discard(d.key)
        agreed = [d for d in decisions if d.key in good]
        if agreed:
            now = self._clock()
            rows = [
                {
                    "key": list(d.key),
                    "op": d.op,
                    "source": source,
                    "targets": list(d.changes),
                    "golden": self._named(d.merged),
                    "sides": {name: self._named(values) for name, values in d.sides.items()},
                    "changed_at": d.changed_at,
                    "applied_at": now.isoformat(),
                }
                for d in agreed
            ]
            self._append("flow.live_applied", intent, rows)
        for d in decisions:
            if d.key not in good:
                taken.left.append(d.key)
                continue
            self._agreed.put(d.key, d.merged, d.sides)
            for name, change in d.changes.items():
                if len(self._ours) < _MOST_OURS:
                    self._ours.add((name, d.key))
                if change.op == "insert":
                    taken.inserted += 1
                else:
                    taken.updated += 1
            taken.equal += not d.changes

    def _shows(self, name: str, decision: _Decision, row: Texts | None) -> bool:
        """Whether the target, read back, holds what was written."""
        if row is None:
            return False
        if all(row[column] == value for column, value in decision.changes[name].new.items()):
            return True
        # Another spelling of the same value is as good: 2026-01-01 00:00:00+00 for 2026-01-01T00:00:00Z.
        values = self._sides[name].read(row)
        shown = decision.wanted[name].shown
        return values is not None and all(values[self._fields.index(f)] == shown[f] for f in decision.sets[name])

    def _named(self, values: Values) -> dict[str, str]:
        """Values by field, nulls left out: the map may have other fields by the time this is read."""
        return {f: v for f, v in zip(self._fields, values, strict=True) if v is not None}

    def _shown(self, wanted: Wanted) -> dict[str, str]:
        return {f: v for f, v in wanted.shown.items() if v is not None}

    def _append(self, type_: str, intent: str, rows: Sequence[Mapping[str, Any]]) -> None:
        body = {"flow": self.flow.name, "run": self._run, "intent": intent, "rows": rows}
        about = (ObjectRef("flow", self.flow.name), ObjectRef("run", self._run))
        self._store.append([Event(f"{intent}:{type_}", type_, self._clock(), f"flow:{self.flow.name}", body, about)])


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
    if store.pending_intents(flow.name):
        return None, "a run that was broken off has not been taken up yet"
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
        path = LivePath(map_, flow, store, tables, clock, run)
        path.refresh()
        return path, ""
    finally:
        if path is None:
            for table in tables.values():
                table.close()
