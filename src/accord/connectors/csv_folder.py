"""A folder of CSV files: every value is text, an unquoted nothing is null and a quoted one an empty text."""

from __future__ import annotations

import codecs
import csv
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import duckdb
import pyarrow as pa

from accord.connectors.column_names import RESERVED, checked
from accord.connectors.csv_lines import PLACE, Dialect, begins_with_mark, copy_with_places, line_ending, without_last_ending
from accord.connectors.decide import ROW, Staged
from accord.connectors.duck import borrowed_duck
from accord.connectors.file_merge import LINE
from accord.connectors.files import folder_lock, replace_file
from accord.connectors.folder import Folder
from accord.connectors.protocol import Capabilities, KnownOptions
from accord.connectors.types import literal, path_literal, quote
from accord.connectors.unreadable import BROKEN, WHY_BROKEN, flags, is_flag, restored
from accord.model.errors import DataRefused, UsageError
from accord.model.types import CanonicalType

_LINE_OF_ERROR = re.compile(r"CSV Error on Line: (\d+)")
_COLUMN_COUNT = re.compile(r"Expected Number of Columns: (\d+) Found: (\d+)")
_ENCODINGS = {"utf-8": "utf-8", "utf-16": "utf-16", "latin-1": "latin-1"}
_MAX_LINE_BYTES = 16_000_000
_SEPARATORS = (";", "\t", "|", ",")
NOT_UTF8 = "bytes that are not UTF-8"


