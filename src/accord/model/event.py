"""Events and objects in the words of OCEL 2.0."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from accord.model.spelling import speller

GENESIS = "0" * 64
_canonical = speller(allow_nan=False)
_TIME = ',"time":"'
_last: tuple[datetime | None, str] = (None, "")


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """An object an event is about, and in which role."""

    type: str
    id: str
    qualifier: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, as it goes into the log.

    Args:
        type: ``object.verb``, past tense: ``flow.run_finished``, ``kpi.measured``.
        time: when it happened, aware and in UTC.
        source: who says so: a step, a system, a person.
        attributes: plain JSON values only; numbers that must be exact are text.
        objects: what it is about.
        id: chosen by the caller; the log takes an id once and ignores a repeat, so a retry is harmless.
    """

    id: str
    type: str
    time: datetime
    source: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    objects: tuple[ObjectRef, ...] = ()

    def __post_init__(self) -> None:
        if self.time.tzinfo is None:
            raise ValueError(f"event '{self.id}' has a time without zone; give one in UTC")

    def canonical(self) -> bytes:
        """The bytes that are hashed: sorted keys, no spaces, UTC time with microseconds."""
        return packed_body(self).encode()


def utc_text(time: datetime) -> str:
    """A time as the log and its projections keep it: ISO 8601 in UTC with microseconds."""
    global _last  # the events of a command share one time, which is spelled for each of them in several places
    known, text = _last
    if known is not time:
        text = time.astimezone(UTC).isoformat(timespec="microseconds")
        _last = (time, text)
    return text


def packed_body(event: Event) -> str:
    """The canonical text of an event."""
    return as_body(parts_of(event))


def parts_of(event: Event) -> dict[str, Any]:
    """The members of an event's text; the attributes are the event's own."""
    return {
        "id": event.id,
        "type": event.type,
        "time": utc_text(event.time),
        "source": event.source,
        "attributes": event.attributes,
        "objects": [[o.type, o.id, o.qualifier] for o in event.objects],
    }


def as_body(raw: Mapping[str, Any]) -> str:
    """The one spelling of an event's parts."""
    return _canonical(raw)


def of_body(raw: Mapping[str, Any]) -> Event:
    """The event of parsed parts; members it does not know are left out."""
    return Event(
        id=raw["id"],
        type=raw["type"],
        time=datetime.fromisoformat(raw["time"]),
        source=raw["source"],
        attributes=raw["attributes"],
        objects=tuple(ObjectRef(*given) for given in raw["objects"]),
    )


def time_in(body: str) -> datetime:
    """The time of an event in its canonical text, without reading the rest of it."""
    # Members are sorted: behind ``time`` comes ``type`` alone, and within a text no quotation mark stands without a backslash.
    begin = body.rindex(_TIME) + len(_TIME)
    return datetime.fromisoformat(body[begin : body.index('"', begin)])


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event with its place in the log: ``hash`` covers the event and ``previous``, the hash before it."""

    seq: int
    event: Event
    previous: str
    hash: str


def chain_hash(previous: str, canonical: bytes) -> str:
    """SHA-256 that ties an event to all before it, in hexadecimal."""
    return hashlib.sha256(previous.encode() + b"\n" + canonical).hexdigest()


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the log: number of events and hash of the last (``GENESIS`` when empty)."""

    seq: int
    hash: str


def content_event(type_: str, body: Mapping[str, Any], about: ObjectRef, *, run: str, now: datetime, source: str) -> Event:
    """An event whose id is made of its content, so a step that is done again after a crash records the same thing once."""
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return Event(f"{type_}:{run}:{hashlib.sha256(text.encode()).hexdigest()[:24]}", type_, now, source, body, (about,))
