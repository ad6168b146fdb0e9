"""Puts personal values of events under seal before they are hashed, and opens them for readers that have the keys.

A sealed event has one member more in its text: ``sealed``, a list of (pseudonym, paths, cipher text), one for each person. At each path
stands null, or an empty text where a text is needed. The event's id and the paths are authenticated with the values, so a cipher text
fits nowhere else. Nobody can give an event such a member from outside: attributes and objects stand deeper.
"""

from __future__ import annotations

import json
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from accord.model.errors import DataRefused
from accord.model.event import Event, as_body, of_body, packed_body, parts_of
from accord.store.attributes import packed
from accord.store.database import Query, Row, Rows, Transaction
from accord.store.sealing.keys import NONCE_BYTES, Ciphers, Held, Keyring
from accord.store.sealing.marks import Mark, Marking, Path

SEALED: Final = "sealed"


def erased_name(id_: str) -> str:
    """What stands for the name of a person whose key is gone: the same in every event, and nothing else."""
    return f"erased-{id_[:12]}"


class Sealer:
    """Seals and opens the events of one store.

    Args:
        keyring: the keys of persons.
    """

    def __init__(self, keyring: Keyring) -> None:
        self.keyring = keyring
        self.marking: Marking | None = None

    def sealing(self, tx: Transaction, events: Sequence[Event]) -> Sealing:
        """What is to be sealed in events that are about to be appended together, in order."""
        marked = self.marking.marks(events, tx) if self.marking is not None and events else ()
        return Sealing(self.keyring, tx, {id(event): marks for event, marks in zip(events, marked, strict=False) if marks})

    def decode(self, rows: Rows, bodies: Iterable[str]) -> list[Event]:
        """Events as readers get them: values open where there is a key, null or ``erased-…`` where it is gone."""
        raws = [json.loads(body) for body in bodies]
        ids = {part[0] for raw in raws for part in raw.get(SEALED, ())}
        ciphers = self.keyring.to_open(rows, ids) if ids else {}
        for raw in raws:
            for part in raw.get(SEALED, ()):
                _fill(raw, part, ciphers)
        return [of_body(raw) for raw in raws]

    def repeats(self, rows: Rows, stored: str, event: Event) -> bool:
        """Whether an event says again what a sealed one in the log says; what is erased there may be anything."""
        raw = json.loads(stored)
        parts = raw.pop(SEALED, ())
        if not parts:
            return False
        again = json.loads(packed_body(event))
        ciphers = self.keyring.to_open(rows, [part[0] for part in parts])
        for id_, paths, text in parts:
            values = _opened(raw["id"], id_, paths, text, ciphers)
            for number, path in enumerate(paths):
                try:
                    given = _at(again, path)
                except (KeyError, IndexError, TypeError):
                    return False
                if values is not None and values[number] != given:
                    return False
                _put(again, path, _at(raw, path))
        return bool(again == raw)


class Sealing:
    """The texts of events that are appended together, with what is personal in them under seal.

    The keys are asked for by ``queries``, which go to the database together with whatever else is asked, and come back by ``found``.

    Args:
        keyring: the keys of persons.
        tx: the transaction of the append.
        marks: what to seal in which event, by its identity.
    """

    def __init__(self, keyring: Keyring, tx: Transaction, marks: Mapping[int, Sequence[Mark]]) -> None:
        self._keyring, self._tx, self._marks = keyring, tx, marks
        self._subjects = list(dict.fromkeys(mark.subject for given in marks.values() for mark in given))
        self._held: Held = {}

    @property
    def queries(self) -> list[Query]:
        """What is to be asked before ``bodies``; none, or one."""
        query = self._keyring.query(self._subjects)
        return [query] if query else []

    def found(self, answers: Sequence[Sequence[Row]]) -> None:
        """Take the answers of ``queries``."""
        for rows in answers:
            self._held = self._keyring.taken(self._subjects, rows)

    def bodies(self, events: Sequence[Event]) -> list[str]:
        """The text of each of the events as it is hashed and kept; who has no key yet gets one."""
        marked = [self._marks.get(id(event), ()) for event in events]
        wanted = dict.fromkeys(mark.subject for marks in marked for mark in marks)
        if wanted.keys() - self._held.keys():
            self._held = self._keyring.to_seal(self._tx, wanted)
        nonces = _nonces(sum(map(len, marked)))
        return [
            _sealed(event, marks, self._held, nonces) if marks else packed_body(event) for event, marks in zip(events, marked, strict=True)
        ]


