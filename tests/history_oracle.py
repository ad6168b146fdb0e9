"""What three systems should show after edits, runs and crashes, key by key, as the specification says it: no code of the engine."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

FIELDS = ("name", "size")
Row = dict[str, Any]


@dataclass
class Rules:
    """How one world is set up."""

    names: tuple[str, ...]
    direction: dict[str, str]
    authority: dict[str, str]
    existence: tuple[str, ...]
    deletes: str
    merged: tuple[str, ...] = ()  # fields made of all edits

    @property
    def fields(self) -> tuple[str, ...]:
        return (*FIELDS, *self.merged)

    def readable(self, system: str) -> bool:
        return self.direction[system] != "write"

    def writable(self, system: str) -> bool:
        return self.direction[system] != "read"

    def may_exist(self, system: str) -> bool:
        return self.readable(system) and (not self.existence or system in self.existence)


@dataclass
class Oracle:
    """What the systems should show, key by key, as the specification says it."""

    rules: Rules
    cur: dict[str, dict[str, Row]]
    base: dict[str, dict[str, Row]] = field(default_factory=dict)
    gone: dict[str, set[str]] = field(default_factory=dict)
    golden: dict[str, Row] = field(default_factory=dict)
    pending: list[tuple[str, str, str, Row]] = field(default_factory=list)
    lost: set[tuple[str, str, str, Any]] = field(default_factory=set)
    open: set[tuple[str, str, str, Any]] = field(default_factory=set)
    taken: set[str] = field(default_factory=set)  # keys of dead runs whose writes are told apart from what is agreed
    ended: tuple[dict[str, Row], dict[str, dict[str, Row]]] = field(
        default_factory=lambda: ({}, {})
    )  # what was agreed, in all and by system, when a run last ended

    def __post_init__(self) -> None:
        self.fields = self.rules.fields
        self.base = {s: {} for s in self.rules.names}
        self.gone = {s: set() for s in self.rules.names}

    def _unshown(self, s: str, key: str, f: str) -> bool:
        """Whether a dead run has agreed on another value than a system shows, which it did not show before either."""
        base, golden, before = self._state(s, key)[1], self.golden.get(key), self.ended[0].get(key)
        if not self._was_due(s, key) or base is None or golden is None or before is None or base[f] == golden[f]:
            return False
        shown = self.ended[1][s].get(key)
        return f in self.rules.merged or shown is None or shown[f] != before[f]

    def _missed(self, s: str, key: str) -> bool:
        """Whether a system has made a row under an agreed key that a dead run would have made there."""
        due = self._was_due(s, key) and key in self.ended[0] and key in self.golden
        return due and key in self.cur[s] and key not in self.base[s] and key not in self.ended[1][s]

    def _was_due(self, s: str, key: str) -> bool:
        return key in self.taken and self.rules.readable(s) and self.rules.writable(s)

    def plan(self) -> tuple[dict[str, dict[str, Row | None]], dict[str, tuple[Row | None, set[tuple[str, str]]]]]:
        """Writes per system (None deletes), and per key the new golden row with the (system, field) pairs held for a person."""
        self._excuse_own_writes()
        writes: dict[str, dict[str, Row | None]] = {s: {} for s in self.rules.names}
        verdicts: dict[str, tuple[Row | None, set[tuple[str, str]]]] = {}
        keys = set(self.golden)
        for s in self.rules.names:
            keys |= set(self.cur[s]) | set(self.base[s])
        for key in keys:
            golden, held = self._merge(key)
            verdicts[key] = (golden, held)
            for s in self.rules.names:
                change = self._write(s, key, golden, held)
                if change is not False:
                    writes[s][key] = change  # type: ignore[assignment]
        return writes, verdicts

    def _excuse_own_writes(self) -> None:
        for s, key, op, row in self.pending:
            now = self.cur[s].get(key)
            if op == "delete":
                if now is None:
                    self.base[s].pop(key, None)
                continue
            if now is None:
                continue
            if op == "insert" and (key not in self.base[s] or key in self.gone[s]):
                self.base[s][key] = dict.fromkeys(self.fields)
                self.gone[s].discard(key)
            if key in self.base[s] and key not in self.gone[s]:
                for f, value in row.items():
                    if now[f] == value:
                        self.base[s][key][f] = value

    def _state(self, s: str, key: str) -> tuple[Row | None, Row | None]:
        """The row now and the row agreed; a key that was left deleted there has none agreed."""
        return self.cur[s].get(key), None if key in self.gone[s] else self.base[s].get(key)

    def _merge(self, key: str) -> tuple[Row | None, set[tuple[str, str]]]:
        r = self.rules
        states = {s: self._state(s, key) for s in r.names}
        agreed = self.golden.get(key)
        created = any(r.may_exist(s) and c is not None and b is None for s, (c, b) in states.items())
        deleters = [s for s, (c, b) in states.items() if r.may_exist(s) and c is None and b is not None]
        if created:
            exists = True
        elif r.deletes == "propagate":
            exists = agreed is not None and not deleters
        else:
            exists = agreed is not None and any(c is not None for c, _ in states.values())
        held: set[tuple[str, str]] = set()
        golden: Row | None = None
        if exists:
            golden = {}
            for f in self.fields:
                golden[f], fighting = self._decide(key, f, states, agreed)
                held |= {(s, f) for s in fighting}
        for s, (c, b) in states.items():
            if c is None:
                if b is not None and exists and r.writable(s) and (not r.may_exist(s) or r.deletes == "propagate"):
                    self.lost.add((s, key, "", None))
                continue
            for f in self.fields:
                edited = (b is not None and c[f] != b[f]) or (b is None and c[f] is not None and exists)
                if edited and (golden is None or self._left_out(f, golden[f], c[f], new=b is None)):
                    self.lost.add((s, key, f, c[f]))
        for f in self.fields if golden and agreed else ():
            self._unseen(key, f, states, golden[f], agreed[f])
        return golden, held

    def _unseen(self, key: str, f: str, states: dict[str, Any], golden: Any, agreed: Any) -> None:
        """What is agreed lost as well where a system that shows the row for the first time has its way."""
        first = self.rules.authority.get(f) or self.rules.authority["*"]
        order = sorted((s for s in self.rules.names if self.rules.readable(s)), key=lambda s: s != first)
        rows = {s: states[s] for s in order if states[s][0] is not None}
        answered = any(b and c[f] != b[f] and not self._unshown(s, key, f) for s, (c, b) in rows.items())
        if agreed in (None, golden) or f in self.rules.merged or answered:
            return
        self.lost.add((next((s for s, (_, b) in rows.items() if b and not self._unshown(s, key, f)), "agreed"), key, f, agreed))

    def _left_out(self, f: str, golden: Any, value: Any, *, new: bool) -> bool:
        if f in self.rules.merged and (not new or (isinstance(value, frozenset) and value <= (golden or frozenset()))):
            return False
        return bool(golden != value)

    def _decide(self, key: str, f: str, states: dict[str, Any], agreed: Row | None) -> tuple[Any, set[str]]:
        r = self.rules
        rule = "latest" if f in r.merged else r.authority.get(f) or r.authority["*"]
        order = sorted((s for s in r.names if r.readable(s)), key=lambda s: s != rule)
        edits = {
            s: states[s][0][f]
            for s in order
            if states[s][0] is not None and states[s][1] is not None and states[s][0][f] != states[s][1][f]
        }
        news = {s: states[s][0][f] for s in order if states[s][0] is not None and states[s][1] is None and states[s][0][f] is not None}
        value = agreed[f] if agreed else None
        fighting: set[str] = set()
        settled = False
        blind = bool(edits) and all(self._unshown(s, key, f) for s in edits)
        if rule == "human":
            missed = any(self._missed(s, key) for s in news)
            rivals = {**edits, **(news if edits or value is None or missed else {})}
            unseen = {v for s, v in rivals.items() if (blind and s in edits) or (value is not None and not edits and self._missed(s, key))}
            if len(set(rivals.values())) > 1 or unseen - {value}:
                return value, set(rivals)
            return (next(iter(rivals.values())) if rivals else value), fighting
        if edits and (not blind or self._overrules(key, f, list(edits), rule)):
            value = edits[self._first(key, list(edits), rule)]
            settled = True
        if not news:
            return value, fighting
        if rule in news:
            return news[rule], fighting
        if settled or value is not None:
            if rule == "latest":
                times = [self.cur[s][key]["at"] for s in order if states[s][0] is not None and states[s][1] is not None]
                known = max((t for t in times if t is not None), default=None)
                fresh = max((self.cur[s][key]["at"] for s in news if self.cur[s][key]["at"] is not None), default=None)
                if known is not None and fresh is not None and fresh > known:
                    return news[self._first(key, list(news), rule)], fighting
            return value, fighting
        return news[self._first(key, list(news), rule)], fighting

    def _overrules(self, key: str, f: str, systems: list[str], rule: str) -> bool:
        """Whether edits of systems that never showed what is agreed win over it."""
        if rule != "latest":
            return rule in systems
        shown = [s for s in self.rules.names if self.rules.readable(s) and None not in self._state(s, key) and not self._unshown(s, key, f)]
        known, came = ([self.cur[s][key]["at"] for s in some if self.cur[s][key]["at"] is not None] for some in (shown, systems))
        return bool(came) and (not known or max(came) > max(known))

    def _first(self, key: str, systems: list[str], rule: str) -> str:
        if rule == "latest":
            dated = [s for s in systems if self.cur[s][key]["at"] is not None]
            if dated:
                newest = max(self.cur[s][key]["at"] for s in dated)
                return next(s for s in dated if self.cur[s][key]["at"] == newest)
        return systems[0]

    def _write(self, s: str, key: str, golden: Row | None, held: set[tuple[str, str]]) -> Row | bool | None:
        r = self.rules
        now, based = self._state(s, key)
        if not r.writable(s):
            return False
        if golden is None:
            return None if now is not None and based is not None else False
        if now is None:
            if key in self.gone[s] or (based is not None and r.may_exist(s) and r.deletes != "propagate"):
                return False
            return {f: golden[f] for f in self.fields}
        change = {f: golden[f] for f in self.fields if now[f] != golden[f] and (s, f) not in held}
        return change or False

    def write(self, s: str, changes: dict[str, Row | None]) -> None:
        for key, row in changes.items():
            if row is None:
                self.cur[s].pop(key, None)
            else:
                self.cur[s].setdefault(key, {**dict.fromkeys(self.fields), "at": None}).update(row)

    def crashed(self, written: list[str], *, noted: bool) -> None:
        """A run that died: ``written`` systems have their changes, which is known of them alone; the plan was noted or not.

        What is known is exact, however short before or after its commit a system was left.

        A delete that came through somewhere is agreed: a row that is made again after it is a new one. What such a row then has written is
        agreed in the same way; of all other rows the old agreement holds. A value that was not shown everywhere stays an edit of whoever
        made it, in an old row or by bringing a new one.
        """
        kept = copy.deepcopy((self.lost, self.base, self.gone))
        writes, verdicts = self.plan()
        if not noted:
            assert not written
            self.lost, self.base, self.gone = kept  # nothing was overwritten
            return
        about = self._told(writes, written)
        self.taken |= about
        before = {s: {k: dict(v) for k, v in rows.items()} for s, rows in self.cur.items()}
        agreed_before = {s: {k: None if k in self.gone[s] else self.base[s].get(k) for k in about} for s in self.rules.names}
        for key in about:
            golden, held = verdicts[key]
            agreed = self.golden.get(key)
            whole = golden is None or all(s in written for s in self.rules.names if key in writes[s])
            single = [] if whole else [f for f in self.fields if f not in self.rules.merged]  # edits of these are still edits
            won = {f for f in single if self._won(f, golden or {}, agreed or {}, agreed_before, before, key)}
            for s in self.rules.names:
                based, seen = agreed_before[s][key], before[s].get(key)
                self._agree(s, key, golden, held, seen, based, {})
                if golden is None or key not in self.base[s] or key in self.gone[s]:
                    continue
                if based:
                    self.base[s][key] |= {f: based[f] for f in single}
                elif seen:
                    self.base[s][key] |= {f: None for f in won if seen[f] == golden[f]}  # what it brought, and not what it lost
            if golden is None:
                self.golden.pop(key, None)
            else:
                self.golden[key] = golden | {f: agreed[f] if agreed else None for f in single}
        self.open = set()
        self.pending = [p for p in map(self._still, self.pending) if p is not None and p[1] not in about]
        for s in self.rules.names:
            ops = {k: "delete" if row is None else "insert" if k not in before[s] else "update" for k, row in writes[s].items()}
            self.pending += [(s, k, ops[k], dict(row or {})) for k, row in writes[s].items() if k not in about]
            if s not in written:
                continue
            self.write(s, writes[s])
            for key in about & ops.keys():
                self._took(s, key, ops[key], writes[s][key])

    def _won(self, f: str, golden: Row, agreed: Row, based: dict[str, dict[str, Any]], seen: dict[str, dict[str, Row]], key: str) -> bool:
        """Whether an edit, or what its authority brought, is the value of a field; else it is what was agreed."""
        first = self.rules.authority.get(f) or self.rules.authority["*"]
        brought = first in seen and not based[first][key] and seen[first].get(key)
        rows = [(seen[s].get(key), based[s][key]) for s in self.rules.names if self.rules.readable(s) and first != "human"]
        edited = any(now and then and now[f] != then[f] for now, then in rows)  # a new row may bring what was agreed, and win over an edit
        return golden[f] != agreed.get(f) or edited or bool(brought and brought[f] is not None)

    def _moving(self, writes: dict[str, dict[str, Row | None]]) -> set[str]:
        """Keys whose writes may be told apart from what is agreed."""
        return {key for changes in writes.values() for key, row in changes.items() if row is None or key in self.taken}

    def _still(self, pending: tuple[str, str, str, Row]) -> tuple[str, str, str, Row] | None:
        """What of a dead run's write a later run saw standing when it noted its own; whatever comes to stand after that is an edit."""
        s, key, op, row = pending
        now = self.cur[s].get(key)
        if (now is None) != (op == "delete"):
            return None
        return s, key, op, {f: value for f, value in row.items() if now is not None and now[f] == value}

    def _told(self, writes: dict[str, dict[str, Row | None]], written: list[str]) -> set[str]:
        """Those of them for which it was: deleted somewhere, or such a key before."""
        return self._moving(writes) & (self.taken | {key for s in written for key, row in writes[s].items() if row is None})

    def _took(self, s: str, key: str, op: str, row: Row | None) -> None:
        if op == "delete":
            self.base[s].pop(key, None)
            return
        if op == "insert" and (key not in self.base[s] or key in self.gone[s]):
            self.base[s][key] = dict.fromkeys(self.fields)
            self.gone[s].discard(key)
        self.base[s][key].update(row or {})

    def finished(self) -> int:
        """A run that ended; returns how many rows it wrote."""
        before = {s: {k: dict(v) for k, v in rows.items()} for s, rows in self.cur.items()}
        writes, verdicts = self.plan()
        for s, changes in writes.items():
            self.write(s, changes)
        self.pending.clear()
        self.taken.clear()
        self.open = set()
        for key, (golden, held) in verdicts.items():
            for s in self.rules.names:
                seen, based = before[s].get(key), None if key in self.gone[s] else self.base[s].get(key)
                self._agree(s, key, golden, held, seen, based, writes[s])
            if golden is None:
                self.golden.pop(key, None)
            else:
                self.golden[key] = golden
        there = {s: {k: row for k, row in rows.items() if k not in self.gone[s]} for s, rows in self.base.items()}
        self.ended = copy.deepcopy((self.golden, there))
        return sum(len(c) for c in writes.values())

    def _agree(
        self,
        s: str,
        key: str,
        golden: Row | None,
        held: set[tuple[str, str]],
        seen: Row | None,
        based: Row | None,
        writes: dict[str, Row | None],
    ) -> None:
        now = self.cur[s].get(key)
        if golden is None:
            self.gone[s].discard(key)
            if now is not None and based is not None:
                self.base[s][key] = {f: now[f] for f in self.fields}
            else:
                self.base[s].pop(key, None)
            return
        if now is None:
            left = key in self.gone[s] or (based is not None and self.rules.may_exist(s) and self.rules.deletes != "propagate")
            if left:
                self.gone[s].add(key)
                self.base[s].setdefault(key, dict.fromkeys(self.fields))
            else:
                self.base[s].pop(key, None)
            return
        self.gone[s].discard(key)
        row = {}
        for f in self.fields:
            if (s, f) in held:
                row[f] = based[f] if based else None
                self.open.add((s, key, f, now[f]))
            else:
                row[f] = now[f]
        self.base[s][key] = row


