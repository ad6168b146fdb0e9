"""DuckDB files: attached for as long as one call takes, written in one transaction."""

from __future__ import annotations

import copy
import itertools
import os
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

import duckdb
import pyarrow as pa

from accord.connectors import decide, duckdb_bulk, duckdb_write
from accord.connectors.column_names import COMPUTED
from accord.connectors.condition import translated
from accord.connectors.duck import borrowed_duck
from accord.connectors.files import last_written, passable, written_earlier
from accord.connectors.keys import taken
from accord.connectors.marker import COLUMNS, FORBIDDEN, TABLE, TAKEN, note_before_commit, parts
from accord.connectors.protocol import ApplyResult, Capabilities, ChangeBatch, Noting
from accord.connectors.types import duckdb_type, literal, quote
from accord.connectors.unreadable import ANEW
from accord.model.errors import AccordError, DataRefused, SystemUnreachable, UnknownName
from accord.model.system import ColumnDescription, ResourceDescription, System, SystemDescription
from accord.model.types import CanonicalType
from accord.store.room import no_room

_names = itertools.count(1)
# One engine refuses a file that another engine of the process has open, and does not wait.
_turns: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)
_HUGE = ("HUGEINT", "UHUGEINT")
_COLUMNS = """
    SELECT column_name, data_type, is_nullable FROM duckdb_columns()
    WHERE database_name = ? AND schema_name = ? AND table_name = ? ORDER BY column_index"""
_RESOURCES = f"""
    SELECT schema_name, table_name, false FROM duckdb_tables()
    WHERE database_name = $alias AND NOT internal AND table_name <> {literal(TABLE)}
    UNION ALL SELECT schema_name, view_name, true FROM duckdb_views() WHERE database_name = $alias AND NOT internal
    ORDER BY ALL"""
_KEY = """
    SELECT constraint_column_names FROM duckdb_constraints()
    WHERE database_name = ? AND schema_name = ? AND table_name = ? AND constraint_type IN ('PRIMARY KEY', 'UNIQUE')
    ORDER BY constraint_type, constraint_index LIMIT 1"""


@dataclass(frozen=True, slots=True)
class DuckColumn:
    """A column of a table, as declared; ``wide``: whole numbers of which one has more digits than ours, which therefore come as texts."""

    name: str
    native: str
    nullable: bool
    wide: bool = False

    @property
    def type(self) -> CanonicalType:
        """The canonical type; lists and structs are JSON."""
        if self.wide:
            return CanonicalType("text")
        if self.native.endswith("]") or self.native.startswith(("STRUCT", "MAP", "UNION")):
            return CanonicalType("json")
        return decide.type_of(self.native)

    @property
    def read(self) -> str:
        """SQL of the value in the DuckDB type of its canonical type."""
        column, kind = quote(self.name), self.type
        if kind.name == "json" and self.native != "JSON":
            return f"CAST(to_json({column}) AS JSON)"
        if self.native == "FLOAT":
            return f"CAST(CAST({column} AS VARCHAR) AS DOUBLE)"  # 0.1 stays 0.1
        if kind.name == "timestamp":
            return column if self.native == "TIMESTAMP WITH TIME ZONE" else f"CAST({column} AS TIMESTAMP)"
        return f"CAST({column} AS {duckdb_type(kind)})"


