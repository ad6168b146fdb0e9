"""What a connector may offer besides, for the first load of many rows: reading without keeping, and filling an empty resource.

Both are optional. Where one is missing, or declines with ``None``, the rows go the way every later change goes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol, runtime_checkable

import duckdb
import pyarrow as pa

DIGEST = "_digest"
ODD = "_odd"
VERSION = "_version"
WRAP = 1 << 64  # digests of rows are added up and kept to 64 bits, so that their order does not matter


class Stream(Protocol):
    """A resource about to be read once.

    ``columns`` has the DuckDB type of each column as ``scan`` gives it, ``natives`` the system's own type of each, empty when rows of
    this kind of system have no digest.
    """

    columns: Mapping[str, str]
    natives: Mapping[str, str]
    canonical: Mapping[str, str]
    """Column with JSON: a further column of the relation with its canonical text, which costs less to make there; perhaps empty."""

    def read(self, columns: Sequence[str], digest: Sequence[str], *, wary: bool = False) -> str:
        """A relation to select from once, as one state of the resource; nothing is read before.

        Besides ``columns`` it has, when ``digest`` names any, ``_digest`` (BIGINT, over those columns in that order, computed by the
        system, as ``Fill.digest`` of a fill that is ``wary``), and else ``_odd`` (true for a row with a value that cannot be read exactly).
        """
        ...

    def close(self) -> None:
        """Let go of the system once the relation was read."""
        ...


@runtime_checkable
class Streamed(Protocol):
    """A connector whose rows can be read on the fly, without being kept first."""

    def stream(self, con: duckdb.DuckDBPyConnection, resource: str) -> Stream:
        """Get ready to read a resource in ``con``.

        Raises:
            UnknownName: no such resource.
        """
        ...


@runtime_checkable
class Sized(Protocol):
    """A connector that can say cheaply whether a resource is large."""

    def holds(self, resource: str, rows: int) -> bool:
        """Whether it has at least so many rows."""
        ...


class Fill(Protocol):
    """An open transaction on a resource that was empty when it began; nobody else writes there until it ends."""

    natives: Mapping[str, str]
    hashed: Mapping[str, str]
    """Column: the type in which ``digest`` takes DuckDB's own hash of it, where it does not take the system's; else empty."""
    wary: bool
    """Whether something of the resource's own, such as a trigger, may change a value on its way in: its digest leaves out nothing then."""
    stamp: str
    """Once committed, for ``Versioned.untouched``; empty where there is no such thing."""

    def write(self, con: duckdb.DuckDBPyConnection, batches: pa.RecordBatchReader) -> None:
        """Insert rows as they come.

        Args:
            con: of the engine that makes the rows; used by this call alone.
            batches: have the columns to be written and no others, each in the type ``scan`` gives it.

        Raises:
            DataRefused: the system did not take a row; nothing may be committed.
        """
        ...

    def digest(self, columns: Sequence[str]) -> tuple[int, int] | None:
        """Number of rows and the sum of their digests modulo 2^64, as the transaction shows them; ``None`` where there are no digests.

        Comparable with a stream's where the columns' ``natives`` are the same, or with DuckDB's hash of the same values as ``hashed``.
        """
        ...

    def commit(self) -> None:
        """Make it all visible and durable. Without this, leaving the transaction leaves the resource empty."""
        ...


@runtime_checkable
class Within(Protocol):
    """A fill of a resource that is part of the engine that makes the rows, which then need not leave it to get there.

    ``read`` has the SQL by which a scan gives each column of ``table``.
    """

    read: Mapping[str, str]

    @property
    def table(self) -> str:
        """The resource as a relation of the engine, once something was inserted."""
        ...

    def insert(self, con: duckdb.DuckDBPyConnection, columns: Sequence[str], query: str) -> None:
        """Insert what a query of ``con`` gives, in place of ``Fill.write``; from then on the transaction is that of ``con``."""
        ...


@runtime_checkable
class Filled(Protocol):
    """A connector that can fill an empty resource as a whole."""

    def is_empty(self, resource: str) -> bool:
        """Whether the resource is there and holds no row now."""
        ...

    def fill(self, resource: str, columns: Sequence[str]) -> AbstractContextManager[Fill | None]:
        """A transaction to fill ``columns`` of the resource; ``None`` when it is not empty, or cannot be filled exactly this way."""
        ...


def arrived(con: duckdb.DuckDBPyConnection, batches: pa.RecordBatchReader) -> str:
    """A relation of ``con`` with the rows of ``batches``, which can be read once; see ``Fill.write``."""
    con.execute("SET TimeZone = 'UTC'")
    # A bare stream, from which DuckDB draws when it has room; from a reader it takes through Arrow's scanner, which reads all there is.
    con.register("arrived", batches.__arrow_c_stream__())
    return "arrived"