def _nonces(most: int) -> Iterator[bytes]:
    """So many at most; one question to the system instead of one for each."""
    drawn = os.urandom(NONCE_BYTES * most)
    return (drawn[start : start + NONCE_BYTES] for start in range(0, len(drawn), NONCE_BYTES))


def _sealed(event: Event, marks: Sequence[Mark], held: Held, nonces: Iterator[bytes]) -> str:
    groups: dict[tuple[str, AESGCM], list[Mark]] = {}
    for mark in marks:
        groups.setdefault(held[mark.subject], []).append(mark)
    # Values are taken out of a copy; the caller's event stays as it is.
    raw: dict[str, Any] = {**parts_of(event), "attributes": dict(event.attributes)}
    own: set[int] = set()
    parts = []
    for (id_, cipher), those in groups.items():
        paths = [mark.path for mark in those]
        values = [_at(raw, path) for path in paths]
        nonce = next(nonces)
        data = nonce + cipher.encrypt(nonce, packed(values).encode(), _place(event.id, tuple(paths)))
        parts.append([id_, paths, urlsafe_b64encode(data).decode()])
        for mark in those:
            if len(mark.path) > 2 and mark.path[0] == "attributes":
                _copied(raw["attributes"], mark.path[1:-1], own)
            _put(raw, mark.path, "" if mark.name else None)
    raw[SEALED] = sorted(parts)
    return as_body(raw)


def _copied(holder: Any, path: Path, own: set[int]) -> None:
    """Replace what stands along a path by copies, once."""
    for step in path:
        inner = holder[step]
        if id(inner) not in own:
            inner = holder[step] = inner.copy()
            own.add(id(inner))
        holder = inner


def _fill(raw: dict[str, Any], part: tuple[str, list[Path], str], ciphers: Ciphers) -> None:
    id_, paths, text = part
    values = _opened(raw["id"], id_, paths, text, ciphers)
    for number, path in enumerate(paths):
        if values is not None:
            _put(raw, path, values[number])
        elif _at(raw, path) == "":
            _put(raw, path, erased_name(id_))


def _opened(event: str, id_: str, paths: list[Path], text: str, ciphers: Ciphers) -> list[Any] | None:
    cipher = ciphers.get(id_)
    if cipher is None:
        return None
    data = urlsafe_b64decode(text)
    try:
        plain = cipher.decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], _place(event, tuple([tuple(path) for path in paths])))
    except InvalidTag as error:
        raise DataRefused(
            "a sealed value does not open: it was changed or moved", f"event '{event}'", "the log as it was written"
        ) from error
    return list(json.loads(plain))


def _place(event: str, paths: tuple[Path, ...]) -> bytes:
    """What is authenticated with the values: no two events and lists of paths give the same bytes."""
    return f"{len(event)}:{event}".encode() + _spelled(paths)


@lru_cache(maxsize=4096)  # the same few places in event after event
def _spelled(paths: tuple[Path, ...]) -> bytes:
    return packed(paths).encode()


def _at(raw: Any, path: Sequence[str | int]) -> Any:
    for step in path:
        raw = raw[step]
    return raw


def _put(raw: Any, path: Sequence[str | int], value: Any) -> None:
    _at(raw, path[:-1])[path[-1]] = value
