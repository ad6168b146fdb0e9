"""What all folders of files have in common: a resource is a file, a change is a new file in its place."""

from __future__ import annotations

import itertools
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import duckdb

from accord.connectors.decide import ROW, Staged, decide, result, stage
from accord.connectors.duck import borrowed_duck
from accord.connectors.file_merge import LINE, changes_anything, match, merge, misfits
from accord.connectors.files import Stamp, existing_file, folder_lock, last_written, passable, read_stable, replace_file, written_earlier
from accord.connectors.protocol import ApplyResult, ChangeBatch
from accord.connectors.types import quote
from accord.connectors.unreadable import is_flag
from accord.model.errors import SystemUnreachable, UnknownName, UsageError
from accord.model.system import ColumnDescription, Resource, ResourceDescription, System, SystemDescription
from accord.model.types import CanonicalType

_names = itertools.count(1)
_STILL_NS = 2_500_000_000  # after so long without a write, the next one has another time stamp
WIDENED = dict.fromkeys(("TINYINT", "SMALLINT", "INTEGER", "UTINYINT", "USMALLINT", "UINTEGER"), "BIGINT") | {"FLOAT": "DOUBLE"}


class Folder(ABC):
    """A folder with one file per resource; the formats say how a file is read into DuckDB and written from it."""

    endings: tuple[str, ...]
    kind: ClassVar[str]
    open_columns = False  # whether a row may have columns that no other row has

    def __init__(self, system: System, *, base: Path) -> None:
        self.system = system
        self.place = self.folder = (base / system.at).absolute()
        self._made: dict[Path, tuple[str, ...]] = {}  # columns of files made by us, for formats that cannot say them without rows

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.folder)!r})"

    @abstractmethod
    def load(self, con: duckdb.DuckDBPyConnection, resource: str, path: Path, table: str) -> None:
        """Make the temporary table with the file's rows and their order in the integer column ``_accord_line``, from 1."""

    @abstractmethod
    def save(self, con: duckdb.DuckDBPyConnection, source: Path, target: Path, staged: Staged) -> None:
        """Write the rows of table ``merged``, ordered by ``_accord_line``, to ``target``; ``source`` is the file they came from."""

    @abstractmethod
    def make(self, path: Path, columns: Mapping[str, CanonicalType]) -> None:
        """Write a file with these columns and no rows."""

    def columns(self, con: duckdb.DuckDBPyConnection, table: str, resource: str) -> tuple[ColumnDescription, ...]:
        """Columns as declared in the map, else by the format."""
        given = self._resource(resource).columns
        found = [row[0] for row in con.execute(f"DESCRIBE {table}").fetchall() if row[0] != LINE and not is_flag(row[0])]
        return tuple(ColumnDescription(name, "text", CanonicalType.parse(given.get(name, "text"))) for name in found)

    def compared(self, con: duckdb.DuckDBPyConnection, table: str, batch: ChangeBatch) -> dict[str, CanonicalType]:
        """The columns of the file, and as what the values of each are compared with those of a batch."""
        return {c.name: c.type for c in self.columns(con, table, batch.resource)}

    def refusals(self, con: duckdb.DuckDBPyConnection, staged: Staged) -> dict[int, str]:
        """Rows of the batch that this format cannot hold, each with the reason."""
        return misfits(con, staged)

    def describe(self) -> SystemDescription:
        """Each file with its columns, exact row count and whether it may be replaced."""
        start = time.perf_counter()
        with borrowed_duck(threads=2) as con:
            found = tuple(self._describe_one(con, name) for name in self._resources())
        return SystemDescription(self.system.name, self.kind, found, (time.perf_counter() - start) * 1000)

    def scan(self, con: duckdb.DuckDBPyConnection, resource: str) -> str:
        """Read the whole file into a temporary table; again when it was written meanwhile."""
        number = next(_names)
        table, view = f"file_{number}", f"file_{number}_rows"
        self._load(con, resource, table)
        found = [row[:2] for row in con.execute(f"DESCRIBE {table}").fetchall() if row[0] != LINE]
        columns = [f"CAST({quote(name)} AS {WIDENED[kind]}) AS {quote(name)}" if kind in WIDENED else quote(name) for name, kind in found]
        con.execute(f"CREATE TEMP VIEW {view} AS SELECT {', '.join(columns) or LINE} FROM {table}")
        return view

    def change_token(self, resource: str) -> str | None:
        """Identity, size and times of the file.

        Sound because every write and every replacement moves the inode's change time, which no program can set, and because a file
        written in the last moments has no token: within one step of the file system's clock (up to two seconds) another write could
        leave all of these as they are.
        """
        path = self._path(resource)
        if not path.is_file():  # a pipe would wait for its writer
            return None
        try:
            with path.open("rb") as file:  # a network file system says the present state of a file only when it is opened
                status = os.fstat(file.fileno())
        except OSError:
            return None
        if time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) < _STILL_NS:
            return None
        return f"{path}.{status.st_dev}.{status.st_ino}.{status.st_size}.{status.st_mtime_ns}.{status.st_ctime_ns}"

    def reached(self, resource: str) -> str | None:
        """When the file was last written."""
        return last_written(self._path(resource))

    def set_back(self, resource: str, before: str, now: str, *, written: bool) -> str:
        """By the time of the file, which many programs keep that put a backup in its place."""
        return written_earlier(before, now)

    def create(self, resource: str, columns: Mapping[str, CanonicalType], key: Sequence[str]) -> None:
        """Make the file, and the folder when it is not there."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self._path(resource)
        self._made[path] = tuple(columns)
        if not path.exists():
            replace_file(path, self.system.name, lambda aside: self.make(aside, columns), expected=None)

    def apply(self, batch: ChangeBatch) -> ApplyResult:
        """Write the changed rows into a copy of the file and put it in the file's place; unchanged rows stay as they are."""
        with borrowed_duck(threads=2) as con, folder_lock(self._existing_folder()):
            stamp = self._load(con, batch.resource, "current_rows")
            known = self.compared(con, "current_rows", batch)
            for name in (*batch.key, *batch.columns):
                if name not in known and not self.open_columns:
                    raise UnknownName("column", name, known, holder=f"the batch for '{self.system.name}.{batch.resource}'")
            staged = stage(con, batch, known)
            match(con, staged)
            decide(con, staged, "matches")
            refusals = self.refusals(con, staged)
            con.executemany(f"UPDATE verdict SET outcome = 'refused' WHERE {ROW} = ?", [[row] for row in refusals]) if refusals else None
            if changes_anything(con):
                merge(con, staged)
                path = self._path(batch.resource)
                replace_file(path, self.system.name, lambda aside: self.save(con, path, aside, staged), expected=stamp)
            return result(con, batch, refusals)

    def close(self) -> None:  # noqa: B027  # an empty method is meant: the formats have nothing to close either
        """Nothing is held open between calls."""

    def _load(self, con: duckdb.DuckDBPyConnection, resource: str, table: str) -> Stamp:
        path = self._existing(resource)

        def read() -> None:
            con.execute(f"DROP TABLE IF EXISTS {table}")
            self.load(con, resource, path, table)

        return read_stable(path, self.system.name, read)[1]

    def _resource(self, name: str) -> Resource:
        return self.system.resources.get(name) or Resource(name)

    def _path(self, resource: str) -> Path:
        given = self._resource(resource).path
        if not (self.folder / (given or resource)).resolve().is_relative_to(self.folder.resolve()):
            what = f"system '{self.system.name}': resource '{given or resource}' leads out of its folder {self.folder}."
            raise UsageError(what, place=self.system.place, expected="Expected a file inside the folder that 'at:' names.")
        if given:
            return self.folder / given
        for ending in self.endings:
            if passable(self.folder / f"{resource}{ending}", self.system.name).exists():
                return self.folder / f"{resource}{ending}"
        return self.folder / f"{resource}{self.endings[0]}"

    def _existing_folder(self) -> Path:
        if not passable(self.folder, self.system.name).exists():
            raise SystemUnreachable(self.system.name, str(self.folder), "there is no such folder", "Correct 'at:' in the map, or make it.")
        if not self.folder.is_dir():
            raise SystemUnreachable(self.system.name, str(self.folder), "it is a file, not a folder")
        if not os.access(self.folder, os.R_OK | os.X_OK):
            raise SystemUnreachable(self.system.name, str(self.folder), "it may not be read", "Give this user the right to read it.")
        return self.folder

    def _existing(self, resource: str) -> Path:
        folder = self._existing_folder()
        path = self._path(resource)
        if path.resolve().is_relative_to(folder.resolve()) and path.exists():
            return existing_file(path, self.system.name)
        raise UnknownName("resource", resource, self._resources(), place=self.system.place, holder=f"system '{self.system.name}'")

    def _resources(self) -> list[str]:
        folder = self._existing_folder()
        named = {r.path: r.name for r in self.system.resources.values() if r.path}
        files = sorted(p for p in folder.iterdir() if p.is_file() and p.name.lower().endswith(self.endings) and not p.name.startswith("."))
        inside = folder.resolve()
        files = [p for p in files if p.resolve().is_relative_to(inside)]  # a link that leads out of the folder is none of its files
        nested = [r.name for r in self.system.resources.values() if "/" in r.path and (folder / r.path).is_file()]
        return [named.get(p.name) or next(p.name[: -len(e)] for e in self.endings if p.name.lower().endswith(e)) for p in files] + nested

    def _describe_one(self, con: duckdb.DuckDBPyConnection, resource: str) -> ResourceDescription:
        path = self._existing(resource)
        stamp = self._load(con, resource, "described")
        rows = con.execute("SELECT count(*) FROM described").fetchone()
        return ResourceDescription(
            resource,
            self.columns(con, "described", resource),
            key=self._resource(resource).key,
            row_count=int(rows[0]) if rows else 0,
            writable=os.access(path, os.W_OK) and os.access(path.parent, os.W_OK),
            last_change=stamp.time,
        )
