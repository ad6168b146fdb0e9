"""The event log: append, read, verify."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence, Set
from itertools import islice
from math import isfinite

from accord.model.errors import LogTampered, TerminalError, UsageError
from accord.model.event import GENESIS, Event, Head, ObjectRef, StoredEvent, chain_hash, of_body, packed_body
from accord.store.database import Database, Transaction
from accord.store.sealing import Sealer, Sealing

BATCH = 500
_COLUMNS = "e.seq, e.body, e.previous, e.hash"
_EXTENT = "SELECT h.seq, h.hash, (SELECT min(seq) FROM event), (SELECT max(seq) FROM event) FROM log_head h"
_HEAD = "SELECT h.seq, h.hash, e.hash FROM log_head h LEFT JOIN event e ON e.seq = h.seq"
_OF_STEPS = ("task.", "token.", "handoff.", "process.")
# True for all other types; said in a query, it lets the database use the index that holds only these.
_RARE = "substr(e.type, 1, 5) <> 'task.' AND substr(e.type, 1, 6) <> 'token.' AND substr(e.type, 1, 8) NOT IN ('handoff.', 'process.')"
_INSERT = "INSERT INTO event (seq, id, type, body, previous, hash) VALUES (?, ?, ?, ?, ?, ?)"


def append(tx: Transaction, events: Sequence[Event], sealer: Sealer, fresh_ids: Set[str] = frozenset()) -> tuple[Head, list[StoredEvent]]:
    """Put events, as ``checked`` gives them, behind the head and return the new head and what was new, unsealed.

    Args:
        tx: the transaction.
        events: what to put there.
        sealer: seals what is personal in them.
        fresh_ids: ids that were just made and cannot be in the log; they are not looked for. One that is there all the same makes the
            database refuse the whole transaction.

    Raises:
        TerminalError: an id is already taken by an event with other content.
        LogTampered: the last event is not the one the head names; a broken log is not extended.
    """
    sealing = sealer.sealing(tx, events)
    head, known = _head_and_bodies(tx, [event.id for event in events if event.id not in fresh_ids], sealing)
    fresh: dict[str, Event] = {}
    for event in events:
        stored = known.get(event.id)
        if stored is None:
            said = fresh.setdefault(event.id, event)
            same = said is event or packed_body(said) == packed_body(event)
        else:
            same = stored == packed_body(event) or sealer.repeats(tx, stored, event)
        if not same:
            raise TerminalError(
                f"event id '{event.id}' ({event.type}) is already in the log with other content. "
                "A repeat must be the same event; give a new event a new id.",
                left="nothing of this batch was written",
            )
    new: list[StoredEvent] = []
    rows = []
    given = list(fresh.values())
    for event, body in zip(given, sealing.bodies(given), strict=True):
        previous, digest, seq = head.hash, chain_hash(head.hash, body.encode()), head.seq + 1
        head = Head(seq, digest)
        new.append(StoredEvent(seq, event, previous, digest))
        rows.append((seq, event.id, event.type, body, previous, digest))
    if rows:
        tx.many(_INSERT, rows)
        tx.run("UPDATE log_head SET seq = ?, hash = ?", head.seq, head.hash)
    return head, new


def checked(event: Event) -> Event:
    """An event as the log will give it back.

    Raises:
        UsageError: its attributes are not plain JSON, or its id or type is empty.
    """
    try:
        normal = event
        if not (_plain(event.attributes) and _plain(event.source) and _plain(event.id) and _named(event.objects)):
            # JSON turns tuples into lists and other keys into text: the hash covers what a reader gets.
            normal = decode(event.canonical().decode())
    except (AttributeError, TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"event '{event.id}' of type '{event.type}' cannot be written: {error}.", expected=_PLAIN) from error
    if not (isinstance(event.id, str) and event.id and isinstance(event.type, str) and event.type) or "\0" in event.id + event.type:
        raise UsageError(f"an event with id {event.id!r} and type {event.type!r}.", expected="Both must be texts that are not empty.")
    return normal


_PLAIN = "Attributes are plain JSON: text, finite numbers, true, false, null, lists, and objects with text as keys."


def _plain(value: object) -> bool:
    """Whether JSON gives the value back as it is; what this does not know goes the longer way."""
    kind = type(value)
    if kind is str:
        return value.isascii() or _whole(value)  # type: ignore[attr-defined, arg-type] # a text, as its type says
    if kind is int or kind is bool or value is None:
        return True
    if kind is float:
        return isfinite(value)  # type: ignore[arg-type] # a float, as its type says
    if kind is list:
        return all(map(_plain, value))  # type: ignore[call-overload] # a list, as its type says
    if kind is not dict:
        return False
    for name, given in value.items():  # type: ignore[attr-defined] # a dict, as its type says
        if type(name) is not str or not (name.isascii() or _whole(name)):
            return False
        # Most values are short texts; a call for each would cost more than looking at it.
        if not (type(given) is str and given.isascii()) and not _plain(given):
            return False
    return True


def _whole(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return True


def _named(objects: object) -> bool:
    return type(objects) is tuple and all(_plain(ref.type) and _plain(ref.id) and _plain(ref.qualifier) for ref in objects)


def decode(body: str) -> Event:
    """The event that stands in a stored text."""
    return of_body(json.loads(body))


def read_head(database: Transaction) -> Head:
    """The end of the log."""
    seq, digest = database.rows("SELECT seq, hash FROM log_head")[0]
    return Head(seq, digest)


def read(
    database: Transaction,
    sealer: Sealer,
    *,
    after: int = 0,
    types: Sequence[str] | None = None,
    about: ObjectRef | None = None,
    limit: int | None = None,
) -> Iterator[StoredEvent]:
    """Events behind ``after`` up to the head of this moment, in order, read in batches so that writers are not held up."""
    last = read_head(database).seq
    sql, values = _selection(types, about)
    left = last if limit is None else limit
    while after < last and left > 0:
        among = () if about is None else (after, last)
        rows = database.rows(sql, after, last, *values, *among, min(BATCH, left))
        events = sealer.decode(database, [body for _, body, _, _ in rows])
        for (seq, _, previous, digest), event in zip(rows, events, strict=True):
            yield StoredEvent(seq, event, previous, digest)
        if not rows:
            return
        after, left = rows[-1][0], left - len(rows)


def batches(events: Iterable[StoredEvent]) -> Iterator[list[StoredEvent]]:
    """Events in lists of at most ``BATCH``."""
    source = iter(events)
    while batch := list(islice(source, BATCH)):
        yield batch


def bodies(database: Transaction) -> Iterator[str]:
    """The stored text of every event, in order."""
    after = 0
    while rows := database.rows("SELECT seq, body FROM event WHERE seq > ? ORDER BY seq LIMIT ?", after, BATCH):
        yield from (body for _, body in rows)
        after = rows[-1][0]


def verify(database: Database, *, through: Head | None = None) -> Head:
    """Compute the chain anew and return the head it leads to.

    Args:
        through: a head noted earlier, outside the store; the log must still pass through it. Without one, a log that was rewritten
            as a whole, with all its hashes, looks sound.

    Raises:
        LogTampered: an event was changed, removed, put in or moved; ``seq`` is the first that shows it.
    """
    # One statement, so that all belong to the same moment.
    seq, digest, *outermost = database.rows(_EXTENT)[0]
    head, found = Head(seq, digest), Head(0, GENESIS)
    while rows := database.rows(
        "SELECT seq, id, type, body, previous, hash FROM event WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?", found.seq, seq, BATCH
    ):
        for row in rows:
            found = _verified(found, *row)
            if through is not None and found.seq == through.seq and found != through:
                raise LogTampered(found.seq, "it is not the event that stood here when its hash was noted")
    if found != head:
        raise LogTampered(found.seq + 1, f"the log ends at {found.seq} and should end at {head.seq}")
    for outer in outermost:
        if outer is not None and not 1 <= outer <= head.seq:
            raise LogTampered(outer, f"it stands outside the log, which goes from 1 to {head.seq}")
    if through is not None and through.seq > head.seq:
        raise LogTampered(head.seq + 1, f"the log ends at {head.seq} and once reached {through.seq}")
    return head


def _verified(before: Head, seq: int, id_: str, type_: str, body: str, previous: str, digest: str) -> Head:
    if seq != before.seq + 1:
        raise LogTampered(before.seq + 1, f"it is missing; after event {before.seq} comes {seq}")
    if previous != before.hash:
        raise LogTampered(seq, "it does not follow the event before it")
    if chain_hash(previous, body.encode()) != digest:
        raise LogTampered(seq, "its content was changed")
    try:
        event = decode(body)
    except (KeyError, TypeError, ValueError) as error:
        raise LogTampered(seq, "its content is no event") from error
    if (event.id, event.type) != (id_, type_):
        raise LogTampered(seq, "its id or type is not the one in its content")
    return Head(seq, digest)


def _head_and_bodies(tx: Transaction, ids: Sequence[str], sealing: Sealing) -> tuple[Head, dict[str, str]]:
    """The head to extend, and the texts of those ids that are in the log, asked for together with the keys that seal."""
    parts = [ids[start : start + BATCH] for start in range(0, len(ids), BATCH)]
    ahead = sealing.queries
    answers = tx.several([*ahead, (_HEAD, ()), *((_bodies_of(len(part)), tuple(part)) for part in parts)])
    sealing.found(answers[: len(ahead)])
    ((found,), *bodies) = answers[len(ahead) :]
    seq, digest, last = found
    if seq and last != digest:
        raise LogTampered(seq, "it is not the event the head of the log names" if last else "it is missing at the end of the log")
    return Head(seq, digest), {id_: body for rows in bodies for id_, body in rows}


def _bodies_of(count: int) -> str:
    return f"SELECT id, body FROM event WHERE id IN ({', '.join('?' * count)})"


def _selection(types: Sequence[str] | None, about: ObjectRef | None) -> tuple[str, list[str]]:
    conditions = ["e.seq > ?", "e.seq <= ?"]
    values: list[str] = []
    if types is not None:
        types = (types,) if isinstance(types, str) else types  # a text is a sequence of texts, too, but never meant as one
        conditions.append(f"e.type IN ({', '.join('?' * len(types))})" if types else "1 = 0")
        if not any(type_.startswith(_OF_STEPS) for type_ in types):
            conditions.append(_RARE)
        values += types
    if about is not None:
        qualified = " AND r.qualifier = ?" if about.qualifier else ""
        # Bounded as well, or all the events that were ever about the object would be gone through to find the last of them.
        conditions.append(f"e.seq IN (SELECT r.seq FROM relation r WHERE r.type = ? AND r.id = ?{qualified} AND r.seq > ? AND r.seq <= ?)")
        values += [about.type, about.id, *([about.qualifier] if about.qualifier else [])]
    return f"SELECT {_COLUMNS} FROM event e WHERE {' AND '.join(conditions)} ORDER BY e.seq LIMIT ?", values