class CsvConnector(Folder):
    """CSV as RFC 4180 has it, with a header line.

    Options: ``separator`` (default a comma), ``quote`` (default "), ``encoding`` (utf-8, utf-16 or latin-1; files are written back in
    UTF-8, so only UTF-8 files are writable).
    """

    kind: ClassVar[str] = "csv"
    capabilities: ClassVar[Capabilities] = Capabilities(formats=("csv",))
    known_options: ClassVar[KnownOptions] = KnownOptions({"separator": (), "quote": (), "encoding": ()}, {})
    endings = (".csv", ".tsv")

    @property
    def _separator(self) -> str:
        given = self.system.options.get("separator", ",").replace("\\t", "\t")
        if len(given) != 1:
            raise UsageError(f"system '{self.system.name}': separator '{given}' is not one character.", place=self.system.place)
        return given

    @property
    def _quote(self) -> str:
        return self.system.options.get("quote", '"')

    @property
    def _encoding(self) -> str:
        given = self.system.options.get("encoding", "utf-8").lower()
        if given not in _ENCODINGS:
            what = f"system '{self.system.name}': encoding '{given}' is not known."
            raise UsageError(what, place=self.system.place, expected=f"Known: {', '.join(_ENCODINGS)}.")
        return given

    def load(self, con: duckdb.DuckDBPyConnection, resource: str, path: Path, table: str) -> None:
        """Read all of it as text; a line with another number of columns than the header is kept apart (``unreadable.BROKEN``)."""
        header = self._header(path)
        try:
            if any(sign in name for name in header for sign in "\r\n"):
                self._read_apart(con, path, header, table)
                return
        except (csv.Error, UnicodeError) as error:
            what, expected = f"it breaks the rules of CSV ({error})", f"CSV as in RFC 4180, in {self._encoding}"
            raise DataRefused(what, str(path), expected) from error
        try:
            self._read(con, path, header, table, self._encoding)
        except duckdb.Error as error:
            refused = refusal(path, str(error), len(header))
            if not (refused.what.endswith(" columns") or (refused.what == NOT_UTF8 and self._encoding == "utf-8")):
                raise refused from error
            con.execute(f"DROP TABLE IF EXISTS {table}")
            try:
                self._read_apart(con, path, header, table)
            except (csv.Error, UnicodeError):
                raise refused from error

    def _read_apart(self, con: duckdb.DuckDBPyConnection, path: Path, header: list[str], table: str) -> None:
        """Read a file in which some bytes are no text, or some lines no rows: each with its own."""
        dialect = Dialect(self._encoding, self._separator, self._quote)
        with tempfile.TemporaryDirectory(prefix="accord-") as folder:
            copy = Path(folder) / path.name
            broken = copy_with_places(path, copy, dialect, len(header), _MAX_LINE_BYTES)
            try:
                self._read(con, copy, header, "marked", "utf-8")
            except duckdb.Error as error:
                raise refusal(path, str(error), len(header)) from error
        if broken:
            first, lines = quote(header[0]), [[place, *line] for place, line in broken.items()]
            con.register("broken_lines", pa.table(dict(zip(("place", BROKEN, WHY_BROKEN), zip(*lines, strict=True), strict=True))))
            con.execute(f"""
                CREATE OR REPLACE TEMP TABLE marked AS
                SELECT m.* REPLACE (CASE WHEN b.place IS NULL THEN m.{first} END AS {first}), b.{BROKEN}, b.{WHY_BROKEN}
                FROM marked m LEFT JOIN broken_lines b ON m.{first} = b.place""")
            con.unregister("broken_lines")
        more = "".join(f", {sql}" for sql in flags(con, "marked", header))
        con.execute(f"CREATE TEMP TABLE {table} AS SELECT *{more} FROM marked ORDER BY {LINE}")
        con.execute("DROP TABLE marked")

    def _read(self, con: duckdb.DuckDBPyConnection, path: Path, header: list[str], table: str, encoding: str) -> None:
        names = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in header)
        query = f"""
            CREATE TEMP TABLE {table} AS SELECT row_number() OVER () AS {LINE}, *
            FROM read_csv({path_literal(path)}, auto_detect=false, header=true, columns={{{names}}}, delim={literal(self._separator)},
                quote={literal(self._quote)}, escape={literal(self._quote)}, nullstr='', allow_quoted_nulls=false, strict_mode=true,
                null_padding=false, ignore_errors=false, encoding={literal(_ENCODINGS[encoding])}, max_line_size={_MAX_LINE_BYTES})"""
        con.execute(query)

    def save(self, con: duckdb.DuckDBPyConnection, source: Path, target: Path, staged: Staged) -> None:
        """Write all rows with the columns in the file's order."""
        self._write(con, source, target)

    def refusals(self, con: duckdb.DuckDBPyConnection, staged: Staged) -> dict[int, str]:
        """Rows whose line could not be read again."""
        refused = super().refusals(con, staged)
        names = dict.fromkeys((*staged.batch.key, *staged.batch.columns))
        others = [str(row[0]) for row in con.execute("DESCRIBE current_rows").fetchall() if row[0] not in names and row[0] != LINE]
        if _largest(con, "given", _at_most(names)) + _largest(con, "current_rows", _at_most(others)) <= _MAX_LINE_BYTES:
            return refused  # as nearly always, and told without counting quotes
        room = _MAX_LINE_BYTES - _largest(con, "current_rows", self._bytes(others))
        reason = f"its line would be longer than {_MAX_LINE_BYTES:,} bytes"
        found = con.execute(f"SELECT {ROW} FROM given WHERE {self._bytes(names)} > {room}").fetchall()
        return refused | {row: reason for (row,) in found}

    def _bytes(self, names: Iterable[str]) -> str:
        """SQL: how much of a line the values of these columns take, with separators and quotes; empty without columns."""
        texts, mark = [f"coalesce(CAST({quote(name)} AS VARCHAR), '')" for name in names], literal(self._quote)
        return " + ".join(f"strlen({text}) + len({text}) - len(replace({text}, {mark}, '')) + 3" for text in texts)

    def add_columns(self, resource: str, columns: Mapping[str, CanonicalType]) -> None:
        """Write a copy of the file with more columns behind the others, and put it in the file's place."""
        with borrowed_duck(threads=2) as con, folder_lock(self._existing_folder()):
            stamp = self._load(con, resource, "merged")
            there = {str(row[0]).lower() for row in con.execute("DESCRIBE merged").fetchall()}
            new = [name for name in columns if name.lower() not in there]
            if new and BROKEN in there:  # a line with one value too many would become a row
                why = con.execute(f"SELECT min_by({WHY_BROKEN}, {LINE}) FROM merged WHERE {BROKEN} IS NOT NULL").fetchone()
                raise DataRefused(f"{why[0] if why else ''}", str(self._path(resource)), "only rows where a column is to be added")
            for name in new:
                con.execute(f"ALTER TABLE merged ADD COLUMN {quote(name)} VARCHAR")
            if new:
                path = self._path(resource)
                replace_file(path, self.system.name, lambda aside: self._write(con, path, aside), expected=stamp)

    def _write(self, con: duckdb.DuckDBPyConnection, source: Path, target: Path) -> None:
        """Write the table ``merged``, with lines that end as those of the file before, and its byte order mark."""
        if self._encoding != "utf-8":
            what = f"system '{self.system.name}' is {self._encoding} and can only be read."
            raise UsageError(what, place=self.system.place, expected="Convert it to UTF-8 to write it.")
        there = [str(row[0]) for row in con.execute("DESCRIBE merged").fetchall()]
        columns = [name for name in there if not name.startswith(RESERVED)]
        shown, first = [quote(name) for name in columns], quote(columns[0])
        if BROKEN in there:
            shown[0] = f"CASE WHEN {BROKEN} IS NULL THEN {first} ELSE {literal(PLACE)} || {LINE} END AS {first}"
        ending, last = line_ending(source, Dialect(self._encoding, self._separator, self._quote))
        con.execute(f"""
            COPY (SELECT {", ".join(shown)} FROM merged ORDER BY {LINE}) TO {literal(str(target))}
            (FORMAT csv, HEADER true, NULLSTR '', DELIMITER {literal(self._separator)},
             QUOTE {literal(self._quote)}, ESCAPE {literal(self._quote)}, NEW_LINE {literal(repr(ending)[1:-1])})""")
        if any(map(is_flag, there)):
            self._restore(con, target, columns, broken=BROKEN in there)
        if begins_with_mark(source):
            target.write_bytes(codecs.BOM_UTF8 + target.read_bytes())
        if not last and BROKEN not in there:  # a line that is no row would look as if it were cut off
            without_last_ending(target, ending)

    def _restore(self, con: duckdb.DuckDBPyConnection, target: Path, columns: Sequence[str], *, broken: bool) -> None:
        """Put back, in a file just written, the bytes that are no text, and lines that are no rows."""
        text = target.read_bytes().decode()
        if broken:
            lines = dict(con.execute(f"SELECT CAST({LINE} AS VARCHAR), {BROKEN} FROM merged WHERE {BROKEN} IS NOT NULL").fetchall())
            rest = re.escape(self._separator) * (len(columns) - 1)
            text = re.sub(f"(?<![^\r\n]){PLACE}([0-9]+){rest}(?![^\r\n])", lambda found: lines[found[1]], text)
        target.write_bytes(restored(text))

    def make(self, path: Path, columns: Mapping[str, CanonicalType]) -> None:
        """A header and nothing else."""
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, delimiter=self._separator, quotechar=self._quote, lineterminator="\n").writerow(columns)

    def _header(self, path: Path) -> list[str]:
        if path.stat().st_size == 0:
            raise DataRefused("the file is empty", str(path), "a header line with the column names")
        encoding = "utf-8-sig" if self._encoding == "utf-8" else self._encoding
        try:
            # Decoding runs ahead of the first line, and what is wrong further down is reported with its own line later.
            with codecs.open(str(path), encoding=encoding, errors="replace") as file:
                names = next(csv.reader(file, delimiter=self._separator, quotechar=self._quote), [])
        except (csv.Error, UnicodeError) as error:
            raise DataRefused(f"the header cannot be read ({error})", f"{path}:1", "a header line with the column names") from error
        if any("\ufffd" in name for name in names):
            raise DataRefused(f"the header is not {self._encoding}", f"{path}:1", f"text in {self._encoding}, or the option 'encoding'")
        names = [name or f"column{position}" for position, name in enumerate(names, 1)]
        if not names:
            raise DataRefused("there is no header", f"{path}:1", "a header line with the column names")
        other = next((sign for sign in _SEPARATORS if len(names) == 1 and sign != self._separator and sign in names[0]), "")
        if other:
            shown = repr(other)[1:-1]
            what = f"its header is one column {names[0][:60]!r}, with '{shown}' in its name"
            raise DataRefused(what, f"{path}:1", f"columns with '{self._separator}' between them, or the option separator: '{shown}'")
        return checked(names, f"{path}:1")


