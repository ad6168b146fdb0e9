"""A workbook of Excel: each sheet is a resource with a header in its first row."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Final

import duckdb
import pyarrow as pa
from defusedxml.common import DefusedXmlException
from openpyxl import Workbook, load_workbook
from openpyxl.utils.exceptions import InvalidFileException

from accord.connectors.column_names import checked
from accord.connectors.decide import ROW, Staged
from accord.connectors.file_merge import LINE
from accord.connectors.files import Stamp, existing_file, replace_file
from accord.connectors.folder import Folder
from accord.connectors.protocol import Capabilities, ChangeBatch
from accord.connectors.types import quote
from accord.connectors.unreadable import ANEW
from accord.connectors.xlsx_cells import as_cell, cannot_hold, cell_text
from accord.model.errors import DataRefused, SystemUnreachable, UnknownName
from accord.model.system import System
from accord.model.types import CanonicalType

MAX_UNPACKED_BYTES: Final = 512_000_000
MAX_RATIO: Final = 200
MAX_ROWS: Final = 1_048_576
# What openpyxl does not carry over when it writes a workbook back.
_LOST_ON_WRITING = ("xl/charts/", "xl/drawings/", "xl/pivotTables/", "xl/vbaProject", "xl/media/", "xl/slicers/")
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    InvalidFileException,
    DefusedXmlException,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    EOFError,
    SyntaxError,
    NotImplementedError,
    OverflowError,
)
_GENERAL: Final = "General"
_AS_TEXT: Final = "@"
_EXPECTED = f"an Excel workbook (.xlsx){ANEW}"
_PROLOG_BYTES = 64_000  # a definition of entities stands before the first element
_ASIDE = re.compile(rb"<!--.*?-->|<\?.*?\?>|^[\xef\xbb\xbf\xfe\xff]+", re.DOTALL)
_NO_ELEMENT = re.compile(rb"\s*(<!DOCTYPE|[^<\s]|<[^A-Za-z_])")


class XlsxConnector(Folder):
    """One workbook. Numbers are read as text with every digit Excel has, dates as ISO 8601, formulas as the value last calculated.

    Written are numbers, dates and booleans where the field is one and a cell holds all of it: a decimal of more than 15 digits, a time with
    less than milliseconds and everything in a column that is formatted as text stay text. Times are in UTC, or in the binding's time zone.
    A workbook with charts, pictures, pivot tables or macros can be read; it is not written, because they would be lost.
    """

    kind: ClassVar[str] = "xlsx"
    capabilities: ClassVar[Capabilities] = Capabilities(formats=("xlsx",))
    endings = (".xlsx",)

    def __init__(self, system: System, *, base: Path) -> None:
        super().__init__(system, base=base)
        self.workbook = self.folder
        self.folder = self.workbook.parent

    def __repr__(self) -> str:
        return f"XlsxConnector({str(self.workbook)!r})"

    def load(self, con: duckdb.DuckDBPyConnection, resource: str, path: Path, table: str) -> None:
        """Read a sheet as text; rows without any value are passed over."""
        with self._opened() as book, self._readable():  # a sheet is unpacked and parsed row by row
            sheet = book[self._sheet(resource)]
            sheet.reset_dimensions()  # what a file says about its own size is not to be trusted
            rows = enumerate(sheet.iter_rows(values_only=True), 1)
            header = self._header(next(rows, (1, ()))[1], resource)
            columns: list[list[str | None]] = [[] for _ in header]
            lines: list[int] = []
            for number, row in rows:
                if number > MAX_ROWS:  # rows between two that are there are made up by the reader, so a far one has no end
                    raise DataRefused(f"a row beyond {MAX_ROWS:,}", f"{path} sheet '{resource}'", "a sheet as Excel writes it")
                values = [cell_text(value) for value in row[: len(header)]]
                if any(value is not None for value in values) or any(value is not None for value in row[len(header) :]):
                    if any(value is not None for value in row[len(header) :]):
                        where = f"{path} sheet '{resource}' row {number}"
                        raise DataRefused("a value right of the last column with a header", where, f"{len(header)} columns")
                    lines.append(number)
                    for column, value in zip(columns, [*values, *[None] * (len(header) - len(values))], strict=True):
                        column.append(value)
        arrays = {LINE: pa.array(lines, pa.int64())} | {n: pa.array(c, pa.string()) for n, c in zip(header, columns, strict=True)}
        con.register("arrow_sheet", pa.table(arrays))
        con.execute(f"CREATE TEMP TABLE {table} AS SELECT * FROM arrow_sheet")
        con.unregister("arrow_sheet")

    def save(self, con: duckdb.DuckDBPyConnection, source: Path, target: Path, staged: Staged) -> None:
        """Change the cells of the batch in the workbook; other cells, sheets and formats stay."""
        lost = self._lost(source)
        if lost:
            raise DataRefused(f"it holds {lost}, which would be lost", str(source), "a workbook of cells only, or direction: read")
        names = tuple(dict.fromkeys((*staged.batch.key, *staged.batch.columns)))
        selected = ", ".join(map(quote, names))
        changed = con.execute(
            f"SELECT {LINE}, {ROW} IN (SELECT {ROW} FROM verdict WHERE outcome = 'insert'), {selected} FROM merged WHERE {ROW} IS NOT NULL "
            f"ORDER BY {LINE}"
        ).fetchall()
        gone = f"SELECT {LINE} FROM current_rows WHERE {LINE} NOT IN (SELECT {LINE} FROM merged) ORDER BY {LINE} DESC"
        deleted = con.execute(gone).fetchall()
        last = con.execute(f"SELECT coalesce(max({LINE}), 1) FROM current_rows").fetchone()
        with self._opened(write=True) as book:
            sheet = book[self._sheet(staged.batch.resource)]
            header = self._header([cell.value for cell in sheet[1]], staged.batch.resource)
            place = {name: header.index(name) + 1 for name in names}
            examples = {name: _example(sheet, column) for name, column in place.items()}
            free = last[0] + 1 if last else 2
            for line, is_new, *values in changed:
                row, free = (free, free + 1) if is_new else (line, free)
                for name, value in zip(names, values, strict=True):
                    _fill(sheet.cell(row, place[name]), value, staged.types[name], examples[name])
            for (line,) in deleted:
                sheet.delete_rows(line)
            _save(book, target)

    def make(self, path: Path, columns: Mapping[str, CanonicalType]) -> None:
        """Not used: ``create`` makes the sheet."""

    def create(self, resource: str, columns: Mapping[str, CanonicalType], key: Sequence[str]) -> None:
        """Make the sheet, and the workbook when it is not there."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.workbook.exists() and self._sheet(resource) in self._sheets():
            return

        def write(aside: Path) -> None:
            book = load_workbook(self.workbook) if self.workbook.exists() else Workbook()
            if not self.workbook.exists():
                for name in book.sheetnames:
                    del book[name]
            book.create_sheet(self._sheet(resource)).append(list(columns))
            _save(book, aside)

        replace_file(self.workbook, self.system.name, write, expected=Stamp.of(self.workbook) if self.workbook.exists() else None)

    def compared(self, con: duckdb.DuckDBPyConnection, table: str, batch: ChangeBatch) -> dict[str, CanonicalType]:
        """By value, since 12.50 comes back from a number as 12.5."""
        known = super().compared(con, table, batch)
        return {name: batch.types.get(name, type_) if type_.name == "text" else type_ for name, type_ in known.items()}

    def refusals(self, con: duckdb.DuckDBPyConnection, staged: Staged) -> dict[int, str]:
        """Texts that a cell cannot hold."""
        found: dict[int, str] = {}
        for name in dict.fromkeys((*staged.batch.key, *staged.batch.columns)):
            for row, value in con.execute(f"SELECT {ROW}, {quote(name)} FROM stage WHERE {quote(name)} IS NOT NULL").fetchall():
                reason = cannot_hold(value)
                if reason:
                    found.setdefault(row, f"{name}: {reason}")
        return found

    def _sheet(self, resource: str) -> str:
        return self._resource(resource).path or resource

    def _path(self, resource: str) -> Path:
        return self.workbook

    def _existing(self, resource: str) -> Path:
        path = existing_file(self.workbook, self.system.name)
        if self._sheet(resource) not in self._sheets():
            raise UnknownName("resource", resource, self._resources(), place=self.system.place, holder=f"system '{self.system.name}'")
        return path

    def _resources(self) -> list[str]:
        named = {r.path: r.name for r in self.system.resources.values() if r.path}
        return [named.get(name, name) for name in self._sheets()]

    def _sheets(self) -> list[str]:
        with self._opened() as book:
            return list(book.sheetnames)

    def _header(self, row: Sequence[Any], resource: str) -> list[str]:
        names = [cell_text(value) for value in row]
        while names and names[-1] is None:
            names.pop()
        where = f"{self.workbook} sheet '{resource}' row 1"
        if not names:
            raise DataRefused("the first row is empty", where, "a header with the column names")
        return checked([name or f"column{position}" for position, name in enumerate(names, 1)], where)

    def _lost(self, path: Path) -> str:
        with zipfile.ZipFile(path) as archive:
            found = {part for part in _LOST_ON_WRITING for name in archive.namelist() if name.startswith(part)}
        return ", ".join(sorted(part.removeprefix("xl/").rstrip("/") for part in found))

    @contextmanager
    def _opened(self, *, write: bool = False) -> Iterator[Any]:
        path = existing_file(self.workbook, self.system.name)
        with self._readable(), zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            unpacked = sum(entry.file_size for entry in entries)
            packed = sum(entry.compress_size for entry in entries) or 1
            if unpacked > MAX_UNPACKED_BYTES or (unpacked > 10_000_000 and unpacked / packed > MAX_RATIO):
                allowed = f"at most {MAX_UNPACKED_BYTES:,} bytes, packed {MAX_RATIO}-fold"
                raise DataRefused(f"it unpacks to {unpacked:,} bytes", str(path), allowed)
            _refuse_definitions(path, archive)
        with path.open("rb") as file:  # ours to close: openpyxl leaves it open when it refuses the workbook
            with self._readable():
                book = load_workbook(file, read_only=not write, data_only=not write)
            try:
                yield book
            finally:
                book.close()

    @contextmanager
    def _readable(self) -> Iterator[None]:
        """What openpyxl stumbles over in a workbook that is damaged or made up, in one word."""
        try:
            yield
        except _DAMAGED as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
            raise DataRefused(f"it cannot be read ({reason})", str(self.workbook), _EXPECTED) from error
        except OSError as error:
            raise SystemUnreachable(self.system.name, str(self.workbook), str(error)) from error