@dataclass
class MergingOracle(Oracle):
    """The same where fields are made of all edits: a counter adds them up, a set holds what was put in and not taken out.

    A text of a fixed number of lines holds each line as somebody last wrote it; where two write the same line at once, one text wins whole.
    What a run has agreed on before it writes stays agreed when it dies, because a sum cannot be told from its parts.
    """

    overlaps: dict[str, bool] = field(default_factory=dict)  # keys whose text nobody could combine
    looked: str = ""

    def _decide(self, key: str, f: str, states: dict[str, Any], agreed: Row | None) -> tuple[Any, set[str]]:
        value, fighting = super()._decide(key, f, states, agreed)
        if f not in self.rules.merged:
            return value, fighting
        golden = agreed[f] if agreed else None
        sides = [(c[f], None if b is None else b[f], b is None) for s, (c, b) in states.items() if c is not None and self.rules.readable(s)]
        edits = [(c, b) for c, b, new in sides if not new and c != b]
        news = [c for c, _, new in sides if new and c is not None]
        if f == "note":
            woven = self._woven(golden, edits) if golden is not None else None
            self.overlaps[key] = woven is None
            return (value if woven is None else woven), fighting
        if f == "hits":
            return (value if golden is None else golden + sum(c - b for c, b in edits if None not in (c, b))), fighting
        came = [c[f] for s, (c, _) in states.items() if c is not None and self._missed(s, key) and c[f] is not None]
        joined = [(c or frozenset(), b or frozenset()) for c, b in edits] + [(c, frozenset()) for c in (news if golden is None else came)]
        if len(joined) < 2 and all(b == golden for _, b in edits) and not came:
            return value, fighting
        out = frozenset().union(*(b - c for c, b in joined))
        return (((golden or frozenset()) - out) | frozenset().union(*(c - b for c, b in joined))) or None, fighting

    def _woven(self, golden: str, edits: list[tuple[Any, Any]]) -> str | None:
        """What is agreed with the lines each side wrote; ``None`` where there is nothing to combine, or two wrote one line differently."""
        if len(edits) < 2 and all(b == golden for _, b in edits):
            return None
        versions = set()
        for now, base in edits:
            if None in (now, base):
                return None
            moved = combined(base, {golden, now})
            if moved is None:
                return None
            versions.add(moved)
        return combined(golden, versions)

    def _left_out(self, f: str, golden: Any, value: Any, *, new: bool) -> bool:
        if f == "note" and not new:
            return bool(self.overlaps.get(self.looked) and golden != value)
        return super()._left_out(f, golden, value, new=new)

    def _merge(self, key: str) -> tuple[Row | None, set[tuple[str, str]]]:
        self.looked = key
        return super()._merge(key)

    def _moving(self, writes: dict[str, dict[str, Row | None]]) -> set[str]:
        return {key for changes in writes.values() for key in changes}

    def _told(self, writes: dict[str, dict[str, Row | None]], written: list[str]) -> set[str]:
        return self._moving(writes)


def combined(base: str, versions: set[str]) -> str | None:
    """Every line as the one version that changed it wrote it; ``None`` when two changed the same line differently."""
    lines = []
    for number, old in enumerate(base.split("\n")):
        new = {v.split("\n")[number] for v in versions} - {old}
        if len(new) > 1:
            return None
        lines.append(new.pop() if new else old)
    return "\n".join(lines)
