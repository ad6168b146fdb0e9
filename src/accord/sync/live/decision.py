"""What is to become of one changed row: decided against what is agreed, as a run would decide it, or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from accord.connectors.direct import DirectChange, DirectTable, Key, Texts
from accord.model.entity import Entity
from accord.model.flow import Flow
from accord.model.integration_map import IntegrationMap
from accord.sync.live.agreed import Known, Values
from accord.sync.live.rows import SideRows, Wanted
from accord.sync.live.simple import guarded_fields

EQUAL = "equal"


@dataclass(slots=True)
class Decision:
    """A row as it will be agreed, and what has to be written for that; ``merged`` is ``None`` for one that is to go.

    Args:
        sides: the new base of each side.
        changes: by side, what is written there.
        wanted: by side, the row it is to hold.
        sets: by side, the fields that are written.
        emptied: fields that had a value and will have none.
        rows: by side, its row as it was.
    """

    key: Key
    op: str
    merged: Values | None
    changed_at: str | None
    sides: dict[str, Values] = field(default_factory=dict)
    changes: dict[str, DirectChange] = field(default_factory=dict)
    wanted: dict[str, Wanted] = field(default_factory=dict)
    sets: dict[str, list[str]] = field(default_factory=dict)
    rows: dict[str, Texts] = field(default_factory=dict)
    emptied: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """A row of one side that changed.

    Args:
        rows: by side, the row; ``None`` where there is none.
        sure: sides whose row is taken for the agreed one: it is not looked at but compared when it is written.
    """

    source: str
    key: Key
    changed_at: str | None
    rows: Mapping[str, Texts | None]
    sure: frozenset[str]


class Decider:
    """Decides for one flow. A text instead of a decision is the reason why a run has to decide."""

    def __init__(self, map_: IntegrationMap, flow: Flow, sides: Mapping[str, SideRows], tables: Mapping[str, DirectTable]) -> None:
        self._flow, self._entity, self._sides, self._tables = flow, map_.entities[flow.entity], sides, tables
        self._fields = list(self._entity.fields)
        self._at = {f: n for n, f in enumerate(self._fields)}
        self._guarded = guarded_fields(map_, flow)
        # Other flows judge their references by this flow's segments, in which a new row stands only after the next run.
        self._referenced = any(f.references == flow.entity for e in map_.entities.values() for f in e.fields.values())

    @property
    def entity(self) -> Entity:
        """The canonical shape."""
        return self._entity

    def decide(self, change: Change, known: Known | None) -> Decision | str:
        """What is to happen to a row."""
        if any(ord(c) < 32 or ord(c) == 127 for part in change.key for c in part):
            return "a key with control characters"
        row = change.rows[change.source]
        if known is not None and not known.settled:
            return "the row waits for something else"
        if row is None:
            return self._gone(change, known)
        seen = self._sides[change.source].read(row)
        if seen is None:
            return "the contract or a type refuses the row"
        return self._new(change, seen) if known is None else self._known(change, seen, known)

    def _known(self, change: Change, seen: Values, known: Known) -> Decision | str:
        if known.golden is None or set(known.sides) != set(self._flow.bindings):
            return "the row is not agreed in every system"
        source = change.source
        moved = self.moved(source, seen, known)
        if not moved:
            # An echo. Should another side have moved meanwhile, its own feed or the next run tells.
            return Decision(change.key, EQUAL, seen, change.changed_at)
        others = self._others(change, known)
        if isinstance(others, str):
            return others
        if moved & self._guarded:
            return "a field that other rows or people have a say in"
        if any(not self._sides[source].codes[f].readable for f in moved) or moved & set(self._entity.key):
            return "a field that this system does not decide"
        merged = [seen[n] if f in moved else known.golden[n] for n, f in enumerate(self._fields)]
        decision = Decision(change.key, "update", merged, change.changed_at, {source: seen})
        decision.emptied = tuple(f for n, f in enumerate(self._fields) if f in moved and known.golden[n] and not merged[n])
        for name, shown in others.items():
            decision.sides[name] = list(known.sides[name])
            side = self._sides[name]
            if self._flow.bindings[name].direction == "read":
                continue
            wanted = side.want(merged)
            if not wanted.fits:
                return "the contract or a type refuses the merged row"
            fields = [c for c in side.written if c.name in moved and wanted.shown[c.name] != shown[self._at[c.name]]]
            for code in fields:
                decision.sides[name][self._at[code.name]] = wanted.shown[code.name]
            if fields:
                row = change.rows[name]
                assert row is not None  # else it would not be among the others
                new = {c.column: wanted.native[c.column] for c in fields}
                decision.changes[name] = DirectChange("update", change.key, new, self._compared(name, row))
                decision.wanted[name], decision.sets[name], decision.rows[name] = wanted, [c.name for c in fields], row
        return decision

    def _others(self, change: Change, known: Known) -> dict[str, Values] | str:
        """The canonical rows of the other sides, all of them as agreed."""
        shown: dict[str, Values] = {}
        for name, row in change.rows.items():
            if name == change.source:
                continue
            if name in change.sure:
                shown[name] = known.sides[name]
                continue
            values = self._sides[name].read(row) if row is not None else None
            if values is None:
                return "another system lacks the row, or shows one that is refused"
            if self.moved(name, values, known):
                return "another system changed the row too"
            shown[name] = values
        return shown

    def _new(self, change: Change, seen: Values) -> Decision | str:
        flow, source = self._flow, change.source
        if self._referenced:
            return "a new row that others refer to"
        if flow.bindings[source].direction == "write" or (flow.existence and source not in flow.existence):
            return "a new row in a system that may not create"
        codes = self._sides[source].codes
        merged = [
            v if f in codes and (codes[f].readable or f in self._entity.key) else None for f, v in zip(self._fields, seen, strict=True)
        ]
        if any(merged[n] is not None for n, f in enumerate(self._fields) if f in self._guarded):
            return "a field that other rows or people have a say in"
        if merged != seen:
            return "a field that this system does not decide"
        decision = Decision(change.key, "insert", merged, change.changed_at, {source: seen})
        for name, row in change.rows.items():
            if name == source:
                continue
            if row is not None:
                return "a new row in two systems"
            if flow.bindings[name].direction == "read" or not self._tables[name].keyed:
                return "a new row for a system that takes none this way"
            side = self._sides[name]
            wanted = side.want(merged)
            if not wanted.fits:
                return "the contract or a type refuses the merged row"
            decision.changes[name] = DirectChange("insert", change.key, dict(wanted.native), {})
            decision.wanted[name], decision.rows[name] = wanted, {}
            decision.sets[name] = [c.name for c in side.written]
            decision.sides[name] = [wanted.shown.get(f) for f in self._fields]
        return decision

    def _gone(self, change: Change, known: Known | None) -> Decision | str:
        """A deleted row; of a table without unique key a missing row may as well be one that stands twice."""
        flow, source = self._flow, change.source
        if not all(table.keyed for table in self._tables.values()):
            return "a missing row of a table whose key is not unique"
        if known is None:
            # Deleted everywhere, or made and deleted again before anyone looked.
            return Decision(change.key, EQUAL, None, change.changed_at)
        if self._referenced:
            return "a deleted row that others refer to"
        if flow.bindings[source].direction == "write" or (flow.existence and source not in flow.existence):
            return "a deleted row in a system that may not delete"
        if known.golden is None or set(known.sides) != set(flow.bindings):
            return "the row is not agreed in every system"
        if any(known.golden[self._at[f]] is not None for f in self._guarded):
            return "a field that other rows or people have a say in"
        decision = Decision(change.key, "delete", None, change.changed_at)
        others = self._others(change, known)
        if isinstance(others, str):
            return others
        for name in others:
            row = change.rows[name]
            assert row is not None  # else it would not be among the others
            if flow.bindings[name].direction == "read":
                return "a deleted row of a system that takes no deletes"
            decision.changes[name] = DirectChange("delete", change.key, {}, self._compared(name, row))
            decision.sets[name], decision.rows[name] = [], row
        return decision

    def _compared(self, name: str, row: Texts) -> dict[str, str | None]:
        return {c.column: row[c.column] for c in self._sides[name].written}

    def moved(self, name: str, values: Values, known: Known) -> set[str]:
        """Fields of a side that differ from what is agreed with it."""
        base, codes = known.sides[name], self._sides[name].codes
        return {f for n, f in enumerate(self._fields) if f in codes and values[n] != base[n]}

    def took(self, name: str, decision: Decision, row: Texts) -> bool:
        """Whether the target holds what was written; what it keeps in a coarser form is agreed with it so.

        Args:
            name: the target.
            decision: what was written there.
            row: as the write itself left it: no edit of a user can be in it.
        """
        change = decision.changes[name]
        if change.op == "delete" or all(row[column] == value for column, value in change.new.items()):
            return True
        # Another spelling of the same value is as good: 2026-01-01 00:00:00+00 for 2026-01-01T00:00:00Z.
        values = self._sides[name].read(row)
        if values is None:
            return False
        shown = decision.wanted[name].shown
        other = [f for f in decision.sets[name] if values[self._at[f]] != shown[f]]
        if not all(self._sides[name].keeps(f, shown[f], values[self._at[f]]) for f in other):
            return False
        for f in other:
            decision.sides[name][self._at[f]] = values[self._at[f]]
        return True

    def exactly(self, name: str, decision: Decision, row: Texts) -> bool:
        """Whether the row read back is what was there with what was written, and says just what is agreed.

        Only then is it known without another look what its canonical values are.
        """
        if {**decision.rows[name], **decision.changes[name].new} != dict(row):
            return False
        shown = decision.wanted[name].shown
        return decision.merged is not None and all(decision.merged[self._at[f]] == shown[f] for f in decision.sets[name])
