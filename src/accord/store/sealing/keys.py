"""Keys of persons in the store's database, wrapped by a key in a file beside it.

Whoever gets a copy of the database alone reads nothing, and an erasure also changes the file: then older copies of the database, with the
person's wrapped key still in them, open nothing any more. Each file is named by its key, so the row that names it and the file can never
be mistaken for those of another moment.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from uuid import uuid4

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from accord.model.errors import DataRefused, UsageError
from accord.store.database import Query, Row, Rows, Transaction
from accord.store.sealing.marks import Subject

KEY_BYTES, NONCE_BYTES, ID_BYTES = 32, 12, 16
_AT_ONCE = 400  # values in one IN (…)
_MOST_CACHED = 4096  # keys of persons kept in memory


@dataclass(frozen=True, slots=True)
class Wrapping:
    """The content of a key file: what wraps keys of persons, and what hides who they belong to; ``id`` is its name."""

    id: str
    key: bytes = field(repr=False)
    lookup: bytes = field(repr=False)

    def hidden(self, subject: Subject) -> str:
        """The same text for the same person, and telling nobody without the file who it is."""
        said = f"{len(subject.kind)}:{subject.kind}:{subject.id}".encode()
        return hmac.digest(self.lookup, said, "sha256").hex()

    def wrap(self, id_: str, key: bytes) -> str:
        """A key of a person as the database keeps it."""
        nonce = os.urandom(NONCE_BYTES)
        return (nonce + AESGCM(self.key).encrypt(nonce, key, id_.encode())).hex()

    def unwrap(self, id_: str, wrapped: str, where: str) -> bytes:
        """The key of a person.

        Raises:
            DataRefused: the row was changed.
        """
        data = bytes.fromhex(wrapped)
        try:
            return AESGCM(self.key).decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], id_.encode())
        except InvalidTag as error:
            raise DataRefused(f"the key of person {id_} was changed", where, "the row as it was written; restore a backup") from error


class Keyring:
    """The keys of one store; what it remembers is only what rows of the database still name.

    Args:
        folder: of the key files; made with the first.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files: dict[str, Wrapping] = {}
        self._unwrapped: dict[str, AESGCM] = {}
        self._last: Wrapping | None = None  # the one last found to be in force
        self._hidden: dict[Subject, str] = {}  # by that one

    def query(self, subjects: Sequence[Subject]) -> Query | None:
        """Asks for the keys of persons, to be taken by ``taken``; ``None`` when that takes more than a query, or nobody is named.

        It asks also which file is in force, in the same moment: what an erasure in another process changed is seen.
        """
        if self._last is None or not 0 < len(subjects) <= _AT_ONCE:
            return None
        return _held_by(len(subjects)), [self._lookup(self._last, subject) for subject in subjects]

    def taken(self, subjects: Sequence[Subject], rows: Sequence[Row]) -> Held:
        """Pseudonym and cipher of each person that has a key, as ``query`` found them; nobody when the file is another one now."""
        if self._last is None or not rows or rows[0][0] != self._last.id:
            self._last = None
            self._hidden.clear()
            return {}
        keys = {lookup: (id_, wrapped, kek) for _, lookup, id_, wrapped, kek in rows if id_ is not None}
        named = ((subject, keys.get(self._lookup(self._last, subject))) for subject in subjects)
        return {subject: (key[0], self._cipher(*key)) for subject, key in named if key is not None}

    def _lookup(self, wrapping: Wrapping, subject: Subject) -> str:
        if wrapping is not self._last or len(self._hidden) >= _MOST_CACHED:
            self._last = wrapping
            self._hidden.clear()
        found = self._hidden.get(subject)
        if found is None:
            found = self._hidden[subject] = wrapping.hidden(subject)
        return found

    def to_seal(self, tx: Transaction, subjects: Iterable[Subject]) -> Held:
        """Pseudonym and cipher of each person, made where there is none."""
        wanted = list(dict.fromkeys(subjects))
        wrapping = self._present(tx)
        hidden = {self._lookup(wrapping, subject): subject for subject in wanted}
        found: Held = {}
        for lookup, id_, wrapped, kek in _in(tx, "lookup", list(hidden)):
            found[hidden[lookup]] = (id_, self._cipher(id_, wrapped, kek))
        made = []
        for lookup, subject in hidden.items():
            if subject not in found:
                id_, key = secrets.token_hex(ID_BYTES), os.urandom(KEY_BYTES)
                made.append((id_, lookup, wrapping.wrap(id_, key), wrapping.id))
                found[subject] = (id_, AESGCM(key))
        tx.many("INSERT INTO person_key (id, lookup, wrapped, kek) VALUES (?, ?, ?, ?)", made)
        return found

    def to_open(self, rows: Rows, ids: Iterable[str]) -> dict[str, AESGCM]:
        """The ciphers of pseudonyms; one whose key was shredded is not among them."""
        wanted = sorted(set(ids))
        try:
            return self._ciphers(_in(rows, "id", wanted))
        except DataRefused:
            # An erasure in another process may have wrapped all keys anew since the rows were read; a file that is lost is so still.
            return self._ciphers(_in(rows, "id", wanted))

    def _ciphers(self, found: Iterable[tuple[str, str, str, str]]) -> dict[str, AESGCM]:
        return {id_: self._cipher(id_, wrapped, kek) for _, id_, wrapped, kek in found}

    def known(self, rows: Rows, subjects: Iterable[Subject]) -> dict[Subject, str]:
        """The pseudonyms of those persons that have a key."""
        ((kek,),) = rows.rows("SELECT kek FROM sealing")
        if not kek:
            return {}
        wrapping = self._file(kek)
        hidden = {wrapping.hidden(subject): subject for subject in subjects}
        return {hidden[lookup]: id_ for lookup, id_, *_ in _in(rows, "lookup", list(hidden))}

    def shred(self, tx: Transaction, ids: Iterable[str]) -> str:
        """Remove keys of persons, and wrap all others anew with a new file; returns the file now to be destroyed, empty without any.

        Nothing is lost when the transaction fails: the old file stands until ``destroy``, and no row names the new one.
        """
        ((old,),) = tx.rows("SELECT kek FROM sealing")
        if not old:
            return ""
        before = self._file(old)
        after = self._make(before.lookup)
        gone = set(ids)
        kept = [row for row in tx.rows("SELECT id, lookup, wrapped, kek FROM person_key ORDER BY id") if row[0] not in gone]
        where = str(self.folder)
        anew = [(id_, lookup, after.wrap(id_, self._file(kek).unwrap(id_, wrapped, where)), after.id) for id_, lookup, wrapped, kek in kept]
        tx.run("DELETE FROM person_key")
        tx.many("INSERT INTO person_key (id, lookup, wrapped, kek) VALUES (?, ?, ?, ?)", anew)
        tx.run("UPDATE sealing SET kek = ?", after.id)
        self.forget()
        return str(old)

    def destroy(self, kek: str) -> None:
        """Overwrite and remove a key file; one that is gone already is fine."""
        path = self._path(kek)
        with contextlib.suppress(FileNotFoundError):
            with path.open("r+b") as file:
                file.write(os.urandom(path.stat().st_size))
                file.flush()
                os.fsync(file.fileno())
            path.unlink()
            _sync_folder(self.folder)
        self.forget()

    def forget(self) -> None:
        """Remember no key."""
        self._files.clear()
        self._unwrapped.clear()
        self._hidden.clear()
        self._last = None

    def _cipher(self, id_: str, wrapped: str, kek: str) -> AESGCM:
        known = self._unwrapped.get(wrapped)  # by what the row holds: a key that was shredded or wrapped anew is never found here
        if known is None:
            known = AESGCM(self._file(kek).unwrap(id_, wrapped, str(self.folder)))
            if len(self._unwrapped) >= _MOST_CACHED:
                self._unwrapped.clear()
            self._unwrapped[wrapped] = known
        return known

    def _present(self, tx: Transaction) -> Wrapping:
        ((kek,),) = tx.rows("SELECT kek FROM sealing")
        if kek:
            return self._file(kek)
        made = self._make(os.urandom(KEY_BYTES))
        tx.run("UPDATE sealing SET kek = ?", made.id)
        return made

    def _make(self, lookup: bytes) -> Wrapping:
        key = os.urandom(KEY_BYTES)
        made = Wrapping(hashlib.sha256(b"accord sealing key\n" + key).hexdigest()[: 2 * ID_BYTES], key, lookup)
        aside = self.folder / f".{uuid4().hex}"
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                    file.write(f"{key.hex()}\n{lookup.hex()}\n".encode())
                    file.flush()
                    os.fsync(file.fileno())
                aside.replace(self._path(made.id))
            finally:
                aside.unlink(missing_ok=True)
            _sync_folder(self.folder)
        except OSError as error:
            raise UsageError(
                f"no sealing key can be kept in {self.folder}: {error.strerror}.", expected="Name a folder that can be written."
            ) from error
        self._files[made.id] = made
        return made

    def _file(self, kek: str) -> Wrapping:
        if kek not in self._files:
            path = self._path(kek)
            if not path.is_file():
                raise DataRefused(
                    "the key that seals personal values is missing",
                    str(path),
                    "the file as it was made; copy it from the machine that made it, or restore it from a backup of .accord/keys",
                )
            if stat.S_IMODE(path.stat().st_mode) & 0o077:
                raise DataRefused("others may read this sealing key", str(path), f"mode 0600 (chmod 600 {path})")
            try:
                key, lookup = (bytes.fromhex(line) for line in path.read_text(encoding="ascii").split())
            except ValueError as error:
                raise DataRefused("this is no sealing key", str(path), "the file as it was made; restore a backup") from error
            self._files[kek] = Wrapping(kek, key, lookup)
        return self._files[kek]

    def _path(self, kek: str) -> Path:
        return self.folder / f"sealing-{kek}.key"


def _in(rows: Rows, column: str, values: list[str]) -> list[tuple[str, str, str, str]]:
    found: list[tuple[str, str, str, str]] = []
    for start in range(0, len(values), _AT_ONCE):
        part = values[start : start + _AT_ONCE]
        sql = f"SELECT lookup, id, wrapped, kek FROM person_key WHERE {column} IN ({', '.join('?' * len(part))})"
        found += [(str(a), str(b), str(c), str(d)) for a, b, c, d in rows.rows(sql, *part)]
    return found


@lru_cache(maxsize=64)
def _held_by(count: int) -> str:
    marks = ", ".join("?" * count)
    return f"SELECT s.kek, p.lookup, p.id, p.wrapped, p.kek FROM sealing s LEFT JOIN person_key p ON p.lookup IN ({marks})"


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":
        return  # Windows cannot open folders; its file systems journal renames
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


Ciphers = Mapping[str, AESGCM]
Held = dict[Subject, tuple[str, AESGCM]]
