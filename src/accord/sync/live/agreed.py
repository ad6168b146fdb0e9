"""What is agreed, by key, in a temporary file beside no one: rebuilt from the store's segments, kept up by what is applied."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from accord.connectors.types import literal, quote
from accord.model.entity import Entity
from accord.store import Store
from accord.store.folding import REMOVED, columns_in, folded, is_change
from accord.sync.cycle import storage_type

Values = list[str | None]
_PAGES = -16_384  # 16 MiB of cache, whatever the table's size
_FETCH = 10_000


@dataclass(slots=True)
class Known:
    """What is agreed about a key: values as text in the order of the entity's fields; ``sides`` by binding."""

    golden: Values | None = None
    sides: dict[str, Values] = field(default_factory=dict)
    settled: bool = True


class Agreed:
    """The agreed rows of one flow. The file is nameless and gone with the process; memory does not grow with the table."""

    def __init__(self, entity: Entity, bindings: Sequence[str]) -> None:
        self._entity, self._roles = entity, ["golden", *(f"base:{name}" for name in bindings)]
        self._places = f"role IN ({', '.join(map(str, range(len(self._roles))))})"
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.execute(f"PRAGMA cache_size = {_PAGES}")
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute("PRAGMA synchronous = OFF")  # it is made anew after a crash
        self._db.execute("CREATE TABLE agreed (role INTEGER, key TEXT, body TEXT, PRIMARY KEY (role, key)) WITHOUT ROWID")
        self._db.execute("CREATE TABLE apart (key TEXT PRIMARY KEY)")
        self._db.execute("BEGIN")  # for good: nobody else reads the file, and nothing of it is to be kept
        self._loaded: dict[str, tuple[str, ...]] = {}
        self._rows: int | None = None  # counted when it is asked for
        self._some_apart = False

    def load(self, con: duckdb.DuckDBPyConnection, store: Store, flow: str) -> None:
        """Bring it to the flow's present state; only segments that came since are read."""
        state = store.flow_state(flow)
        self._rows = None
        for number, role in enumerate(self._roles):
            shas, before = state.get(role, ()), self._loaded.get(role, ())
            if shas == before:
                continue
            added = shas[len(before) :]
            paths = [store.read_segment(sha) for sha in shas]
            newer = [store.read_segment(sha) for sha in added]
            if before and shas[: len(before)] == before and all(map(is_change, newer)):
                for path in newer:
                    self._take(con, number, f"SELECT * FROM read_parquet({literal(str(path))})", [path], changes=True)
            else:
                self._db.execute("DELETE FROM agreed WHERE role = ?", (number,))
                if paths:
                    self._take(con, number, folded(paths, self._entity.key), paths, changes=False)
            self._loaded[role] = shas
        self._db.execute("DELETE FROM apart")
        for role in ("quarantine", "held", "open"):
            for sha in state.get(role, ()):
                self._set_apart(con, store.read_segment(sha), role)
        self._some_apart = self._db.execute("SELECT 1 FROM apart LIMIT 1").fetchone() is not None

    def _take(self, con: duckdb.DuckDBPyConnection, role: int, rows: str, paths: Sequence[Path], *, changes: bool) -> None:
        there = {str(row[0]) for row in con.execute(f"DESCRIBE {rows}").fetchall()}
        values = ", ".join(_text(self._entity, f, f in there) for f in self._entity.fields)
        key = ", ".join(f"CAST({quote(k)} AS VARCHAR)" for k in self._entity.key)
        settled = "coalesce(_settled, false) AND NOT coalesce(_gone, false)" if role else "true"
        dropped = REMOVED if changes else "false"
        query = (
            f"SELECT {role}, CAST(to_json([{key}]) AS VARCHAR), CASE WHEN NOT {dropped} THEN "
            f"CAST(to_json([CASE WHEN {settled} THEN '1' END, {values}]) AS VARCHAR) END FROM ({rows})"
        )
        found = con.execute(query)
        while part := found.fetchmany(_FETCH):
            self._db.executemany("INSERT OR REPLACE INTO agreed VALUES (?, ?, ?)", part)
        self._db.execute("DELETE FROM agreed WHERE body IS NULL")

    def _set_apart(self, con: duckdb.DuckDBPyConnection, path: Path, role: str) -> None:
        source = f"read_parquet({literal(str(path))})"
        keys = self._entity.key
        if role == "open":
            listed = ", ".join(f"CAST({quote(k)} AS VARCHAR)" for k in keys)
        else:
            listed = ", ".join(f"json_extract_string(key, {literal('$.' + json.dumps(k))})" for k in keys)
        if role == "quarantine" and "keeps" in columns_in(path):
            source = f"(SELECT key FROM {source} UNION SELECT unnest(keeps) FROM {source})"
        query = f"SELECT DISTINCT CAST(to_json([{listed}]) AS VARCHAR) FROM {source}" + ("" if role == "open" else " WHERE key IS NOT NULL")
        found = con.execute(query)
        while part := found.fetchmany(_FETCH):
            self._db.executemany("INSERT OR IGNORE INTO apart VALUES (?)", part)

    def of(self, key: Sequence[str]) -> Known | None:
        """What is agreed about a key, ``None`` when nothing is; a key that waits for something else is not settled."""
        packed = pack(key)
        rows = self._db.execute(f"SELECT role, body FROM agreed WHERE {self._places} AND key = ?", (packed,)).fetchall()
        apart = self._some_apart and self._db.execute("SELECT 1 FROM apart WHERE key = ?", (packed,)).fetchone() is not None
        if not rows:
            return Known(settled=False) if apart else None
        known = Known(settled=not apart)
        for role, body in rows:
            settled, *values = json.loads(body)
            known.settled = known.settled and settled is not None
            if role == 0:
                known.golden = values
            else:
                known.sides[self._roles[role].removeprefix("base:")] = values
        return known

    def put(self, key: Sequence[str], golden: Values, sides: Mapping[str, Values], *, new: bool) -> None:
        """Agree on a row."""
        packed = pack(key)
        if new and self._rows is not None:
            self._rows += 1
        rows = [(0, packed, json.dumps(["1", *golden]))]
        rows += [(self._roles.index(f"base:{name}"), packed, json.dumps(["1", *values])) for name, values in sides.items()]
        self._db.executemany("INSERT OR REPLACE INTO agreed VALUES (?, ?, ?)", rows)

    def drop(self, key: Sequence[str]) -> None:
        """Agree that a row is gone."""
        self._db.execute(f"DELETE FROM agreed WHERE {self._places} AND key = ?", (pack(key),))
        if self._rows is not None:
            self._rows -= 1

    def rows(self) -> int:
        """How many rows are agreed."""
        if self._rows is None:
            self._rows = int(self._db.execute("SELECT count(*) FROM agreed WHERE role = 0").fetchone()[0])
        return self._rows

    def filled(self, field: str) -> int:
        """How many agreed rows have a value of a field; looks at each of them."""
        place = f"$[{1 + list(self._entity.fields).index(field)}]"
        query = "SELECT count(*) FROM agreed WHERE role = 0 AND coalesce(json_extract(body, ?), '') <> ''"
        return int(self._db.execute(query, (place,)).fetchone()[0])

    def close(self) -> None:
        """Forget everything."""
        self._db.close()


def pack(key: Sequence[str]) -> str:
    """The key as DuckDB's ``to_json`` writes it."""
    return json.dumps(list(key), ensure_ascii=False, separators=(",", ":"))


def _text(entity: Entity, name: str, there: bool) -> str:
    return f"CAST(TRY_CAST({quote(name)} AS {storage_type(entity, name)}) AS VARCHAR)" if there else "CAST(NULL AS VARCHAR)"
