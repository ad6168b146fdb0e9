"""CSV and Parquet as event logs."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import duckdb

from accord.connectors.types import literal
from accord.measure.logs.parsed import Raw
from accord.model.errors import DataRefused
from accord.model.process import Log


def read_csv(con: duckdb.DuckDBPyConnection, path: Path, log: Log) -> Raw:
    """The rows of a CSV as text, numbered in the order of the file; ``.gz`` is unpacked on the way.

    Raises:
        DataRefused: empty, not UTF-8, a column named twice, or a row of another width, with file and line.
    """
    if len(log.separator) != 1:
        raise DataRefused(f"the separator «{log.separator}» is not one character", str(path), "a single character such as , or ;")
    header = _header(path, log.separator)
    if not header:
        raise DataRefused("the file is empty", str(path), "a line with the names of the columns, then one line per event")
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise DataRefused(f"the column '{twice[0]}' stands twice in the first line", f"{path}:1", "each column once")
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in header)
    options = (
        f"columns = {{{columns}}}, auto_detect = false, header = true, delim = {literal(log.separator)}, quote = '\"', escape = '\"', "
        "strict_mode = true, null_padding = false, nullstr = '', encoding = 'utf-8', max_line_size = 16777216"
    )
    con.execute(f"CREATE OR REPLACE TEMP TABLE raw AS SELECT row_number() OVER () AS seq, * FROM read_csv({literal(str(path))}, {options})")
    return Raw("raw", dict.fromkeys(header, "VARCHAR"), log)


def read_parquet(con: duckdb.DuckDBPyConnection, path: Path, log: Log) -> Raw:
    """The rows of a Parquet file in their own types, numbered in the order of the file."""
    types = {
        str(name): str(kind) for name, kind, *_ in con.execute(f"DESCRIBE SELECT * FROM read_parquet({literal(str(path))})").fetchall()
    }
    con.execute(
        "CREATE OR REPLACE TEMP VIEW raw AS SELECT file_row_number + 1 AS seq, * EXCLUDE (file_row_number) "
        f"FROM read_parquet({literal(str(path))}, file_row_number = true)"
    )
    return Raw("raw", types, log)


def lines_of(path: Path, separator: str, rows: Sequence[int]) -> dict[int, int]:
    """Row of a CSV (from 1, without the header): the line it begins on. Read a second time, only when rows must be named."""
    wanted, found, last = set(rows), {}, max(rows, default=0)
    with _text(path) as lines:
        reader = csv.reader(lines, delimiter=separator)
        before = 0
        row = -1
        for fields in reader:
            if fields:
                row += 1
                if row in wanted:
                    found[row] = before + 1
            before = reader.line_num
            if row >= last:
                break
    return found


def _header(path: Path, separator: str) -> list[str]:
    try:
        with _text(path) as lines:
            return next(csv.reader(lines, delimiter=separator), [])
    except UnicodeDecodeError as error:
        raise DataRefused(f"byte {error.start} is no UTF-8", str(path), "a file in UTF-8") from error
    except (EOFError, gzip.BadGzipFile) as error:
        raise DataRefused(f"the packed file cannot be unpacked ({error})", str(path), "a whole .gz file") from error


@contextmanager
def _text(path: Path) -> Iterator[IO[str]]:
    if path.suffix == ".gz":
        with gzip.open(path, "rt", encoding="utf-8-sig", newline="") as unpacked:
            yield unpacked
    else:
        with path.open(encoding="utf-8-sig", newline="") as plain:
            yield plain