def _at_most(names: Iterable[str]) -> str:
    """As ``CsvConnector._bytes``, were every character a quote."""
    return " + ".join(f"2 * coalesce(strlen(CAST({quote(name)} AS VARCHAR)), 0) + 3" for name in names)


def _largest(con: duckdb.DuckDBPyConnection, table: str, size: str) -> int:
    found = con.execute(f"SELECT max({size}) FROM {table}").fetchone() if size else None
    return int(found[0]) if found and found[0] else 0


def refusal(path: Path, message: str, columns: int) -> DataRefused:
    """What DuckDB says about a CSV file, in our words and with the line."""
    line = _LINE_OF_ERROR.search(message)
    where = f"{path}:{line[1]}" if line else str(path)
    count = _COLUMN_COUNT.search(message)
    if count:
        return DataRefused(f"{count[2]} columns", where, f"{columns} columns as in the header")
    for part, what, expected in (
        ("unterminated quote", "a quote is not closed, or text follows it", "quotes doubled inside quoted values"),
        ("Invalid unicode", NOT_UTF8, "UTF-8, or the option 'encoding'"),
        ("utf-8", NOT_UTF8, "UTF-8, or the option 'encoding'"),
        ("Maximum line size", f"a line longer than {_MAX_LINE_BYTES:,} bytes", "shorter lines"),
        (
            "invalid state",
            "it breaks the rules of CSV (mixed line endings, or a quote inside a value)",
            "RFC 4180 with one kind of line ending",
        ),
    ):
        if part in message:
            return DataRefused(what, where, expected)
    return DataRefused(message.splitlines()[0], where, "CSV as in RFC 4180")
