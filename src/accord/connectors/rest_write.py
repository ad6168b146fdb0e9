"""Writing rows one request at a time: look, decide, write under the condition that nothing changed, look again where it is not clear."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

import duckdb
import pyarrow as pa

from accord.connectors import rest_json
from accord.connectors.decide import ROW, Staged, decide, stage
from accord.connectors.file_merge import LINE, match, merge
from accord.connectors.protocol import OP, ApplyResult, ChangeBatch
from accord.connectors.rest_client import Answer, Client, Unclear
from accord.connectors.rest_json import BadJson
from accord.connectors.rest_more import fails
from accord.connectors.rest_options import RestResource, Verb
from accord.connectors.rest_pages import Reader, error_in
from accord.connectors.types import quote
from accord.model.errors import SystemUnreachable
from accord.model.types import CanonicalType

CHUNK: Final = 64
"""Rows that are looked at together before they are written: few, so that little time passes between look and write."""
_EFFECTS: Final = {"insert": "inserted", "update": "updated", "delete": "deleted"}
_ADDRESSLESS: Final = ("", ".", "..")  # parts of a path that mean another path


@dataclass(frozen=True, slots=True)
class Held:
    """A row as the API holds it, and its entity tag."""

    item: dict[str, Any]
    etag: str

    @property
    def print(self) -> str:
        """Equal when nothing of the row changed."""
        return self.etag + rest_json.dump(self.item)


@dataclass(frozen=True, slots=True)
class Tried:
    """A row that was sent and not plainly accepted: how the API held it then, what came back, and whether it was an answer at all."""

    print: str
    reason: str
    answered: bool
    network: bool = False
    wait_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Send:
    """A row to be written: its place in the batch, what to do, how the API holds it, the values it is to have."""

    row: int
    outcome: str
    key: Mapping[str, str]
    held: Held | None
    values: Mapping[str, str | None]


@dataclass
class Tally:
    """What became of the rows so far.

    ``foreign`` says that the API gives new rows keys of its own, ``in_vain`` that it said success and did nothing, however long we waited.
    """

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys((*_EFFECTS.values(), "unchanged"), 0))
    stale: list[pa.Table] = field(default_factory=list)
    refused: list[pa.Table] = field(default_factory=list)
    foreign: str = ""
    in_vain: bool = False

    def result(self) -> ApplyResult:
        """As the protocol has it."""
        stale, refused = (pa.concat_tables(parts) if parts else None for parts in (self.stale, self.refused))
        done = self.counts
        return ApplyResult(done["inserted"], done["updated"], done["deleted"], done["unchanged"], stale=stale, refused=refused)


def write(
    con: duckdb.DuckDBPyConnection,
    client: Client,
    reader: Reader,
    resource: RestResource,
    batch: ChangeBatch,
    listed: Callable[[], set[tuple[str | None, ...]]],
) -> ApplyResult:
    """Carry out a batch row by row.

    Args:
        con: an empty database for the comparison.
        client: speaks to the API.
        reader: reads rows by key.
        resource: what is written.
        batch: what is to be done.
        listed: the keys of all rows, read by pages: cheaper than a question for each new row.
    """
    tally, known = Tally(), _Known(batch, resource, listed)
    with ThreadPoolExecutor(max_workers=client.system.concurrency, thread_name_prefix="accord-rest") as pool:
        for first in range(0, batch.rows.num_rows, CHUNK):
            _Chunk(con, client, reader, resource, batch, pool, tally, known).run(
                list(range(first, min(first + CHUNK, batch.rows.num_rows)))
            )
    return tally.result()


class _Known:
    """Keys that are known not to be there, since a list of all rows was read at the beginning of a large batch."""

    def __init__(self, batch: ChangeBatch, resource: RestResource, listed: Callable[[], set[tuple[str | None, ...]]]) -> None:
        inserts = sum(1 for op in batch.rows.column(OP).to_pylist() if op == "insert")
        odd = any(value in _ADDRESSLESS for name in batch.key for value in batch.rows.column(name).to_pylist())
        self._keys = listed() if inserts > resource.page_size or odd or resource.read is None else None
        self.odd = odd

    def absent(self, key: tuple[str, ...], op: str) -> bool:
        return self._keys is not None and key not in self._keys and (op == "insert" or self.odd)


class _Chunk:
    """Some rows of a batch on their way."""

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        client: Client,
        reader: Reader,
        resource: RestResource,
        batch: ChangeBatch,
        pool: ThreadPoolExecutor,
        tally: Tally,
        known: _Known,
    ) -> None:
        self.con, self.client, self.reader, self.resource = con, client, reader, resource
        self.batch, self.pool, self.tally, self.known = batch, pool, tally, known
        self.tried: dict[int, Tried] = {}

    def run(self, rows: list[int]) -> None:
        """Until each row is accepted, refused, stale or as wanted."""
        for attempt in range(self.client.system.retries + 2):
            rows = self._attempt(rows)
            if not rows:
                return
            unclear = [t for row in rows if not (t := self.tried[row]).answered]
            if attempt <= self.client.system.retries and unclear:
                asked = max((t.wait_seconds for t in unclear if t.wait_seconds is not None), default=None)
                self.client.pause(attempt, asked, self.client.url(self.resource.path), unclear[0].reason)
        lost = next((self.tried[row] for row in rows if self.tried[row].network), None)
        if lost is not None:
            where = self.client.where(self.client.url(self.resource.path)).partition(" at ")[2]
            raise SystemUnreachable(self.client.system.name, where, f"{lost.reason} while {len(rows)} rows were written")
        self._refuse({row: self.tried[row].reason for row in rows})

    def _attempt(self, rows: list[int]) -> list[int]:
        """Look at the rows, decide, write; returns those that have to be looked at again."""
        part = ChangeBatch(self.batch.resource, self.batch.key, self.batch.columns, self.batch.rows.take(rows), self.batch.batch_id)
        declared = {name: self._type(part, name) for name in self.reader.known(self.resource)}
        staged = stage(self.con, part, declared)
        keys = self._keys(part)
        ops: list[str] = part.rows.column(OP).to_pylist()
        held = list(self.pool.map(self._look, keys, ops))
        self._load([None if h is None else h.item for h in held])
        match(self.con, staged)
        decide(self.con, staged, "matches")
        outcomes = dict(self.con.execute(f"SELECT {ROW}, outcome FROM verdict").fetchall())
        bodies = self._bodies(staged)
        refusals: dict[int, str] = {}
        to_send: list[Send] = []
        stale = []
        for position, row in enumerate(rows):
            outcome, tried, found = outcomes[position + 1], self.tried.get(row), held[position]
            if ops[position] != "insert" and not self._absent(keys[position], ops[position]) and not _addressable(keys[position]):
                refusals[row] = _NOWHERE  # it is there, and nobody looked what it holds
            elif outcome == "unchanged":
                # After a try of ours without a clear answer, this is its effect.
                self.tally.counts["unchanged" if tried is None or tried.answered else _EFFECTS[ops[position]]] += 1
            elif outcome == "stale":
                stale.append(row)
            elif tried is not None and tried.answered and tried.print == (found.print if found else ""):
                refusals[row] = tried.reason
            elif why := self._unable(outcome):
                refusals[row] = why
            else:
                to_send.append(Send(row, outcome, keys[position], found, bodies.get(position + 1, {})))
        if stale:
            self.tally.stale.append(self.batch.rows.take(stale).select(list(self.batch.key)))
        self._refuse(refusals)
        return self._send_all(to_send, staged)

    def _type(self, part: ChangeBatch, name: str) -> CanonicalType:
        found = CanonicalType.parse(self.resource.columns.get(name, "text"))
        # Bytes that come as the text a scan gave are compared as that text.
        spelled = name in part.rows.column_names and pa.types.is_string(part.rows.schema.field(name).type)
        return CanonicalType("text") if found.name == "binary" and spelled else found

    def _keys(self, part: ChangeBatch) -> list[dict[str, str]]:
        names = ", ".join(quote(name) for name in part.key)
        rows = self.con.execute(f"SELECT {names} FROM stage ORDER BY {ROW}").fetchall()
        return [dict(zip(part.key, (value or "" for value in row), strict=True)) for row in rows]

    def _look(self, key: Mapping[str, str], op: str) -> Held | None:
        if self._absent(key, op) or self.resource.read is None or not _addressable(key):
            return None
        found = self.reader.one(self.resource, key)
        return None if found is None else Held(*found)

    def _absent(self, key: Mapping[str, str], op: str) -> bool:
        return self.known.absent(tuple(key[name] for name in self.resource.key if name in key), op)

    def _load(self, items: Sequence[dict[str, Any] | None]) -> None:
        """Table ``current_rows``: what the API holds now; ``_accord_line`` is the row of the chunk that asked for it."""
        there = [(number, item) for number, item in enumerate(items, 1) if item is not None]
        table = self.reader.table_of(self.resource, [item for _, item in there])
        table = table.append_column(LINE, pa.array([number for number, _ in there], pa.int64()))
        self.con.register("arrow_held", table)
        self.con.execute("CREATE OR REPLACE TEMP TABLE current_rows AS SELECT * FROM arrow_held")
        self.con.unregister("arrow_held")

    def _bodies(self, staged: Staged) -> dict[int, dict[str, str | None]]:
        """Row of the chunk: key and values to write, as texts in the style the API uses."""
        merge(self.con, staged)
        names = tuple(dict.fromkeys((*staged.batch.key, *staged.batch.columns)))
        rows = self.con.execute(f"SELECT {ROW}, {', '.join(map(quote, names))} FROM merged WHERE {ROW} IS NOT NULL").fetchall()
        return {row[0]: dict(zip(names, row[1:], strict=True)) for row in rows}

    def _unable(self, outcome: str) -> str:
        if self._verb(outcome) is None:
            return f"the map offers no {'create' if outcome == 'insert' else outcome} for '{self.resource.name}'"
        return self.tally.foreign if outcome == "insert" else ""

    def _verb(self, outcome: str) -> Verb | None:
        return {"insert": self.resource.create, "update": self.resource.update, "delete": self.resource.delete}[outcome]

    def _send_all(self, sends: Sequence[Send], staged: Staged) -> list[int]:
        again, refusals = [], {}
        for send, tried in zip(sends, self.pool.map(lambda one: self._send(one, staged), sends), strict=True):
            if tried is None:
                self.tally.counts[_EFFECTS[send.outcome]] += 1
            elif tried.print == _REFUSED:
                refusals[send.row] = tried.reason
            else:
                self.tried[send.row] = replace(tried, print=send.held.print if send.held else "")
                again.append(send.row)
        self._refuse(refusals)
        return again

    def _send(self, send: Send, staged: Staged) -> Tried | None:
        """One write; ``None`` when it was plainly accepted."""
        outcome, key, held = send.outcome, send.key, send.held
        verb, resource = self._verb(outcome), self.resource
        assert verb is not None
        if outcome == "insert" and self.tally.foreign:
            return Tried(_REFUSED, self.tally.foreign, answered=True)
        body = None if outcome == "delete" else self._body(outcome, verb, held, send.values, staged)
        params = []
        if outcome == "delete" and held is not None and resource.version:
            params = [(resource.version, rest_json.text(held.item.get(resource.version)) or "")]
        headers = {}
        if held is not None and held.etag and not held.etag.startswith("W/"):
            headers["If-Match"] = held.etag
        elif outcome == "insert" and verb.method == "PUT":
            headers["If-None-Match"] = "*"
        if resource.idempotency_header not in ("", "none"):
            once = repr((self.batch.batch_id, outcome, sorted(key.items()), body)).encode()
            headers[resource.idempotency_header] = hashlib.sha256(once).hexdigest()
        try:
            answer = self.client.send(verb.method, self.client.url(verb.fill(key), params), body, headers)
        except Unclear as error:
            return Tried("", self.client.system.clean(error.reason), answered=False, network=error.network, wait_seconds=error.wait_seconds)
        return self._judge(send, answer)

    def _judge(self, send: Send, answer: Answer) -> Tried | None:
        reason = self.client.reason(answer)
        if answer.status in (405, 413, 501):
            return Tried(_REFUSED, reason, answered=True)
        if answer.status >= 300 or answer.status < 200:
            return Tried("", reason, answered=True)
        try:
            document = rest_json.parse(answer.body) if answer.body.strip() else None
        except BadJson as error:
            return Tried("", self.client.system.clean(f"HTTP {answer.status} with {error}"), answered=False)
        said = error_in(self.resource, document)
        if said is not None:
            return Tried("", self.client.system.clean(f"HTTP {answer.status} with an error: {said}"), answered=True)
        _, item = self.resource.item.find(document)
        shown = item if isinstance(item, dict) and any(name in item for name in send.key) else None
        if shown is None and (said := fails(document)):
            return Tried("", self.client.system.clean(f"HTTP {answer.status} with an error: {said}"), answered=True)
        if send.outcome == "insert" and (foreign := self._own_key(send.key, document)) is not None:
            return foreign
        if shown is None or send.outcome == "delete":
            return self._looked_at(send, answer.status)
        if send.outcome == "update" and (ignored := _ignored(send, shown)):
            return Tried("", f"HTTP {answer.status}, and yet {', '.join(ignored)} stayed as it was", answered=True)
        return None

    def _looked_at(self, send: Send, status: int) -> Tried | None:
        """Whether an answer of success that shows no row was carried out: the row itself says it.

        An API may show late what it took, so that is waited for; but not again in a batch in which waiting was in vain.
        """
        left = ""
        for attempt in range(_LOOKS if self.resource.read is not None and _addressable(send.key) else 0):
            if attempt:
                self.client.pause(attempt, None, self.client.url(self.resource.path), left)
            left = _undone(send, self.reader.one(self.resource, send.key))
            if not left or self.tally.in_vain:
                break
        self.tally.in_vain = self.tally.in_vain or bool(left)
        return Tried(_REFUSED, f"HTTP {status}, and yet {left}", answered=True) if left else None

    def _own_key(self, key: Mapping[str, str], document: Any) -> Tried | None:
        """Whether the API made the new row under another key than it was given; then no more are sent, or each run would make them anew."""
        _, item = self.resource.item.find(document)
        if not isinstance(item, dict):
            return None
        given = {
            name: rest_json.text(item.get(name)) for name in key if self.resource.columns.get(name, "text") in ("text", "integer", "uuid")
        }
        other = {name: value for name, value in given.items() if value is not None and value.casefold() != key[name].casefold()}
        if not other:
            return None
        self.tally.foreign = f"the API gives new rows keys of its own ({', '.join(f'{n}: {v}' for n, v in sorted(other.items()))})"
        if self.resource.delete is not None and _addressable(made := {**key, **other}):
            try:
                gone = self.client.send("DELETE", self.client.url(self.resource.delete.fill(made)), None, {}).status < 300
            except Unclear:
                gone = False
            self.tally.foreign += "; the row it made was removed again" if gone else "; the row it made is still there"
        return Tried(_REFUSED, self.tally.foreign, answered=True)

    def _body(self, outcome: str, verb: Verb, held: Held | None, values: Mapping[str, str | None], staged: Staged) -> str:
        resource, seen = self.resource, self.reader.kinds.get(self.resource.name, {})
        own = {} if held is None else {name: rest_json.kind_of(value) for name, value in held.item.items() if value is not None}
        wanted: Mapping[str, str | None] = values
        if outcome == "update" and held is not None:
            changed = {n: v for n, v in values.items() if n not in staged.batch.key and rest_json.text(held.item.get(n)) != v}
            wanted = changed
            if verb.method == "PUT":
                wanted = {**{name: rest_json.text(value) for name, value in held.item.items()}, **changed}
            elif resource.version and resource.version in held.item:
                wanted = {**changed, resource.version: rest_json.text(held.item[resource.version])}
        return rest_json.body_of(wanted, staged.given, resource.columns, [own, seen])

    def _refuse(self, reasons: Mapping[int, str]) -> None:
        if reasons:
            keys = self.batch.rows.take(list(reasons)).select(list(self.batch.key))
            self.tally.refused.append(keys.append_column("reason", pa.array(list(reasons.values()), pa.string())))


def _undone(send: Send, found: tuple[dict[str, Any], str] | None) -> str:
    """What of a write does not show in the row as it is now; empty when nothing is missing."""
    if send.outcome == "insert":
        return "" if found is not None else "there is no such row"
    if found is None:
        return ""
    if send.outcome == "delete":
        return "the row is there as it was" if send.held is not None and Held(*found).print == send.held.print else ""
    ignored = _ignored(send, found[0])
    return f"{', '.join(ignored)} stayed as it was; give it direction: read where the API does not let it be changed" if ignored else ""


_REFUSED: Final = "refused"
_NOWHERE: Final = "an empty key, or one of dots, cannot stand in an address"
_LOOKS: Final = 3
_CUT: Final = 16
"""Characters that a text has at the least where it is taken for a cut one: «Ann» is much rather what «Anna» was before."""
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d")


def _ignored(send: Send, shown: Mapping[str, Any]) -> list[str]:
    """Members that an API was asked to change, and shows as they were: else its old value would look like an edit of ours.

    One that shows the old value since that is how it says the new one (in another case, cut, rounded) has taken it.
    """
    before = {} if send.held is None else send.held.item
    found = []
    for name, wanted in send.values.items():
        old, now = rest_json.text(before.get(name)), rest_json.text(shown.get(name))
        if name in shown and name in before and wanted != old == now and not _says(wanted or "", now or "", shown[name]):
            found.append(name)
    return found


def _says(wanted: str, shown: str, value: Any) -> bool:
    """Whether a text may be what a system with less room makes of another: no fraction, another time of the day, a cut text."""
    if isinstance(value, rest_json.Digits):
        whole = wanted.lstrip("-").isdigit() and shown.lstrip("-").isdigit()
        return not whole and _apart(wanted, shown, Decimal, 1)
    if _DATE.match(wanted) and _DATE.match(shown):
        return _apart(wanted[:10], shown[:10], date.fromisoformat, timedelta(days=2))
    asked, came = wanted.strip().casefold(), shown.strip().casefold()
    return asked == came or (len(came) >= _CUT and asked.startswith(came))


def _apart(wanted: str, shown: str, read: Callable[[str], Any], most: Any) -> bool:
    """Whether two values are less than ``most`` apart; those that cannot be read as what they look like are not judged."""
    try:
        return bool(abs(read(wanted) - read(shown)) < most)
    except (ArithmeticError, ValueError):
        return True


def _addressable(key: Mapping[str, str]) -> bool:
    return not any(value in _ADDRESSLESS for value in key.values())
