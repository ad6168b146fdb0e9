"""What the store holds of a person, and taking it away so that a crash at any point is mended by doing it again.

The order matters. Keys go first, with the event that says so, in one transaction: from then on nothing sealed can be read. Then segments,
each found by the person's id, so that what a crash left is found again. The scrubbing comes last, and is noted as due until it is done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import duckdb

from accord.model.errors import UnknownName, UsageError
from accord.model.event import Event
from accord.model.integration_map import IntegrationMap
from accord.store.erasing.rows import PersonRows
from accord.store.sealing import FINDINGS, PersonalValues, Subject
from accord.store.sealing.subjects import personal_entities
from accord.store.store import Store

_SOURCE = "erasure"
_LEFT_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of a person.

    Args:
        person: the id that was asked for.
        pseudonyms: under which values are sealed.
        events: number of events with values sealed for the person.
        segments: segments with rows about the person, and how many rows each.
        present: entity → number of rows about the person that the systems still agree on.
        clear: sequence numbers of events that hold one of the person's values unsealed, from before its field was personal.
        unknown: segments of no flow, such as imported logs or what a crash just left, in which some text is the id, and how many rows.
        unscrubbed: an erasure was broken off and has to be finished.
        values: the person's values as the segments hold them, to look for elsewhere.
    """

    person: str
    pseudonyms: tuple[str, ...]
    events: int
    segments: Mapping[str, int]
    present: Mapping[str, int]
    clear: tuple[int, ...]
    unknown: tuple[tuple[str, int], ...]
    unscrubbed: bool
    values: frozenset[str] = field(repr=False)

    @property
    def nothing(self) -> bool:
        """Whether there is nothing to take away."""
        return not (self.pseudonyms or self.segments or self.unscrubbed)


class Erasure:
    """Of one person from one store.

    Args:
        map_: says what is personal, and whose.
        store: under the lease of the caller.
        person: id: the value of the field that says whom rows are about, or the name somebody acts under.
        entity: only as a row of this entity; empty: as whatever the map may know the person.

    Raises:
        UnknownName: no such entity.
        UsageError: rows of the entity are about persons of another one, or nothing of it is personal.
    """

    def __init__(self, map_: IntegrationMap, store: Store, person: str, *, entity: str = "") -> None:
        if not person.strip():
            raise UsageError("nobody is named.", expected="Give the id of the person.")
        self._map, self._store, self.person = map_, store, person
        self.kinds = _kinds(map_, entity)
        # Entities with a row for the person itself, and the field that is its key.
        found = personal_entities(map_)
        self.own = {name: e.person for name, e in found.items() if e.kind == name and name in self.kinds and e.key == (e.person,)}

    def find(self) -> Found:
        """What there is; nothing is changed."""
        with duckdb.connect(config={"autoinstall_known_extensions": "false"}) as con:
            rows = PersonRows(con, self._store, self._map, self.person, self.kinds)
            pseudonyms = tuple(sorted(self._store.pseudonyms(self._subjects(rows)).values()))
            events, clear = self._events(pseudonyms, rows.values)
            segments: dict[str, int] = {}
            for sha, _, count in rows.segments():
                segments[sha] = segments.get(sha, 0) + count
            unknown = tuple(rows.unknown()) if rows.entities else ()
        unscrubbed = self._store.unscrubbed()
        return Found(self.person, pseudonyms, events, segments, dict(rows.present), clear, unknown, unscrubbed, frozenset(rows.values))

    def erase(self, *, by: str, reason: str, run: str, now: datetime) -> Found:
        """Take it away; returns what is left. Doing it again is harmless, and finishes what was broken off.

        Args:
            by: who asked for it.
            reason: why; goes into the log as it is, so it should name nobody.
            run: id for the events; unique.
            now: the time, aware.

        Raises:
            LeaseHeld: somebody reads the database at the end; keys and segments are gone, and it has to be called again.
        """
        with duckdb.connect(config={"autoinstall_known_extensions": "false"}) as con:
            rows = PersonRows(con, self._store, self._map, self.person, self.kinds)
            subjects = self._subjects(rows)
            taken = list(rows.segments())
            if self._store.pseudonyms(subjects) or (taken and not self._store.unscrubbed()):

                def said(pseudonyms: Sequence[str]) -> Event:
                    body = {"persons": list(pseudonyms), "segments": len(taken), "by": by, "reason": reason, "run": run}
                    return Event(f"person.erased:{run}", "person.erased", now, _SOURCE, body)

                self._store.shred([*subjects, FINDINGS], said)
            self._take_rows(con, rows, reason=reason, run=run, now=now)
        # What no event names was left by a crash, and nobody knows of whom it is; a worker may be about to name a younger one.
        self._store.collect(older_than_seconds=_LEFT_SECONDS)
        if self._store.unscrubbed():
            self._store.scrub()
        return self.find()

    def _take_rows(self, con: duckdb.DuckDBPyConnection, rows: PersonRows, *, reason: str, run: str, now: datetime) -> None:
        conditions: dict[str, list[str]] = {}
        for sha, condition, _ in rows.segments():
            conditions.setdefault(sha, []).append(condition)
        replaced: dict[str, tuple[str, int]] = {}
        for sha, parts in conditions.items():
            path = str(self._store.segment_path(sha)).replace("'", "''")
            source, gone = f"read_parquet('{path}')", " OR ".join(f"({part})" for part in parts)
            (count,) = con.execute(f"SELECT count(*) FROM {source} WHERE {gone}").fetchall()[0]
            kept = self._store.write_segment_from(con, f"SELECT * FROM {source} WHERE NOT ({gone})")
            replaced[sha] = (kept.sha, int(count))
        if replaced:
            named = [[sha, replacement, count] for sha, (replacement, count) in sorted(replaced.items())]
            event = Event(f"segment.erased:{run}", "segment.erased", now, _SOURCE, {"segments": named, "reason": reason, "run": run})
            self._store.replace_segments(replaced, event)

    def _subjects(self, rows: PersonRows) -> list[Subject]:
        return [*(Subject(kind, self.person) for kind in sorted(self.kinds)), *rows.subjects()]

    def _events(self, pseudonyms: Sequence[str], values: set[str]) -> tuple[int, tuple[int, ...]]:
        """Number of events with something sealed for the person, and those that hold a value of theirs in clear."""
        said = [f'"{pseudonym}"' for pseudonym in pseudonyms]
        count, clear = 0, []
        for seq, body in enumerate(self._store.event_bodies(), 1):
            count += any(text in body for text in said)
            if any(value in body for value in values):
                clear.append(seq)
        return count, tuple(clear)


def _kinds(map_: IntegrationMap, entity: str) -> frozenset[str]:
    known = personal_entities(map_)
    if not entity:
        return PersonalValues(map_).kinds()
    if entity not in map_.entities:
        raise UnknownName("entity", entity, map_.entities)
    found = known.get(entity)
    if found is not None and found.kind != entity:
        raise UsageError(
            f"rows of '{entity}' are about persons of '{found.kind}'.", expected=f"Use --entity {found.kind} and the id there."
        )
    if found is None and not any(e.kind == entity for e in known.values()):
        raise UsageError(f"nothing of '{entity}' is personal.", expected="Mark its fields with personal: true in the map.")
    return frozenset({entity})
