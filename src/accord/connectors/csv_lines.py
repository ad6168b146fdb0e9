"""Lines of a CSV file that are no rows, told from the others without guessing where a row ends.

A line with too many or too few values is the matter of that line alone where each of its quotes is closed in it. A quote that is not
takes in the lines that follow, and nobody can tell how many of them it was meant to: then the file is refused.
"""

from __future__ import annotations

import codecs
import csv
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from accord.connectors.unreadable import ANEW, CUT_OFF, MARK, MARKED
from accord.model.errors import DataRefused

PLACE: Final = MARK + "L"  # what stands, with the number of the line, as first value in the place of a line that is no row


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a file is written: its encoding as Python calls it, and the two characters."""

    encoding: str
    separator: str
    quote: str

    @property
    def opened(self) -> str:
        """The encoding to open a file in: a byte order mark is no part of its first name, which a quote may follow."""
        return "utf-8-sig" if self.encoding == "utf-8" else self.encoding


def line_ending(path: Path, dialect: Dialect) -> tuple[str, bool]:
    """How the header of a file ends, and whether its last line ends, too; as a new file where it has no line behind the header.

    Raises:
        csv.Error, UnicodeError: the header cannot be read.
    """
    with path.open(encoding=dialect.opened, errors="replace", newline="") as source:
        text = next((text for _, _, text, _ in _rows(source, dialect)), "")
    ending = text[len(text.rstrip("\r\n")) :]
    return (ending, ends_its_last_line(path)) if ending else ("\n", True)


def begins_with_mark(path: Path) -> bool:
    """Whether a file begins with the byte order mark of UTF-8, by which spreadsheets know that it is no ANSI."""
    with path.open("rb") as file:
        return file.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8


def ends_its_last_line(path: Path) -> bool:
    """Whether the last byte of a file ends a line."""
    with path.open("rb") as file:
        return not file.seek(0, os.SEEK_END) or (file.seek(-1, os.SEEK_END) >= 0 and file.read(1) in b"\r\n")


def without_last_ending(path: Path, ending: str) -> None:
    """Take away what ends the last line of a file, unless that line has nothing else."""
    with path.open("rb+") as file:
        size = file.seek(0, os.SEEK_END) - len(ending)
        file.seek(max(size - 1, 0))
        if file.read(1) not in b"\r\n":
            file.truncate(size)


def copy_with_places(path: Path, copy: Path, dialect: Dialect, columns: int, longest: int) -> dict[str, tuple[str, str]]:
    """Copy a CSV file in UTF-8, with a row of one value, its place, for each line that is no row; bytes that are no text are marked.

    Args:
        path: the file.
        copy: to be written.
        dialect: of ``path``.
        columns: how many values each row has to have.
        longest: characters a value may have.

    Returns:
        Place: the line's text and what is wrong with it.

    Raises:
        DataRefused: a line is none because of a quote that it does not close, or for the end of the file; or no line is a row.
        csv.Error: quotes are not where they belong.
        UnicodeError: a byte is no text, in another encoding than UTF-8.
    """
    others = csv.field_size_limit(longest)  # it is one for the whole process
    try:
        return _copy(path, copy, dialect, columns)
    finally:
        csv.field_size_limit(others)


def _copy(path: Path, copy: Path, dialect: Dialect, columns: int) -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    good, expected, first = 0, f"{columns} columns as in the header", None
    errors = MARKED if dialect.encoding == "utf-8" else "strict"
    with path.open(encoding=dialect.opened, errors=errors, newline="") as source, copy.open("w", encoding="utf-8", newline="") as target:
        for number, lines, text, row in _rows(source, dialect):
            more = len(row) - columns
            # Separators without a value at the end of a line are no further columns, as DuckDB has it.
            nothing = more > 0 and not any(row[columns:]) and text.rstrip("\r\n").endswith(dialect.separator * more)
            if number == 1 and lines > 1:
                # DuckDB takes a line end within quotes for that of the lines, and would see no row at all where they are others.
                target.write("header" + dialect.separator * (columns - 1) + text[len(text.rstrip("\r\n")) :])
                continue
            if number == 1 or not row or not more or nothing:
                good += number > 1 and bool(row)
                target.write(text)
                continue
            refused = DataRefused(f"{len(row)} columns", f"{path}:{number}", expected)
            ending = text[len(text.rstrip("\r\n")) :]
            if lines > 1:
                what = f"{len(row)} columns in a row of {lines} lines"
                raise DataRefused(what, f"{path}:{number}", f"{expected}, and a quote closed where its value ends")
            if not ending:
                raise DataRefused(f"{refused.what}{CUT_OFF}", refused.where, f"{expected}{ANEW}")
            first = first or refused
            place = f"{PLACE}{number}"
            target.write(place + dialect.separator * (columns - 1) + ending)
            found[place] = (text.rstrip("\r\n"), f"line {number} is no row: {refused.what}; expected {expected}")
    if first and not good:
        raise first
    return found


def _rows(lines: Iterable[str], dialect: Dialect) -> Iterator[tuple[int, int, str, list[str]]]:
    """The number of its first line, how many they are, their text and the values, of each row."""
    taken: list[str] = []

    def kept() -> Iterator[str]:
        for line in lines:
            taken.append(line)
            yield line

    if dialect.quote:
        rows = csv.reader(kept(), delimiter=dialect.separator, quotechar=dialect.quote, strict=True)
    else:
        rows = csv.reader(kept(), delimiter=dialect.separator, quoting=csv.QUOTE_NONE, strict=True)
    number = 1
    for row in rows:
        yield number, len(taken), "".join(taken), row
        number += len(taken)
        taken.clear()
