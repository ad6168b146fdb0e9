"""CSV and Parquet as event logs."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import duckdb

from accord.connectors.column_names import checked
from accord.connectors.csv_folder import refusal
from accord.connectors.types import literal, path_literal
from accord.measure.logs.parsed import Raw
from accord.model.errors import DataRefused, UsageError
from accord.model.process import Log


def read_csv(con: duckdb.DuckDBPyConnection, path: Path, log: Log) -> Raw:
    """The rows of a CSV as text, numbered in the order of the file; ``.gz`` is unpacked on the way.

    Raises:
        DataRefused: empty, not UTF-8, a column named twice, or a row of another width, with file and line.
    """
    if len(log.separator) != 1 or log.separator in '"\r\n':
        what = f"separator «{log.separator}» is not one character that can part values."
        raise UsageError(f"log '{log.name}': {what}", place=log.place, expected="Expected a single character such as , or ;")
    header = _header(path, log.separator)
    if not header:
        raise DataRefused("the file is empty", str(path), "a line with the names of the columns, then one line per event")
    named = [name or f"column{position}" for position, name in enumerate(header, 1)]
    header = checked(named, f"{path}:1", expected="each column once")
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in header)
    options = (
        f"columns = {{{columns}}}, auto_detect = false, header = true, delim = {literal(log.separator)}, quote = '\"', escape = '\"', "
        "strict_mode = true, null_padding = false, nullstr = '', encoding = 'utf-8', max_line_size = 16777216"
    )
    query = f"CREATE OR REPLACE TEMP TABLE raw AS SELECT row_number() OVER () AS seq, * FROM read_csv({path_literal(path)}, {options})"
    try:
        con.execute(query)
    except duckdb.Error as error:
        raise refusal(path, str(error), len(header)) from error
    return Raw("raw", dict.fromkeys(header, "VARCHAR"), log)


def read_parquet(con: duckdb.DuckDBPyConnection, path: Path, log: Log) -> Raw:
    """The rows of a Parquet file in their own types, numbered in the order of the file."""
    types = {
        str(name): str(kind) for name, kind, *_ in con.execute(f"DESCRIBE SELECT * FROM read_parquet({path_literal(path)})").fetchall()
    }
    con.execute(
        "CREATE OR REPLACE TEMP VIEW raw AS SELECT file_row_number + 1 AS seq, * EXCLUDE (file_row_number) "
        f"FROM read_parquet({path_literal(path)}, file_row_number = true)"
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
            header = next(csv.reader(lines, delimiter=separator), [])
            while path.suffix == ".gz" and lines.read(1 << 20):
                pass  # a packed file that was cut off shows it at its end only, and what is read of it looks whole
            return header
    except UnicodeDecodeError as error:
        raise DataRefused(f"byte {error.start} is no UTF-8", str(path), "a file in UTF-8") from error
    except csv.Error as error:
        raise DataRefused(f"the first line cannot be read ({error})", f"{path}:1", "the names of the columns") from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataRefused(f"the packed file cannot be unpacked ({error})", str(path), "a whole .gz file") from error


@contextmanager
def _text(path: Path) -> Iterator[IO[str]]:
    if path.suffix == ".gz":
        with gzip.open(path, "rt", encoding="utf-8-sig", newline="") as unpacked:
            yield unpacked
    else:
        with path.open(encoding="utf-8-sig", newline="") as plain:
            yield plain
