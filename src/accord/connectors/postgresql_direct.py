"""Single rows of a PostgreSQL table by prepared statements."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg

from accord.connectors.direct import DirectChange, Key, Texts, UnseenError
from accord.connectors.postgresql_cascades import goes_on as going_on
from accord.connectors.postgresql_ready import MOST_READY, Ready, Rows
from accord.connectors.postgresql_types import PgColumn, columns_of, without_encoding
from accord.connectors.postgresql_visible import FIRST_PAUSE_SECONDS, SNAPSHOT, all_seen
from accord.connectors.types import quote
from accord.store.alive import Watched

# Server type → what DuckDB's scanner makes of it, for types whose text means the same to both.
_TYPES = {
    "int2": "BIGINT",
    "int4": "BIGINT",
    "int8": "BIGINT",
    "float8": "DOUBLE",
    "bool": "BOOLEAN",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "timestamptz": "TIMESTAMP WITH TIME ZONE",
    "uuid": "UUID",
    "text": "VARCHAR",
    "varchar": "VARCHAR",
}
_SETTINGS = (
    "SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET extra_float_digits = 1; SET client_encoding = 'UTF8'; "
    "SET synchronous_commit = on; SET lock_timeout = '2s'"
)
_UNSEEN_SECONDS = 0.1  # a commit can be seen within a millisecond, unless it waits for another server
_UNIQUE = """
    SELECT 1 FROM pg_index i WHERE i.indrelid = %s::regclass AND i.indisunique AND i.indpred IS NULL AND i.indexprs IS NULL
        AND i.indnkeyatts = cardinality(%s::text[]) AND NOT EXISTS (
            SELECT FROM unnest(i.indkey) WITH ORDINALITY k(number, place) JOIN pg_attribute a ON a.attrelid = i.indrelid
                AND a.attnum = k.number WHERE k.place <= i.indnkeyatts AND a.attname <> ALL (%s::text[]))"""


def open_table(connector: Any, resource: str, key: Sequence[str], columns: Sequence[str]) -> PostgresTable | None:
    """As ``direct.open_direct``, of a ``PostgresConnector``."""
    try:
        db = Watched.open(connector._dsn(), prepare_threshold=0)
    except psycopg.Error as error:
        raise connector._translated(error) from None
    try:
        db.execute(_SETTINGS, prepare=False)
        table = connector._table(db, resource)
        known = {c.name: c for c in columns_of(db, table)}
        types = {name: _type(known[name]) for name in (*key, *columns) if name in known}
        if len(types) < len({*key, *columns}) or None in types.values() or without_encoding(db):
            db.close()
            return None
        keyed = db.execute(_UNIQUE, (table, list(key), list(key))).fetchone() is not None
    except psycopg.Error as error:
        db.close()
        raise connector._translated(error) from error
    return PostgresTable(connector, db, table, tuple(key), {n: known[n] for n in types}, {n: t or "" for n, t in types.items()}, keyed)


def _type(column: PgColumn) -> str | None:
    type_ = column.type
    if column.is_array or (column.cast.startswith("character ") and not column.cast.startswith("character varying")):
        return None
    if column.base == "numeric":
        return f"DECIMAL({type_.precision},{type_.scale})" if type_.precision else None
    return _TYPES.get(column.base)


class PostgresTable:
    """A ``DirectTable`` over one connection of its own."""

    def __init__(
        self,
        connector: Any,
        db: psycopg.Connection[Any],
        table: str,
        key: tuple[str, ...],
        columns: Mapping[str, PgColumn],
        types: Mapping[str, str],
        keyed: bool,
    ) -> None:
        self.types, self.keyed = types, keyed
        self._connector, self._db, self._table, self._key, self._columns = connector, db, table, key, columns
        self._names = list(types)
        places = {name: number for number, name in enumerate(self._names)}
        self._place = places
        shown = ", ".join(f"({_plain(columns[n].read)})::text" for n in self._names)
        found = " AND ".join(f"t.{_quoted(k)} = {columns[k].from_text(_slot('k', places[k]), to_write=False)}" for k in key)
        self._where = found
        self._shown = shown
        self._read = f"SELECT {shown} FROM {_plain(table)} t WHERE {found}".encode()
        # The row, and what the statement that reads it could see, in one answer; a row of nulls where there is none.
        row = f"SELECT true AS there, {shown} FROM {_plain(table)} t WHERE {found}"
        self._seeing = f"SELECT * FROM ({SNAPSHOT}) s LEFT JOIN ({row}) r ON true".encode()
        self._statements: dict[tuple[str, ...], bytes] = {}
        self._ready = Ready(db)
        self._switches = [name for name, column in columns.items() if column.base == "bool"]

    def ask(self, keys: Sequence[Key], unseen: Collection[int] = ()) -> Callable[[], dict[Key, Texts]]:
        """One statement a key, sent together; what the first can see, the others can, too."""
        if not keys:
            return dict
        until = time.monotonic() + _UNSEEN_SECONDS
        self._ask(keys, unseen)

        def answer() -> dict[Key, Texts]:
            while (found := self._answer(unseen)) is None:
                if time.monotonic() > until:
                    raise UnseenError
                time.sleep(FIRST_PAUSE_SECONDS)
                self._ask(keys, unseen)
            return {key: dict(zip(self._names, rows[0], strict=True)) for key, rows in zip(keys, found, strict=True) if len(rows) == 1}

        return answer

    def _ask(self, keys: Sequence[Key], unseen: Collection[int]) -> None:
        with self._errors():
            self._ready.send([(self._seeing if unseen and not n else self._read, self._keys(key)) for n, key in enumerate(keys)])

    def _answer(self, unseen: Collection[int]) -> list[Rows] | None:
        """By key the rows there are; ``None`` when the change could not be seen."""
        with self._errors():
            first, *others = self._ready.answers()
        if not unseen:
            return [first, *others]
        xmax, running = first[0][0] or "", first[0][1] or ""  # an array, as its text
        if not all_seen(unseen, xmax, [x for x in running.strip("{}").split(",") if x]):
            return None
        return [[row[3:] for row in first if row[2] is not None], *others]

    def from_log(self, row: Texts) -> Texts | None:
        """The log spells values as the type does, and so does a cast to text, of all but booleans."""
        try:
            found = {name: row[name] for name in self._names}
        except KeyError:  # a generated column
            return None
        for name in self._switches:
            value = found[name]
            found[name] = None if value is None else "true" if value == "t" else "false"
        return found

    def read(self, keys: Sequence[Key], unseen: Collection[int] = ()) -> dict[Key, Texts]:
        """As ``ask``, at once."""
        return self.ask(keys, unseen)()

    def write(self, changes: Sequence[DirectChange]) -> list[Texts | None]:
        """Compare-and-set in the statement itself: what is compared is what is changed, and it tells what became of it."""
        with self._errors():
            self._ready.send([(self._statement(change), self._values(change)) for change in changes], whole=True)
            found = self._ready.answers()
        return [dict(zip(self._names, rows[0], strict=True)) if len(rows) == 1 else None for rows in found]

    def goes_on(self) -> bool:
        """Asked of the catalog each time, since a foreign key may be made at any time."""
        with self._errors():
            return going_on(self._db, self._table)

    def close(self) -> None:
        """End the session."""
        self._db.close()

    def _values(self, change: DirectChange) -> dict[str, str | None]:
        values: dict[str, str | None] = dict(self._keys(change.key))
        values |= {f"n{self._place[name]}": value for name, value in change.new.items()}
        values |= {f"o{self._place[name]}": value for name, value in change.old.items()}
        return values

    def _statement(self, change: DirectChange) -> bytes:
        shape = (change.op, *change.new, "|", *change.old)
        if len(self._statements) > MOST_READY:
            self._statements.clear()
        if shape not in self._statements:
            made = {n: self._columns[n].from_text(_slot("n", self._place[n]), to_write=True) for n in change.new}
            if change.op == "insert":
                named = ", ".join(map(_quoted, made))
                given = f"OVERRIDING SYSTEM VALUE VALUES ({', '.join(made.values())})"
                text = f"INSERT INTO {_plain(self._table)} AS t ({named}) {given} ON CONFLICT DO NOTHING"
            else:
                same = [
                    self._columns[n].same(f"t.{_quoted(n)}", self._columns[n].from_text(_slot("o", self._place[n]), to_write=False))
                    for n in change.old
                ]
                assigned = ", ".join(f"{_quoted(n)} = {sql}" for n, sql in made.items())
                what = f"UPDATE {_plain(self._table)} t SET {assigned}" if change.op == "update" else f"DELETE FROM {_plain(self._table)} t"
                text = f"{what} WHERE {' AND '.join([self._where, *same])}"
            self._statements[shape] = f"{text} RETURNING {self._shown}".encode()
        return self._statements[shape]

    def _keys(self, key: Key) -> dict[str, str]:
        return {f"k{self._place[name]}": value for name, value in zip(self._key, key, strict=True)}

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            self._db.close()
            raise self._connector._translated(error) from error


def _slot(kind: str, place: int) -> str:
    return f"%({kind}{place})s::text"


def _plain(sql: str) -> str:
    return sql.replace("%", "%%")


def _quoted(name: str) -> str:
    return _plain(quote(name))
