"""APIs over HTTP that speak JSON: read page by page, written row by row."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar, Final

import duckdb
import pyarrow as pa

from accord.connectors.duck import borrowed_duck
from accord.connectors.keys import chosen, taken
from accord.connectors.protocol import ApplyResult, Capabilities, ChangeBatch, KnownOptions
from accord.connectors.rest_client import Client
from accord.connectors.rest_kept import Keep, Passing, clear_old, drop_kept
from accord.connectors.rest_options import KNOWN, RestResource, resource_options, system_options
from accord.connectors.rest_pages import Reader
from accord.connectors.rest_write import write
from accord.connectors.types import quote
from accord.connectors.unreadable import flags
from accord.model.errors import UnknownName, UsageError
from accord.model.system import ColumnDescription, Resource, ResourceDescription, System, SystemDescription
from accord.model.types import CanonicalType

FEW: Final = 200
"""Above so many keys the whole list is read rather than row after row."""
_LINE: Final = "_accord_line"
_names = itertools.count(1)


class RestConnector:
    """An API over HTTP; a resource is a collection that the map declares with its key. Nothing is known about it but what it answers."""

    kind: ClassVar[str] = "rest"
    capabilities: ClassVar[Capabilities] = Capabilities(create=False, sparse=True, late=True)
    known_options: ClassVar[KnownOptions] = KNOWN

    def __init__(self, system: System, *, base: Path) -> None:
        self.system = system
        self.options = system_options(system)
        self._declared = {name: resource_options(system, given) for name, given in system.resources.items()}
        self._client: Client | None = None
        self._reader: Reader | None = None
        self._passing: Passing | None = None
        self._columns: dict[str, dict[str, None]] = {}
        self._kinds: dict[str, dict[str, str]] = {}
        self._place: Path | None = None
        self._marks: dict[str, tuple[str, str]] = {}
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"RestConnector({self.system.name!r}, {self.options.base!r})"

    def describe(self) -> SystemDescription:
        """Each declared collection: its columns as declared or seen, and how many rows it has."""
        start = time.perf_counter()
        found = tuple(self._describe_one(resource) for resource in self._declared.values())
        return SystemDescription(self.system.name, self.kind, found, (time.perf_counter() - start) * 1000)

    def scan(self, con: duckdb.DuckDBPyConnection, resource: str) -> str:
        """All pages. A key that came twice, since rows moved while pages were turned, is the row that came last."""
        return self._scan(con, self._known(resource), ())

    def scan_keys(self, con: duckdb.DuckDBPyConnection, resource: str, keys: str) -> str:
        """A request for each key, or for some of them where the API has a filter; the whole list when they are many."""
        known = self._known(resource)
        reader = self._opened()[1]
        types = {name: CanonicalType.parse(known.columns.get(name, "text")) for name in reader.known(known)}
        by_ids = bool(known.ids_param) and len(known.key) == 1
        most = FEW * (known.ids_size if by_ids else 1)
        asked = taken(con, keys, types, few=most, holder=f"the keys for '{self.system.name}.{resource}'")
        whole = set(asked.names) != set(known.key) or asked.few is None or any(v in ("", ".", "..") for row in asked.few for v in row)
        if whole or (known.read is None and not by_ids):
            return chosen(con, self._relation(con, known, reader.read(known, self._spool)), asked)
        items = self._by_key(known, [dict(zip(asked.names, row, strict=True)) for row in asked.few or ()], by_ids=by_ids)
        return chosen(con, self._relation(con, known, reader.table_of(known, items)), asked)

    def asked_at_once(self, resource: str) -> int:
        """As many as are not better read with the whole list; 0 unless the map says ``late_lists: true``."""
        known = self._known(resource)
        by_ids = bool(known.ids_param) and len(known.key) == 1
        return FEW * (known.ids_size if by_ids else 1) if known.late_lists else 0

    def scan_since(self, con: duckdb.DuckDBPyConnection, resource: str, moment: str) -> str | None:
        """As ``scan``, but only rows the API says were changed since; ``None`` where the map names no parameter for that."""
        known = self._known(resource)
        return self._scan(con, known, [(known.updated_since, moment)]) if known.updated_since else None

    def reading_seconds(self, resource: str) -> float:
        """Of the last whole reading, with the pause in it when it broke and went on."""
        return self._opened()[1].took.get(resource, 0.0)

    def older_seconds(self, resource: str) -> float:
        """Of a list that was gone on with."""
        return self._opened()[1].older.get(resource, 0.0)

    def holds(self, resource: str, rows: int) -> bool:
        """Never so many that reading them twice is a small price, which the direct way of a first load may ask for: each page costs."""
        return False

    def keep_in(self, folder: Path) -> None:
        """What is read of long lists stays in this folder until they are read."""
        self._place = folder
        clear_old(folder)

    def read_under(self, resource: str, holder: str, mark: str) -> None:
        """Go on with what was read for the holder under the same mark, and keep under it what is read now; without a mark no more."""
        if mark:
            self._marks[resource] = (holder, mark)
            self._opened()[1].older.pop(resource, None)
        else:
            self._marks.pop(resource, None)

    def create(self, resource: str, columns: Mapping[str, CanonicalType], key: Sequence[str]) -> None:
        """An API cannot be given a new collection: one that the map does not declare is taken to be there under its own name."""
        given = self._declared.get(resource)
        if given is None:
            made = Resource(resource, key=tuple(key), columns={name: str(type_) for name, type_ in columns.items()})
            self._declared[resource] = resource_options(self.system, made)
        elif set(given.key) != set(key):
            what = f"system '{self.system.name}', resource '{resource}': its key is {', '.join(given.key)}, not {', '.join(key)}."
            raise UsageError(what, place=self.system.place, expected="Map the key fields of the entity to the key of the resource.")

    def apply(self, batch: ChangeBatch) -> ApplyResult:
        """Row by row, each under the condition that the API still holds what was expected; there is no transaction around them."""
        resource = self._known(batch.resource)
        if set(batch.key) != set(resource.key):
            raise UnknownName(
                "key", ", ".join(batch.key), [", ".join(resource.key)], holder=f"the batch for '{self.system.name}.{batch.resource}'"
            )
        client, reader = self._opened()
        # What was read before this is no more how the API stands, and this run reads it anew.
        reader.forget(resource)
        holder, mark = self._marks.pop(resource.name, ("", ""))
        if self._place is not None and mark:
            drop_kept(Keep(self._place, holder, mark), self.options, resource)

        def listed() -> set[tuple[str | None, ...]]:
            table = reader.read(resource, self._spool)
            return set(zip(*(table.column(name).to_pylist() for name in resource.key), strict=True))

        with borrowed_duck() as con:
            return write(con, client, reader, resource, batch, listed)

    def close(self) -> None:
        """Close the connections; what was read for this process alone goes, what was learned of the columns stays."""
        with self._lock:
            if self._client is not None:
                self._client.close()
            if self._passing is not None:
                self._passing.remove()
            self._client = self._reader = self._passing = None

    def _opened(self) -> tuple[Client, Reader]:
        with self._lock:
            if self._client is None or self._reader is None:
                self._client = Client(self.options)
                self._reader = Reader(self._client, self._columns, self._kinds)
            return self._client, self._reader

    def _spool(self) -> Path:
        with self._lock:
            if self._passing is None:
                self._passing = Passing(self._place)
            return self._passing.folder

    def _known(self, resource: str) -> RestResource:
        if resource not in self._declared:
            raise UnknownName("resource", resource, self._declared, place=self.system.place, holder=f"system '{self.system.name}'")
        return self._declared[resource]

    def _scan(self, con: duckdb.DuckDBPyConnection, resource: RestResource, params: Sequence[tuple[str, str]]) -> str:
        holder, mark = self._marks.get(resource.name, ("", ""))
        keep = Keep(self._place, holder, mark) if self._place is not None and mark else None
        return self._relation(con, resource, self._opened()[1].read(resource, self._spool, params, keep))

    @staticmethod
    def _relation(con: duckdb.DuckDBPyConnection, resource: RestResource, rows: pa.Table) -> str:
        number = next(_names)
        table = f"rest_{number}"
        con.register(f"{table}_pages", rows.append_column(_LINE, pa.array(range(rows.num_rows), pa.int64())))
        key, first = ", ".join(map(quote, resource.key)), quote(resource.key[0])
        con.execute(
            f"CREATE TEMP TABLE {table} AS SELECT * EXCLUDE ({_LINE}) FROM {table}_pages "
            f"QUALIFY {first} IS NULL OR row_number() OVER (PARTITION BY {key} ORDER BY {_LINE} DESC) = 1 ORDER BY {_LINE}"
        )
        con.unregister(f"{table}_pages")
        for name in resource.key:
            # Only as a number is a key of numbers one that single rows are asked for by; «007» is no spelling of one.
            same = f"CAST(TRY_CAST({quote(name)} AS BIGINT) AS VARCHAR) = {quote(name)}"
            plain = f"bool_and(coalesce({same}, {quote(name)} IS NULL))"
            if resource.columns.get(name) == "integer" and con.execute(f"SELECT {plain} FROM {table}").fetchall() != [(False,)]:
                con.execute(f"ALTER TABLE {table} ALTER {quote(name)} TYPE BIGINT")
        texts = [row[0] for row in con.execute(f"DESCRIBE {table}").fetchall() if row[1] == "VARCHAR"]
        if more := flags(con, table, texts):
            con.execute(f"CREATE TEMP VIEW {table}_told AS SELECT *, {', '.join(more)} FROM {table}")
        return f"{table}_told" if more else table

    def _by_key(self, resource: RestResource, keys: Sequence[Mapping[str, str]], *, by_ids: bool) -> list[dict[str, Any]]:
        reader = self._opened()[1]
        with ThreadPoolExecutor(max_workers=self.options.concurrency, thread_name_prefix="accord-rest") as pool:
            if by_ids:
                ids = [key[resource.key[0]] for key in keys]
                plain = [value for value in ids if "," not in value]
                parts = [plain[at : at + resource.ids_size] for at in range(0, len(plain), resource.ids_size)]
                found = [item for items in pool.map(lambda part: reader.by_ids(resource, part), parts) for item in items]
                keys = [{resource.key[0]: value} for value in ids if "," in value]
            else:
                found = []
            return found + [one[0] for one in pool.map(lambda key: reader.one(resource, key), keys) if one is not None]

    def _describe_one(self, resource: RestResource) -> ResourceDescription:
        reader = self._opened()[1]
        count = reader.count(resource)
        if count is None:
            with borrowed_duck() as con:
                found = con.execute(f"SELECT count(*) FROM {self._scan(con, resource, ())}").fetchone()
                count = int(found[0]) if found else 0
        columns = tuple(
            ColumnDescription(name, "json", CanonicalType.parse(resource.columns.get(name, "text"))) for name in reader.known(resource)
        )
        writable = any((resource.create, resource.update, resource.delete))
        return ResourceDescription(resource.name, columns, key=resource.key, row_count=count, writable=writable)
