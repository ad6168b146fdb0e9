"""The port to the database that holds the store: one writer at a time, values always bound."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal, Protocol

Value = str | int | float | None
Row = tuple[Any, ...]
Query = tuple[str, Sequence[Value]]


class Rows(Protocol):
    """Something to read from, in the SQL that SQLite and PostgreSQL share; a value is a ``?``, never part of the text."""

    def rows(self, sql: str, *values: Value) -> list[Row]:
        """All rows of a query."""
        ...


class Transaction(Rows, Protocol):
    """Statements in the SQL that SQLite and PostgreSQL share."""

    def several(self, queries: Sequence[Query]) -> list[list[Row]]:
        """All rows of several queries, where the database is far away without waiting for each."""
        ...

    def run(self, sql: str, *values: Value) -> None:
        """Carry out one statement."""
        ...

    def many(self, sql: str, rows: Sequence[Sequence[Value]]) -> None:
        """Carry out one statement for each row of values, in order."""
        ...

    def script(self, text: str) -> None:
        """Carry out several statements without values."""
        ...


class Database(Transaction, Protocol):
    """One opened database; outside ``write`` each query sees one consistent state.

    Every method may raise ``StorageFull``, ``SystemUnreachable`` (not there, no answer) and ``LeaseHeld`` (another process has not
    let go of the write lock in ``BUSY_SECONDS``).
    """

    @property
    def dialect(self) -> Literal["sqlite", "postgresql"]:
        """Which of the two; only migrations and adapters may care."""
        ...

    @property
    def where(self) -> str:
        """Path or URL without password, for messages."""
        ...

    def write(self, *, at_once: bool = True) -> AbstractContextManager[Transaction]:
        """The one writing transaction: others wait, readers see all of it or nothing, durable when the block ends.

        Args:
            at_once: others wait from here on; otherwise from its first query on, which saves one that reads first a round trip.
        """
        ...

    def close(self) -> None:
        """Let go of the connection; closing twice is harmless."""
        ...


BUSY_SECONDS = 30
NUL_SHOWN = "\u2400"


def quote(name: str) -> str:
    """A name as an SQL identifier; the only way names enter the text of a statement here."""
    return '"' + name.replace('"', '""') + '"'


def bindable(values: Sequence[Value]) -> Sequence[Value]:
    """Values as both databases take them: PostgreSQL refuses the character NUL in text, so it is shown as ␀.

    The log itself loses nothing by this: in the JSON of an event NUL is written as an escape.
    """
    for value in values:
        if isinstance(value, str) and "\0" in value:
            return tuple(v.replace("\0", NUL_SHOWN) if isinstance(v, str) else v for v in values)
    return values
