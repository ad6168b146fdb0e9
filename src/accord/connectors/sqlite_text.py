"""Texts of a SQLite file that are none: SQLite keeps whatever bytes a program gave it."""

from __future__ import annotations

from typing import Final

from accord.connectors.unreadable import MARK

_ESCAPED: Final = b"\\'\""
NOT_UTF8: Final = "text that is not UTF-8"


def as_bytes(value: str) -> str:
    """SQLite's SQL for the bytes of a value (SQL) in hexadecimal, null where it is null."""
    return f"CASE WHEN {value} IS NOT NULL THEN hex({value}) END"


def as_marked(data: bytes) -> str:
    """The bytes as ``unreadable.of_bytes`` shows them."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return "".join(chr(byte) if 32 <= byte < 127 and byte not in _ESCAPED else f"{MARK}x{byte:02X}" for byte in data)
