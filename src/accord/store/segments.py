"""Segments: bulk data as Parquet files named by the SHA-256 of their bytes.

A segment is written aside, synced and renamed, so under its name there is all of it or nothing. It counts only once an event names
it; a crash between the two leaves a file nobody refers to, which ``collect`` removes.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from uuid import uuid4

import duckdb
import pyarrow as pa

from accord.model.errors import DataRefused, SystemUnreachable, UsageError
from accord.store.aside import ASIDE, aside, clear_dead
from accord.store.batches import write_batches
from accord.store.database import quote
from accord.store.room import no_room

ROW_GROUP = 122_880  # rows; what DuckDB reads as one unit of work
# As small as with zstd as DuckDB has it, at half the cost of writing: values are told as differences, and a dictionary is given up early.
_FORM = "COMPRESSION snappy, PARQUET_VERSION V2, DICTIONARY_SIZE_LIMIT 500"
_SUFFIX = ".parquet"
_TODO = "Give a folder for segments that can be written to."
_HEX = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class Segment:
    """A written segment: name (SHA-256 in hexadecimal), rows and size in bytes."""

    sha: str
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True)
class SegmentFault:
    """A segment that is not there, or no longer holds what it was written with."""

    sha: str
    fault: Literal["missing", "corrupt"]


class SegmentFolder:
    """The folder that holds the segments of one store."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._cleared = False

    def write(self, table: pa.Table) -> Segment:
        """Write a table; equal tables, however chunked, give the same bytes and so the same segment.

        Dictionary-encoded columns are written as the values they stand for; schema metadata is not kept.
        """
        import pyarrow.parquet as pq  # here, because it takes long to load and most segments are written by DuckDB

        plain = _plain(table)

        def fill(path: Path) -> int:
            pq.write_table(plain, path, row_group_size=ROW_GROUP, compression="zstd", version="2.6")
            return int(plain.num_rows)

        return self._write(fill)

    def write_from(self, con: duckdb.DuckDBPyConnection, sql: str) -> Segment:
        """Write the result of a query without holding it in memory.

        A query with a total ORDER BY gives the same bytes for the same rows, whatever the plan and the number of threads. HUGEINT,
        which Parquet does not have, is written as DECIMAL(38, 0), which holds what a sum of integers can be.
        """

        def fill(path: Path) -> int:
            target = "'" + str(path).replace("'", "''") + "'"
            # A line of its own for the bracket: the query may end in a comment.
            con.execute(f"COPY ({_exact(con, sql)}\n) TO {target} (FORMAT parquet, {_FORM}, ROW_GROUP_SIZE {ROW_GROUP})")
            counted = con.fetchone()
            return int(counted[0]) if counted else 0

        return self._write(fill)

    def write_batches(self, batches: pa.RecordBatchReader, told: Collection[str]) -> Segment:
        """Write rows as they come, at half of the cost of ``write_from``; for ``told`` see ``batches``."""
        return self._write(lambda path: write_batches(path, batches, told))

    def path(self, sha: str) -> Path:
        """The file of a segment.

        Raises:
            UsageError: this is no name of a segment.
            DataRefused: there is no such segment, or the file was cut or overwritten.
        """
        path = self._named(sha)
        if not path.is_file():
            raise DataRefused("the segment is missing", str(path), "a file that an event of the log names; restore it from a backup")
        with path.open("rb") as file:
            head = file.read(4)
            file.seek(max(file.seek(0, 2) - 4, 0))
            if not head == file.read(4) == b"PAR1":
                raise DataRefused("the segment is damaged", str(path), "the file as it was written; restore it from a backup")
        return path

    def names(self) -> frozenset[str]:
        """The segments that are there."""
        if not self.folder.is_dir():
            return frozenset()
        return frozenset(path.stem for path in self.folder.iterdir() if path.suffix == _SUFFIX and _is_sha(path.stem))

    def there(self, sha: str) -> bool:
        """Whether there is a file of this name."""
        return self._named(sha).is_file()

    def size(self, sha: str) -> int:
        """Size of a segment in bytes."""
        return self.path(sha).stat().st_size

    def used(self) -> tuple[int, int]:
        """How many segments are there, and how many bytes they take."""
        sizes = []
        for entry in os.scandir(self.folder) if self.folder.is_dir() else ():
            if entry.name.endswith(_SUFFIX):
                with contextlib.suppress(FileNotFoundError):  # a run takes some away meanwhile
                    sizes.append(entry.stat().st_size)
        return len(sizes), sum(sizes)

    def corrupt(self, sha: str) -> bool:
        """Whether the bytes of a segment no longer give its name."""
        return _sha256(self.path(sha)) != sha

    def remove(self, sha: str) -> None:
        """Remove a segment; one that is gone already is fine."""
        self._named(sha).unlink(missing_ok=True)

    def age_seconds(self, sha: str) -> float:
        """Time since a segment was last written."""
        return time.time() - self.path(sha).stat().st_mtime

    def remove_partial(self, older_than_seconds: float) -> int:
        """Remove what interrupted writers left, and return how many files that were."""
        found = [p for p in self.folder.glob(f"{ASIDE}*") if time.time() - p.stat().st_mtime >= older_than_seconds]
        for path in found:
            path.unlink(missing_ok=True)
        return len(found)

    def _named(self, sha: str) -> Path:
        if not _is_sha(sha):
            raise UsageError(f"'{sha}' is no name of a segment.", expected="Expected 64 hexadecimal digits.")
        return self.folder / f"{sha}{_SUFFIX}"

    def _write(self, fill: Callable[[Path], int]) -> Segment:
        partial = self.folder / f"{aside()}{uuid4().hex}"
        with _errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            if not self._cleared:  # once: a killed load may have left gigabytes, and a folder of many segments is slow to list
                clear_dead(self.folder)
                self._cleared = True
            try:
                rows = fill(partial)
                _sync(partial)
                segment = Segment(_sha256(partial), rows, partial.stat().st_size)
                # Also when it is there already: the new copy is known to be whole.
                partial.replace(self._named(segment.sha))
                _sync(self.folder)
            finally:
                with contextlib.suppress(FileNotFoundError):
                    partial.unlink()
        return segment


