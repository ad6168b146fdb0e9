"""What a connector is: the one file that speaks to one kind of system.

A connector is a class in its own file of this folder (or of a pack's ``connectors`` folder) with a ``kind``. Nothing else has to be
edited: ``registry.py`` finds it, the map names it, the conformance suite runs it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal, Protocol, runtime_checkable

import duckdb
import pyarrow as pa

from accord.model.system import System, SystemDescription
from accord.model.types import CanonicalType

Operation = Literal["insert", "update", "delete"]
OP = "_op"
OLD = "_old_"


@dataclass(frozen=True, slots=True)
class ChangeBatch:
    """Changes for one resource of one target, in that system's own column names.

    ``rows`` has the column ``_op`` (insert, update or delete), the key columns, each of ``columns`` with the value to write, and for
    each of them ``_old_<column>`` with the value the target is expected to hold now (null for inserts). Columns that the target has
    and the batch does not name are left alone.
    """

    resource: str
    key: tuple[str, ...]
    columns: tuple[str, ...]
    rows: pa.Table
    batch_id: str


@dataclass(frozen=True, slots=True)
class ApplyResult:
    """What became of a batch. Every row is counted once.

    ``unchanged``: the target already held what was wanted (a repeat, an echo). ``stale``: the target holds neither the expected nor
    the wanted value and was left alone; a table of the key columns. ``refused``: the target's own rules refused the row: key columns
    and ``reason``.
    """

    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    unchanged: int = 0
    stale: pa.Table | None = None
    refused: pa.Table | None = None


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a kind of system can do; the conformance suite marks what it cannot as *never*."""

    write: bool = True
    transactions: bool = False
    create: bool = True
    typed: bool = False
    keys_declared: bool = False
    sparse: bool = False  # a column is missing where no row has a value for it, which is not a change of schema
    formats: tuple[str, ...] = field(default=())


class Connector(Protocol):
    """One opened system. Made as ``Kind(system, base=folder)``: relative paths of ``system.at`` start at ``base``.

    Opening does no I/O; every method may raise ``SystemUnreachable`` (not there, no answer), ``DataRefused`` (there, but not what it
    claims to be, with file and line where there is one) and, while writing, ``StorageFull``.
    """

    kind: ClassVar[str]
    capabilities: ClassVar[Capabilities]
    system: System

    def __init__(self, system: System, *, base: Path) -> None: ...

    def describe(self) -> SystemDescription:
        """Every resource with columns, types, key, exact row count, permission and last change."""
        ...

    def scan(self, con: duckdb.DuckDBPyConnection, resource: str) -> str:
        """Make the resource readable in ``con`` and return the name of a relation to select from.

        Columns have the DuckDB type of their canonical type where the system is typed and VARCHAR where it is not (CSV, JSON lines,
        SQLite values that break their declared type). No value is lost or rounded on the way; what cannot be read as declared comes
        as the text it is. The relation is one consistent state of the resource, even while others write.

        Raises:
            UnknownName: no such resource; the error lists those there are.
            SystemChanged: a consistent read was not possible.
        """
        ...

    def create(self, resource: str, columns: Mapping[str, CanonicalType], key: Sequence[str]) -> None:
        """Make the table or file when it is not there; does nothing when it is."""
        ...

    def apply(self, batch: ChangeBatch) -> ApplyResult:
        """Carry out a batch: all of it or none, compare-and-set per row, harmless when repeated.

        insert: a row with this key and these values already there is *unchanged*; with other values, *stale*.
        update: values as wanted are *unchanged*; neither as expected nor as wanted, or no such row: *stale*.
        delete: no such row is *unchanged*; values other than expected: *stale*.
        Durable when it returns: committed with full synchronization, or written aside, synced and renamed.
        """
        ...

    def close(self) -> None:
        """Let go of handles; a closed connector opens again on the next call."""
        ...


@runtime_checkable
class Watched(Protocol):
    """A connector that can say cheaply whether a resource may have changed. A connector need not be one."""

    def change_token(self, resource: str) -> str | None:
        """A text that differs from every earlier one if the resource was written since; ``None`` when that cannot be promised now.

        Too many tokens only cost time; one too few would lose a change. So a connector gives ``None`` wherever a write could leave
        the token as it was: a time stamp too young to tell two writes apart, a log of changes beside the file, a missing file.
        """
        ...


def change_token(connector: Connector, resource: str) -> str | None:
    """The connector's change token for a resource; ``None`` from one that has none."""
    return connector.change_token(resource) if isinstance(connector, Watched) else None
