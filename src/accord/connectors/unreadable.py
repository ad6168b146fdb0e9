"""Texts that are none, kept apart from the good ones: bytes in no encoding, halves of characters.

One such value must not stop all other rows. In a relation that a connector gives it stands with ``MARK`` for the backslash of ``\\xFF``,
and its column has a further one, ``flag(column)``, that is true in its row; a relation without such a value has no such column. Who maps
the column takes the row for one that cannot be read.
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
_FLAG: Final = "_accord_unreadable_"
_ERRORS: Final = "accord-unreadable"
_HALF: Final = re.compile("[\ud800-\udfff]")
_BYTE: Final = re.compile(MARK.encode() + b"x([0-9A-F]{2})")


def flag(column: str) -> str:
    """The name of the column that says where ``column`` cannot be read."""
    return _FLAG + column


def is_flag(column: str) -> bool:
    """Whether a column is one of those."""
    return column.startswith(_FLAG)


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
    return frozenset(c.removeprefix(_FLAG) for c in columns if is_flag(c))


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