def _save(book: Any, target: Path) -> None:
    for sheet in book.worksheets:
        for cell in sheet._cells.values():
            value = cell.value
            if type(value) in (int, float) and float(f"{value:.16g}") != value:
                cell._value = repr(value)  # openpyxl writes 16 digits of a number; a text in its place goes out as it is
    # By way of memory: openpyxl leaves the archive open when the disk is full, and its end would then complain by itself.
    buffer = io.BytesIO()
    book.save(buffer)
    target.write_bytes(buffer.getvalue())


def _example(sheet: Any, column: int) -> Any:
    """The first cell of a column that is not empty."""
    cells = sheet.iter_rows(min_row=2, min_col=column, max_col=column)
    return next((row[0] for row in cells if row[0].value is not None), None)


def _fill(cell: Any, value: str | None, type_: CanonicalType, example: Any) -> None:
    """Put a value into a cell, in the format its column has; one that shows it already stays as it is."""
    if value is not None and cell.data_type != "f" and cell_text(cell.value) == value:
        return
    if example is not None and cell.number_format == _GENERAL:
        cell.number_format = example.number_format
    as_text = cell.number_format == _AS_TEXT  # what its users made a column of texts stays one
    cell.value = value if as_text else as_cell(value, type_, example.value if example is not None else None)
    if isinstance(cell.value, str):
        cell.data_type = "s"  # text that begins with = is no formula
    elif isinstance(cell.value, (int, float)) and cell.is_date:
        cell.number_format = _GENERAL  # it would be read as a date


def _refuse_definitions(path: Path, archive: zipfile.ZipFile) -> None:
    """Refuse XML that defines entities, whichever parser happens to be installed: some resolve them, and none need them.

    Raises:
        DataRefused: naming the part.
    """
    for entry in archive.infolist():
        if not entry.filename.endswith((".xml", ".rels", ".vml")):
            continue
        with archive.open(entry) as part:
            start = part.read(_PROLOG_BYTES).replace(b"\0", b"")  # in two-byte encodings every other byte is a zero
        if (found := _NO_ELEMENT.match(_ASIDE.sub(b"", start))) is not None:
            what = "defines entities" if found[0].endswith(b"!DOCTYPE") else "does not begin with an element"
            raise DataRefused(f"{entry.filename} {what}", str(path), _EXPECTED)