class DuckdbConnector:
    """A DuckDB database file; a resource is ``table`` or ``schema.table``. DuckDB lets one process write, or several read."""

    kind: ClassVar[str] = "duckdb"
    capabilities: ClassVar[Capabilities] = Capabilities(transactions=True, typed=True, keys_declared=True, appends=True)

    def __init__(self, system: System, *, base: Path) -> None:
        self.system = system
        self.place = self.path = (base / system.at).absolute()
        self._held: tuple[str, duckdb.DuckDBPyConnection] | None = None  # the file's name while it is kept open, and where it has it

    def __repr__(self) -> str:
        return f"DuckdbConnector({str(self.path)!r})"

    def describe(self) -> SystemDescription:
        """Tables and views with native types, primary or unique key and exact row count."""
        start = time.perf_counter()
        with borrowed_duck() as con, self._attached(con) as alias:
            found = tuple(self._describe_one(con, alias, *row) for row in con.execute(_RESOURCES, {"alias": alias}).fetchall())
        return SystemDescription(self.system.name, self.kind, found, (time.perf_counter() - start) * 1000, f"DuckDB {duckdb.__version__}")

    def scan(self, con: duckdb.DuckDBPyConnection, resource: str) -> str:
        """One statement copies the table, so it is one state of it."""
        with self._attached(con) as alias:
            table, columns = self._columns(con, alias, resource)
            return self._taken(con, f"SELECT {', '.join(f'{c.read} AS {quote(c.name)}' for c in columns)} FROM {table}")

    def declared_types(self, resource: str) -> Mapping[str, str]:
        """As DuckDB writes them, with precision."""
        with nullcontext(self._held[1]) if self._held else borrowed_duck() as con, self._attached(con) as alias:
            return {c.name: c.native for c in self._columns(con, alias, resource)[1]}

    def scan_keys(self, con: duckdb.DuckDBPyConnection, resource: str, keys: str) -> str:
        """Joined where the table is."""
        with self._attached(con) as alias:
            table, columns = self._columns(con, alias, resource)
            holder = f"the keys for '{self.system.name}.{resource}'"
            asked = taken(con, keys, {c.name: c.type for c in columns}, few=0, holder=holder)
            of = {c.name: c for c in columns}
            kinds = {
                n: "TIMESTAMP" if of[n].type.name == "timestamp" and "ZONE" not in of[n].native else duckdb_type(of[n].type)
                for n in asked.names
            }
            read = f"SELECT {', '.join(f'{c.read} AS {quote(c.name)}' for c in columns)} FROM {table}"
            on = " AND ".join(f"{decide.as_text(f's.{quote(n)}', _plain(kinds[n]))} = k.{quote(n)}" for n in asked.names)
            return self._taken(con, f"SELECT s.* FROM ({read}) s SEMI JOIN ({asked.query}) k ON {on}")

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
        """DuckDB's own hash; a scan gives every value in the type of its column."""
        with self._attached(con) as alias:
            table, known = self._digested(con, alias, resource, key, columns, where)
            picked = ", ".join(f"{known[n].read} AS {quote(n)}" for n in key)
            digest = f"hash({', '.join(known[n].read for n in columns)})"
            if aside:
                digest = f"CASE WHEN {self._judged(known, aside)} THEN NULL ELSE {digest} END"
            return self._taken(con, f"SELECT {picked}, {digest} AS _digest FROM {table}")

    @contextmanager
    def still(self, con: duckdb.DuckDBPyConnection, resources: Sequence[str]) -> Iterator[DuckdbConnector]:
        """The file is kept open, so that no other program can write it, and within the process everybody waits for his turn."""
        with self._kept(con) as alias:
            same = copy.copy(self)
            same._held = alias, con
            for resource in resources:
                same.declared_types(resource)
            yield same

    def digest_buckets(self, resource: str, key: Sequence[str], columns: Sequence[str], buckets: int, where: str = "") -> pa.Table:
        """One statement."""
        with borrowed_duck() as con, self._attached(con) as alias:
            table, known = self._digested(con, alias, resource, key, columns, where)
            keyed = f"hash({', '.join(known[n].read for n in key)})"
            hashed = f"hash({', '.join(known[n].read for n in dict.fromkeys((*key, *columns)))})"
            return con.execute(
                f"SELECT CAST({keyed} % {int(buckets)} AS BIGINT) AS bucket, count(*) AS n, bit_xor({hashed}) AS digest "
                f"FROM {table} GROUP BY 1 ORDER BY 1"
            ).to_arrow_table()

    def reached(self, resource: str) -> str | None:
        """When the file was last written."""
        return last_written(self.path, self.path.with_name(self.path.name + ".wal")) if self.path.is_file() else None

    def set_back(self, resource: str, before: str, now: str, *, written: bool) -> str:
        """By the time of the file."""
        return written_earlier(before, now)

    def create(self, resource: str, columns: Mapping[str, CanonicalType], key: Sequence[str]) -> None:
        """Make the table, its schema, and the file when it is not there."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        parts = [f"{quote(name)} {duckdb_type(type_)}" for name, type_ in columns.items()]
        if key:
            parts.append(f"PRIMARY KEY ({', '.join(map(quote, key))})")
        with borrowed_duck() as con, self._attached(con, write=True, create=True) as alias:
            schema, name = self._place(con, alias, resource)
            con.execute(f"CREATE SCHEMA IF NOT EXISTS {alias}.{quote(schema)}")
            con.execute(f"CREATE TABLE IF NOT EXISTS {alias}.{quote(schema)}.{quote(name)} ({', '.join(parts)})")

    def apply(self, batch: ChangeBatch) -> ApplyResult:
        """One transaction, while nobody else can have the file open."""
        return self._write(batch, None)

    def apply_noted(self, batch: ChangeBatch, noting: Noting) -> ApplyResult:
        """The batch is named in a row of the same transaction."""
        return self._write(batch, noting)

    def was_committed(self, receipt: str) -> bool | None:
        """Says the row that names the last batch; nobody else can have the file open meanwhile."""
        with borrowed_duck() as con, self._attached(con) as alias:
            if not self._marked(con, alias):
                return None
            found = f"SELECT 1 FROM {alias}.main.{TABLE} WHERE writer = ? AND batch = ?"
            return con.execute(found, list(parts(receipt))).fetchone() is not None

    def _write(self, batch: ChangeBatch, noting: Noting | None) -> ApplyResult:
        with borrowed_duck() as con, self._attached(con, write=True) as alias:
            table, columns = self._columns(con, alias, batch.resource)
            known = {c.name: c for c in columns}
            for name in (*batch.key, *batch.columns):
                if name not in known:
                    raise UnknownName("column", name, known, holder=f"the batch for '{self.system.name}.{batch.resource}'")
            staged = decide.stage(con, batch, {n: c.type for n, c in known.items()})
            native, read = {n: c.native for n, c in known.items()}, {n: c.read for n, c in known.items()}
            if noting is None:
                return duckdb_write.write(con, table, staged, native, read)
            why = self._prepare(con, alias) if noting.marker else FORBIDDEN

            def put(receipt: str) -> None:
                row = [noting.writer, noting.label, parts(receipt)[1]]
                con.execute(f"INSERT OR REPLACE INTO {alias}.main.{TABLE} VALUES (?, ?, ?, now())", row)

            return duckdb_write.write(con, table, staged, native, read, note_before_commit(noting, why, put))

    def _prepare(self, con: duckdb.DuckDBPyConnection, alias: str) -> str:
        """Make the table of markers where it is not there; why that cannot be, else empty."""
        declared = 'writer VARCHAR PRIMARY KEY, flow VARCHAR, batch VARCHAR, "at" TIMESTAMPTZ'
        con.execute(f"CREATE TABLE IF NOT EXISTS {alias}.main.{TABLE} ({declared})")
        return "" if self._marked(con, alias) else TAKEN

    @staticmethod
    def _marked(con: duckdb.DuckDBPyConnection, alias: str) -> bool:
        return tuple(row[0] for row in con.execute(_COLUMNS, [alias, "main", TABLE]).fetchall()) == COLUMNS

    def is_empty(self, resource: str) -> bool:
        """Looks for a first row."""
        with borrowed_duck() as con, self._attached(con) as alias:
            return con.execute(f"SELECT 1 FROM {self._columns(con, alias, resource)[0]} LIMIT 1").fetchone() is None

    def holds(self, resource: str, rows: int) -> bool:
        """DuckDB counts without reading."""
        with borrowed_duck() as con, self._attached(con) as alias:
            counted = con.execute(f"SELECT count(*) FROM {self._columns(con, alias, resource)[0]}").fetchone()
            return counted is not None and int(counted[0]) >= rows

    @contextmanager
    def fill(self, resource: str, columns: Sequence[str]) -> Iterator[duckdb_bulk.DuckdbFill | None]:
        """One transaction; within the process nobody else has the file open until it ends."""
        with _turns[str(self.path)]:
            with borrowed_duck() as con, self._attached(con, write=True) as alias:
                schema, name = self._place(con, alias, resource)
                table, found = self._columns(con, alias, resource)
                known = {c.name: c for c in found}
                base = con.execute(
                    "SELECT 1 FROM duckdb_tables() WHERE database_name = ? AND schema_name = ? AND table_name = ?", [alias, schema, name]
                ).fetchone()
                empty = base and con.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() is None
                kinds = con.execute(f"DESCRIBE SELECT {', '.join(f'{c.read} AS {quote(c.name)}' for c in found)} FROM {table}").fetchall()
            if not empty or not set(columns) <= set(known):
                yield None
                return
            read = {c.name: c.read for c in found}
            filling = duckdb_bulk.DuckdbFill(
                str(self.path), f"{quote(schema)}.{quote(name)}", read, {str(row[0]): str(row[1]) for row in kinds}
            )
            try:
                yield filling
            except duckdb.Error as error:
                raise self._translated(error) from error
            finally:
                filling.close()

    def close(self) -> None:
        """Nothing is held open between calls."""

    def _place(self, con: duckdb.DuckDBPyConnection, alias: str, resource: str) -> tuple[str, str]:
        """Schema and name of a table or view, or where one of that name would be made; names may hold dots themselves."""
        given = self.system.resources.get(resource)
        path = given.path if given and given.path else resource
        there = "schema_name || '.' || table_name = $path OR (schema_name = 'main' AND table_name = $path)"
        query = f"SELECT schema_name, table_name FROM ({_RESOURCES}) WHERE {there} ORDER BY schema_name = 'main' LIMIT 1"
        found = con.execute(query, {"alias": alias, "path": path}).fetchone()
        if found is not None:
            return str(found[0]), str(found[1])
        schema, _, name = path.rpartition(".")
        return schema or "main", name

    def _columns(self, con: duckdb.DuckDBPyConnection, alias: str, resource: str) -> tuple[str, tuple[DuckColumn, ...]]:
        schema, name = self._place(con, alias, resource)
        rows = con.execute(_COLUMNS, [alias, schema, name]).fetchall()
        if not rows:
            found = con.execute(_RESOURCES, {"alias": alias}).fetchall()
            known = [self._label(row[0], row[1]) for row in found]
            raise UnknownName("resource", resource, known, place=self.system.place, holder=f"system '{self.system.name}'")
        table = f"{alias}.{quote(schema)}.{quote(name)}"
        return table, tuple(DuckColumn(n, kind, null, kind in _HUGE and self._wide(con, table, n)) for n, kind, null in rows)

    @staticmethod
    def _wide(con: duckdb.DuckDBPyConnection, table: str, column: str) -> bool:
        ends = (f"{end}({quote(column)})" for end in ("max", "min"))
        beyond = " OR ".join(f"({end} IS NOT NULL AND TRY_CAST({end} AS DECIMAL(38,0)) IS NULL)" for end in ends)
        found = con.execute(f"SELECT {beyond} FROM {table}").fetchone()
        return bool(found and found[0])

    def _digested(
        self, con: duckdb.DuckDBPyConnection, alias: str, resource: str, key: Sequence[str], columns: Sequence[str], where: str
    ) -> tuple[str, dict[str, DuckColumn]]:
        table, found = self._columns(con, alias, resource)
        known = {c.name: c for c in found}
        for name in (*key, *columns):
            if name not in known:
                raise UnknownName("column", name, known, holder=f"the digest of '{self.system.name}.{resource}'")
        if where:
            return f"(SELECT * FROM {table} WHERE {self._judged(known, where)})", known
        return table, known

    @staticmethod
    def _judged(known: Mapping[str, DuckColumn], condition: str) -> str:
        return translated(condition, {n: c.type for n, c in known.items()}, lambda name: known[name].read)

    @staticmethod
    def _label(schema: str, name: str) -> str:
        return name if schema == "main" else f"{schema}.{name}"

    @staticmethod
    def _taken(con: duckdb.DuckDBPyConnection, query: str) -> str:
        name = f"duckdb_{next(_names)}"
        con.execute(f"CREATE TEMP TABLE {name} AS {query}")
        return name

    def _describe_one(self, con: duckdb.DuckDBPyConnection, alias: str, schema: str, name: str, view: bool) -> ResourceDescription:
        label = self._label(schema, name)
        renamed = {r.path: r for r in self.system.resources.values() if r.path}
        given = renamed.get(label) or self.system.resources.get(label)
        columns = [DuckColumn(*row) for row in con.execute(_COLUMNS, [alias, schema, name]).fetchall()]
        key = con.execute(_KEY, [alias, schema, name]).fetchone()
        count = con.execute(f"SELECT count(*) FROM {alias}.{quote(schema)}.{quote(name)}").fetchone()
        return ResourceDescription(
            given.name if given else label,
            tuple(ColumnDescription(c.name, c.native, c.type, c.nullable) for c in columns),
            key=given.key if given and given.key else tuple(key[0]) if key else (),
            row_count=int(count[0]) if count else 0,
            writable=not view and os.access(self.path, os.W_OK),
            last_change=datetime.fromtimestamp(self.path.stat().st_mtime, UTC),
        )

    @contextmanager
    def _attached(self, con: duckdb.DuckDBPyConnection, *, write: bool = False, create: bool = False) -> Iterator[str]:
        """The file's name in ``con`` while it is attached; what DuckDB says meanwhile is about this file."""
        with nullcontext(self._held[0]) if self._held else self._kept(con, write=write, create=create) as alias:
            try:
                yield alias
            except duckdb.Error as error:
                raise self._translated(error) from error

    @contextmanager
    def _kept(self, con: duckdb.DuckDBPyConnection, *, write: bool = False, create: bool = False) -> Iterator[str]:
        """Attach the file; within the process everybody takes turns."""
        where, alias = str(self.path), f"duckdb_file_{next(_names)}"
        passable(self.path, self.system.name)
        if not create and not self.path.exists():
            raise SystemUnreachable(self.system.name, where, "there is no such file", "Correct 'at:' in the map, or make the file.")
        if self.path.exists() and not self.path.is_file():
            raise SystemUnreachable(self.system.name, where, "it is no regular file")
        with _turns[where]:
            try:
                con.execute(f"ATTACH {literal(where)} AS {alias} (TYPE duckdb{'' if write else ', READ_ONLY'})")
            except duckdb.Error as error:
                raise self._translated(error) from error
            try:
                yield alias
            finally:
                try:
                    con.execute(f"DETACH {alias}")
                except duckdb.Error as error:  # what it wrote is in the log beside the file, and there was no room to put it in its place
                    raise self._translated(error) from error

    def _translated(self, error: duckdb.Error) -> AccordError:
        text, where = str(error).splitlines()[0], str(self.path)
        if "Could not set lock" in text or "already attached" in text:
            todo = "Wait until that program closes it, or stop it: DuckDB lets one process write, or several read."
            return SystemUnreachable(self.system.name, where, "another program has the file open", todo)
        if full := no_room(error, where):
            return full
        if "not a valid DuckDB database" in text or "is not a DuckDB" in text:
            return DataRefused("it is no DuckDB database", where, f"a file made by DuckDB{ANEW}")
        if isinstance(error, duckdb.IOException):
            return SystemUnreachable(self.system.name, where, text)
        if "generated column" in text:
            return DataRefused(text.rstrip(".!"), where, COMPUTED)
        return DataRefused(text, where, "a statement DuckDB accepts")


def _plain(kind: str) -> str:
    return "TIMESTAMP WITH TIME ZONE" if kind == "TIMESTAMPTZ" else kind
