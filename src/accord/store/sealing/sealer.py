"""Puts personal values of events under seal before they are hashed, and opens them for readers that have the keys.

A sealed event has one member more in its text: ``sealed``, a list of (pseudonym, paths, cipher text), one for each person. At each path
stands null, or an empty text where a text is needed. The event's id and the paths are authenticated with the values, so a cipher text
fits nowhere else. Nobody can give an event such a member from outside: attributes and objects stand deeper.
"""

from __future__ import annotations

import json
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from accord.model.errors import DataRefused
from accord.model.event import Event, as_body, of_body, packed_body, parts_of
from accord.store.attributes import packed
from accord.store.database import Rows, Transaction
from accord.store.sealing.keys import NONCE_BYTES, Ciphers, Keyring
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

    def bodies(self, tx: Transaction, events: Sequence[tuple[Event, str]]) -> list[str]:
        """The text of each event as it is hashed and kept, given the one without seals."""
        if self.marking is None or not events:
            return [body for _, body in events]
        marked = self.marking.marks([event for event, _ in events], tx)
        subjects = {mark.subject for marks in marked for mark in marks}
        if not subjects:
            return [body for _, body in events]
        ciphers = self.keyring.to_seal(tx, subjects)
        texts = []
        for (event, body), marks in zip(events, marked, strict=True):
            if not marks:
                texts.append(body)
                continue
            groups: dict[tuple[str, AESGCM], list[Mark]] = {}
            for mark in marks:
                groups.setdefault(ciphers[mark.subject], []).append(mark)
            texts.append(_sealed(event, body, groups))
        return texts

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


def _sealed(event: Event, body: str, groups: dict[tuple[str, AESGCM], list[Mark]]) -> str:
    # A copy to take the values out of; the caller's event stays as it is.
    if any(len(mark.path) > 2 and mark.path[0] == "attributes" for marks in groups.values() for mark in marks):
        raw = json.loads(body)
    else:
        raw = {**parts_of(event), "attributes": dict(event.attributes)}
    parts = []
    for (id_, cipher), marks in groups.items():
        paths = [mark.path for mark in marks]
        values = [_at(raw, path) for path in paths]
        nonce = os.urandom(NONCE_BYTES)
        data = nonce + cipher.encrypt(nonce, packed(values).encode(), _place(event.id, paths))
        parts.append([id_, paths, urlsafe_b64encode(data).decode()])
        for mark in marks:
            _put(raw, mark.path, "" if mark.name else None)
    raw[SEALED] = sorted(parts)
    return as_body(raw)


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
        plain = cipher.decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], _place(event, paths))
    except InvalidTag as error:
        raise DataRefused(
            "a sealed value does not open: it was changed or moved", f"event '{event}'", "the log as it was written"
        ) from error
    return list(json.loads(plain))


def _place(event: str, paths: Sequence[Sequence[str | int]]) -> bytes:
    """What is authenticated with the values: no two events and lists of paths give the same bytes."""
    return f"{len(event)}:{event}".encode() + _spelled(tuple([tuple(path) for path in paths]))


@lru_cache(maxsize=4096)  # the same few places in event after event
def _spelled(paths: tuple[Path, ...]) -> bytes:
    return packed(paths).encode()


def _at(raw: Any, path: Sequence[str | int]) -> Any:
    for step in path:
        raw = raw[step]
    return raw


def _put(raw: Any, path: Sequence[str | int], value: Any) -> None:
    _at(raw, path[:-1])[path[-1]] = value