def _plain(table: pa.Table) -> pa.Table:
    columns, fields = [], []
    for field, column in zip(table.schema, table.columns, strict=True):
        if pa.types.is_dictionary(field.type):
            column = column.cast(field.type.value_type)
        columns.append(column)
        fields.append(pa.field(field.name, column.type, field.nullable))
    return pa.table(columns, schema=pa.schema(fields)).combine_chunks()


def _exact(con: duckdb.DuckDBPyConnection, sql: str) -> str:
    """The query with columns cast that DuckDB would round to DOUBLE when it writes Parquet."""
    described = con.execute(f"DESCRIBE {sql}").fetchall()
    names = [quote(str(name)) for name, type_, *_ in described if type_ in ("HUGEINT", "UHUGEINT")]
    if not names:
        return sql
    return f"SELECT * REPLACE ({', '.join(f'CAST({name} AS DECIMAL(38, 0)) AS {name}' for name in names)}) FROM ({sql}\n)"


def _is_sha(name: str) -> bool:
    return len(name) == 64 and _HEX.issuperset(name)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    """Make a file, or the entries of a folder, survive a power cut."""
    if os.name == "nt" and path.is_dir():
        return  # Windows cannot open folders; its file systems journal renames
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if full := no_room(error, folder):
            raise full from error
        raise SystemUnreachable("store", str(folder), str(error), _TODO) from error
    except duckdb.IOException as error:
        if full := no_room(error, folder):
            raise full from error
        # DuckDB has no error number; the text is the C library's.
        if os.strerror(errno.EACCES) in str(error) or os.strerror(errno.EROFS) in str(error):
            raise SystemUnreachable("store", str(folder), str(error), _TODO) from error
        raise
