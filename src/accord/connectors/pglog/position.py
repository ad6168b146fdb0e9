"""Where a reader stands in PostgreSQL's log."""

from __future__ import annotations

import re
from dataclasses import dataclass

_TEXT = re.compile(r"([0-9A-Fa-f]{1,8})/([0-9A-Fa-f]{1,8})(?:#([0-9]{1,10}))?")


def parse_lsn(text: str) -> int:
    """A log sequence number as PostgreSQL writes it (``0/16B3748``) as the number of bytes since the start of the log.

    Raises:
        ValueError: the text is no LSN.
    """
    return Position.parse(text).lsn


def format_lsn(lsn: int) -> str:
    """A number of bytes since the start of the log as PostgreSQL writes it."""
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in the order of committed changes: the LSN of the commit, and the how-manieth change of that transaction.

    Transactions arrive in the order of their commits and their changes in the order they were made, so positions grow along the stream
    and a change has the same position each time it is sent. ``index`` counts from 1; ``(lsn, 0)`` lies before every change that commits
    at ``lsn`` or later and after all others, which makes the end of one transaction, the start of a slot and the idle end of the log
    positions like any other. What may be acknowledged to the server for a position is always its ``lsn``: a transaction that is only
    partly done commits at that LSN and is sent again.
    """

    lsn: int
    index: int = 0

    def __str__(self) -> str:
        return f"{format_lsn(self.lsn)}#{self.index}"

    @classmethod
    def parse(cls, text: str) -> Position:
        """The position that ``str`` wrote; a bare LSN has index 0.

        Raises:
            ValueError: the text is no position.
        """
        found = _TEXT.fullmatch(text)
        if not found:
            raise ValueError(f"'{text}' is no position in a PostgreSQL log. Expected an LSN and an index, such as 0/16B3748#3.")
        return cls((int(found[1], 16) << 32) | int(found[2], 16), int(found[3] or 0))


START = Position(0)
"""Before every change."""
