"""Replication slots: made before the snapshot, kept while acknowledged, and found lost before anything is missed in silence."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import time
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import errors

from accord.connectors.pglog.connection import LogSource, ReplicationConnection
from accord.connectors.pglog.errors import SlotLost
from accord.connectors.pglog.position import Position, parse_lsn
from accord.connectors.pglog.publication import drop_publication, fingerprint, state_query
from accord.connectors.types import literal
from accord.model.errors import SystemUnreachable

PREFIX = "accord_"
BUSY_SECONDS = 10.0
"""How long a slot whose last reader was killed may still count as read by it."""
_NAME_LENGTH = 63
_PAUSE_SECONDS = 0.1
_STATUS = """
    SELECT to_jsonb(s) || jsonb_build_object('lag', pg_wal_lsn_diff(here.lsn, s.confirmed_flush_lsn)::bigint,
        'kept', pg_wal_lsn_diff(here.lsn, s.restart_lsn)::bigint)
    FROM pg_replication_slots s CROSS JOIN
        (SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END AS lsn) here
    WHERE s.slot_type = 'logical' AND {}"""


@dataclass(frozen=True, slots=True)
class LogCapture:
    """What must be remembered to go on reading a log without a gap: kept by the caller beside the position it reached.

    Attributes:
        system_id: of the server; a copy or a restored backup shares it, another server does not.
        published: the fingerprint of the publication.
        start: where the slot begins, which is exactly where its snapshot ends.
        messages: whether messages of applications are part of the stream; they count in positions, so this is fixed.
    """

    slot: str
    publication: str
    system_id: str
    published: str
    start: Position
    messages: bool = False

    def to_dict(self) -> dict[str, str | bool]:
        """Plain values for an event."""
        return {
            "slot": self.slot,
            "publication": self.publication,
            "system_id": self.system_id,
            "published": self.published,
            "start": str(self.start),
            "messages": self.messages,
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> LogCapture:
        """What ``to_dict`` gave."""
        return cls(**(values | {"start": Position.parse(values["start"])}))


@dataclass(frozen=True, slots=True)
class SlotStatus:
    """A slot as the server sees it.

    Attributes:
        lag_bytes: log written since the position that was last acknowledged.
        kept_bytes: log the server cannot remove because of this slot.
        safe_bytes: log that may still be written before the server gives the slot up; ``None``: without limit.
        lost: why the slot can no longer be read; empty when it can.
    """

    name: str
    database: str
    plugin: str
    active: bool
    temporary: bool
    confirmed: Position
    lag_bytes: int
    kept_bytes: int
    safe_bytes: int | None
    lost: str


def capture_name(*parts: str) -> str:
    """A name for slot and publication that is the same each time, so that what a killed process left behind is found and replaced.

    Args:
        parts: what makes it unique among all readers of that server, such as the store's id, flow and binding.
    """
    readable = re.sub(r"[^a-z0-9_]+", "_", "_".join(parts).lower())
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]
    return f"{PREFIX}{readable[: _NAME_LENGTH - len(PREFIX) - 13]}_{digest}"


def temporary_name() -> str:
    """A name nobody else has, for a capture that ends with its process."""
    return f"{PREFIX}tmp_{os.getpid()}_{secrets.token_hex(6)}"


def drop_capture(source: LogSource, name: str, *, busy_seconds: float = BUSY_SECONDS) -> None:
    """Remove slot and publication where they are there; the server may then forget its log.

    Raises:
        SystemUnreachable: no answer, or another process still reads the slot.
    """
    with source.connect() as db:
        until = time.monotonic() + busy_seconds
        while True:
            try:
                db.execute("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s", (name,))
                break
            except errors.UndefinedObject:
                break  # a temporary slot went by itself in between
            except errors.ObjectInUse as error:
                if time.monotonic() > until:
                    raise SystemUnreachable(source.system, source.where, str(error).splitlines()[0]) from None
                time.sleep(_PAUSE_SECONDS)
            except psycopg.Error as error:
                raise source.translated(error) from None
        try:
            drop_publication(db, name)
        except psycopg.Error as error:
            raise source.translated(error) from None


def slots(source: LogSource, *, prefix: str = PREFIX) -> tuple[SlotStatus, ...]:
    """The logical slots of a server whose names start so, with what they cost: one that nobody reads keeps the log for ever.

    Raises:
        SystemUnreachable: no answer.
    """
    with source.session() as db:
        found = db.execute(f"{_STATUS.format(f'starts_with(s.slot_name, {literal(prefix)})')} ORDER BY s.slot_name".encode()).fetchall()
    return tuple(_status(row) for (row,) in found)


def check_capture(session: ReplicationConnection, capture: LogCapture, position: Position) -> SlotStatus:
    """Prove that the stream goes on exactly behind ``position``, over the connection on which it is going to be opened.

    Raises:
        SlotLost: the slot is gone, invalidated, of another kind or ahead of the position, the publication changed, or the server is
            another one or was set back.
        SystemUnreachable: no answer.
    """
    source = session.source
    ours = _STATUS.format(f"s.slot_name = {literal(capture.slot)}")
    found, state = session.execute(f"SELECT ({ours}), ({state_query(capture.publication)})")
    system_id, _, end, name = session.execute("IDENTIFY_SYSTEM")

    def lost(reason: str) -> SlotLost:
        return SlotLost(source.system, capture.slot, reason)

    if system_id != capture.system_id:
        raise lost("this is another server than the one the capture began on")
    if found is None:
        raise lost("there is no such slot any more")
    slot = _status(json.loads(found))
    if slot.lost:
        raise lost(f"the server gave the slot up ({slot.lost})")
    if (slot.plugin, slot.database) != ("pgoutput", name):
        raise lost(f"the slot is one of '{slot.plugin}' in database '{slot.database}'")
    if slot.confirmed.lsn > position.lsn:
        raise lost(f"the slot stands at {slot.confirmed}, past the {position} that was reached: others read from it or made it anew")
    if parse_lsn(end or "") < position.lsn:
        raise lost(f"the server's log ends at {end}, before the {position} that was reached: it was set back")
    if state is None:
        raise lost(f"the publication '{capture.publication}' is gone")
    if fingerprint(state) != capture.published:
        raise lost(f"the publication '{capture.publication}' is not the one the capture began with")
    return slot


def _status(row: Any) -> SlotStatus:
    return SlotStatus(
        row["slot_name"],
        row["database"],
        row["plugin"],
        row["active"],
        row["temporary"],
        Position.parse(row["confirmed_flush_lsn"] or "0/0"),
        int(row["lag"] or 0),
        int(row["kept"] or 0),
        row.get("safe_wal_size"),
        row.get("invalidation_reason") or ("wal_removed" if row.get("wal_status") == "lost" else ""),
    )
