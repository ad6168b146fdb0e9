"""Texts that are none, kept apart from the good ones: bytes in no encoding, halves of characters.

One such value must not stop all other rows. In a relation that a connector gives it stands with ``MARK`` for the backslash of ``\\xFF``,
and its column has a further one, ``flag(column)``, that is true in its row; a relation without such a value has no such column. Who maps
the column takes the row for one that cannot be read.

A line of a file that is no row at all is one, too: in the place of a row without any value ``BROKEN`` has its text, and ``WHY_BROKEN``
what is wrong with it. Nobody knows which row it was.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Sequence
from typing import Final

import duckdb

from accord.connectors.types import literal, quote

MARK: Final = "\ufdd0"
"""Of the signs that Unicode keeps free for use inside a program, so that no text means it."""
WHY: Final = "is no text in UTF-8"
BROKEN: Final = "_accord_broken"
WHY_BROKEN: Final = "_accord_broken_why"
ANEW: Final = "; have it written anew, or put a whole copy in its place"  # what to do about a file that is damaged or cut off
CUT_OFF: Final = " in the line with which the file ends, as if it were cut off there"
_FLAG: Final = "_accord_unreadable_"
_ERRORS: Final = "accord-unreadable"
_HALF: Final = re.compile("[\ud800-\udfff]")
_BYTE: Final = re.compile(MARK.encode() + b"x([0-9A-F]{2})")


def flag(column: str) -> str:
    """The name of the column that says where ``column`` cannot be read."""
    return _FLAG + column


def is_flag(column: str) -> bool:
    """Whether a column is one of those, or one of lines that are no rows: none of the system's own."""
    return column.startswith(_FLAG) or column in (BROKEN, WHY_BROKEN)


def shown(value: str) -> str:
    """SQL of what people are shown of a marked text (SQL)."""
    return f"replace({value}, {literal(MARK)}, {literal(chr(92))})"


def of_bytes(value: str) -> str:
    """SQL of the text that bytes (SQL) are, marked where they are none."""
    return f"coalesce(TRY(decode({value})), replace(CAST({value} AS VARCHAR), {literal(chr(92) + 'x')}, {literal(MARK + 'x')}))"


def flags(con: duckdb.DuckDBPyConnection, relation: str, columns: Sequence[str]) -> list[str]:
    """SQL of the further columns that ``relation`` needs: one for each of the text ``columns`` with a marked value."""
    if not columns:
        return []
    asked = ", ".join(f"bool_or(contains({quote(c)}, {literal(MARK)}))" for c in columns)
    found = con.execute(f"SELECT {asked} FROM {relation}").fetchone() or ()
    return [
        f"coalesce(contains({quote(c)}, {literal(MARK)}), false) AS {quote(flag(c))}"
        for c, some in zip(columns, found, strict=True)
        if some
    ]


def flagged(columns: Iterable[str]) -> frozenset[str]:
    """The columns, among all of a relation, that cannot be read in some row."""
    return frozenset(c.removeprefix(_FLAG) for c in columns if c.startswith(_FLAG))


def rows_alone(con: duckdb.DuckDBPyConnection, relation: str) -> str:
    """SQL of a relation's rows in the system's own columns: without these further ones, and without lines that are no rows."""
    more = [str(row[0]) for row in con.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall() if is_flag(str(row[0]))]
    left_out = f" EXCLUDE ({', '.join(map(quote, more))})" if more else ""
    return f"SELECT *{left_out} FROM {relation}{f' WHERE {BROKEN} IS NULL' if BROKEN in more else ''}"


def _marked(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return "".join(f"{MARK}x{byte:02X}" for byte in error.object[error.start : error.end]), error.end


codecs.register_error(_ERRORS, _marked)
MARKED: Final = _ERRORS
"""What to give as ``errors`` to read a file with a mark in place of every byte that is none of a text."""


def halves_marked(text: str) -> str:
    """A text with a mark in place of every half of a character, which no encoding can write."""
    return _HALF.sub(lambda found: f"{MARK}u{ord(found[0]):04X}", text)


def restored(text: str) -> bytes:
    """What was read with ``errors=MARKED``, as the bytes it was."""
    data = text.encode()
    return _BYTE.sub(lambda found: bytes.fromhex(found[1].decode()), data) if MARK in text else data
