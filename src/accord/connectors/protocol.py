"""What a connector is: the one file that speaks to one kind of system.

A connector is a class in its own file of this folder (or of a pack's ``connectors`` folder) with a ``kind``. Nothing else has to be
edited: ``registry.py`` finds it, the map names it, the conformance suite runs it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
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
    and the batch does not name are left alone. With ``gives`` the system itself gives that key column its value, in rows to insert that
    have none; only a connector that is ``Giving`` is asked to. With ``free`` the rows to insert have keys that were nobody's: a row that
    stands under one all the same is somebody else's whatever it shows, so that the insert is *stale*; not so for a connector that cannot
    tell its own tries from others'. ``types`` says of columns whose values come as text, because the system has no types, what they are;
    none of bytes, which have no text that all agree on. With ``cascades`` a delete may go on to rows that point at the row; without, a
    row at which some do that the system would delete or empty by itself is *refused*.
    """

    resource: str
    key: tuple[str, ...]
    columns: tuple[str, ...]
    rows: pa.Table
    batch_id: str
    gives: str = ""
    free: bool = False
    types: Mapping[str, CanonicalType] = field(default_factory=dict)
    cascades: bool = False


@dataclass(frozen=True, slots=True)
class Carried:
    """What a foreign key of a system does by itself when rows of a batch are deleted there.

    Args:
        resource: the table whose rows point there, as the system calls it.
        column: of that table, which points; several with commas between them.
        rule: ``CASCADE``, ``SET NULL`` or ``SET DEFAULT``.
        rows: of that table, which go, or whose column is emptied or set; 0 where they cannot be looked at.
        held: rows of the batch at which some of these point; 0 where they point at rows that go along themselves.
        of: rows the table has in all, where it was counted.
    """

    resource: str
    column: str
    rule: str
    rows: int
    held: int = 0
    of: int = 0


@dataclass(frozen=True, slots=True)
class ApplyResult:
    """What became of a batch. Every row is counted once.

    ``unchanged``: the target already held what was wanted (a repeat, an echo). ``stale``: the target holds neither the expected nor
    the wanted value and was left alone; a table of the key columns. ``refused``: the target's own rules refused the row: key columns
    and ``reason``. Of a batch that ``gives`` keys both also have ``_accord_row``, the number of the row in the batch, counted from 1, and
    ``given`` has that number and the ``key`` given, as text, of every row inserted without one. ``carried`` says what the
    deletes of a batch that ``cascades`` went on to.
    """

    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    unchanged: int = 0
    stale: pa.Table | None = None
    refused: pa.Table | None = None
    given: pa.Table | None = None
    carried: tuple[Carried, ...] = ()


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a kind of system can do; the conformance suite marks what it cannot as *never*."""

    write: bool = True
    transactions: bool = False
    create: bool = True
    typed: bool = False
    keys_declared: bool = False
    sparse: bool = False  # a column is missing where no row has a value for it, which is not a change of schema
    appends: bool = False  # a table's new columns come after all others
    late: bool = False  # what it shows right after a write may be what was there before, and is then nobody's edit
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
        as the text it is, and a text that is none is marked (``unreadable``). The relation is one consistent state of the resource, even
        while others write.

        A table that is filled for it is temporary and called as the relation up to its number, with ``_raw`` or nothing behind
        (``scan_7_raw`` for ``scan_7``): it is dropped once its values were taken.

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


@dataclass(frozen=True, slots=True)
class KnownOptions:
    """What a map may say under ``options`` of a system of some kind, and of a resource of it; a kind declares it as ``known_options``.

    Of a kind that declares nothing a map may say nothing there: what no connector reads would be a word without effect.

    Args:
        system: option: the values it may have; none: any. ``header.*`` stands for every name that begins so.
        resource: the same of a resource.
    """

    system: Mapping[str, Collection[str]]
    resource: Mapping[str, Collection[str]]


@runtime_checkable
class Watched(Protocol):
    """A connector that can say cheaply whether a resource may have changed. A connector need not be one."""

    def change_token(self, resource: str) -> str | None:
        """A text that differs from every earlier one if the resource was written since; ``None`` when that cannot be promised now.

        Too many tokens only cost time; one too few would lose a change. So a connector gives ``None`` wherever a write could leave
        the token as it was: a time stamp too young to tell two writes apart, a log of changes beside the file, a missing file.
        """
        ...


@runtime_checkable
class Shaped(Protocol):
    """A connector whose system declares the types of its columns and tells them without reading a row."""

    def declared_types(self, resource: str) -> Mapping[str, str]:
        """Column: its type in the system's own words, with length or precision, such as ``numeric(12,2)``.

        Raises:
            UnknownName: no such resource.
        """
        ...


def change_token(connector: Connector, resource: str) -> str | None:
    """The connector's change token for a resource; ``None`` from one that has none."""
    try:
        return connector.change_token(resource) if isinstance(connector, Watched) else None
    except PermissionError:
        return None  # whoever reads it says so better


@runtime_checkable
class Dated(Protocol):
    """A connector whose system says how far it has come, so that one brought back to an earlier state is told from one that was edited."""

    def reached(self, resource: str) -> str | None:
        """How far it has come, as opaque text; ``None`` when it cannot say now."""
        ...

    def set_back(self, resource: str, before: str, now: str, *, written: bool) -> str:
        """What shows that it stands at an earlier state than it once did, for people; empty when nothing does.

        Args:
            resource: the table.
            before: what ``reached`` gave then.
            now: what it gives.
            written: it is written by us, so that nobody puts a newer one in the place of the whole, as is done with exports and copies.
        """
        ...


@runtime_checkable
class Keyed(Protocol):
    """A connector that can read single rows by key without reading the whole resource."""

    def scan_keys(self, con: duckdb.DuckDBPyConnection, resource: str, keys: str) -> str:
        """As ``scan``, but only the rows whose key columns equal a row of the DuckDB table ``keys``.

        Args:
            con: where the rows become readable.
            resource: the table.
            keys: table in ``con`` whose columns are named like key columns of the resource, with values as ``scan`` gives them.
        """
        ...


@runtime_checkable
class Lagging(Keyed, Protocol):
    """A connector whose lists may show what was there before a write, while a row that is asked for by key shows what is there now."""

    def asked_at_once(self, resource: str) -> int:
        """How many keys ``scan_keys`` asks for one by one; 0 where the map does not say that the list lags."""
        ...


@dataclass(frozen=True, slots=True)
class KeyChanges:
    """What a feed has seen: which rows may have changed, up to a position.

    Values are read from the system itself afterwards, so a key too many only costs time, and the order within a batch does not matter.

    Args:
        keys: key columns of the resource, and ``_changed_at`` (timestamp with time zone, UTC): when the system committed the last change of
            this row, null where it does not say. Each key once. ``None``: the feed cannot tell (new, lost, truncated, schema changed):
            every row has to be compared, after which ``position`` holds.
        position: where the feed stands after these changes; opaque text, stored together with their effect.
        reason: why every row has to be compared, for people; empty when ``keys`` is given.
        more: further changes were already waiting when this batch was cut.
        earlier: what shows that the system stands at an earlier state than the position the feed was at; empty when nothing does.
    """

    keys: pa.Table | None
    position: str
    reason: str = ""
    more: bool = False
    earlier: str = ""


class Feed(Protocol):
    """An open stream of changed keys of one resource."""

    def read(self, *, wait_seconds: float = 0.0, limit: int = 100_000) -> KeyChanges | None:
        """Changes after the last read (or the position it was opened at); ``None`` when none came within ``wait_seconds``.

        Raises:
            SystemUnreachable: no answer; the feed can be opened again at the last stored position.
        """
        ...

    def acknowledge(self, position: str) -> None:
        """The effect of everything up to ``position`` is stored: the system may forget it. Never call it before that is true."""
        ...

    def close(self) -> None:
        """Let go of the stream; what the system keeps for it stays."""
        ...


@runtime_checkable
class Sparing(Protocol):
    """A feed that can leave out the changes of one transaction: what a first load wrote need not be read again to find it equal."""

    def leave_out(self, stamp: str) -> None:
        """Tell nothing of the transaction in which a fill with this stamp wrote; call it before the first read."""
        ...


@runtime_checkable
class Logged(Protocol):
    """A connector whose system keeps a log of changes: a write-ahead log, a binlog, an outbox filled by triggers."""

    def open_feed(self, resource: str, key: Sequence[str], *, name: str, after: str | None) -> Feed:
        """The changes of a resource since ``after``.

        With ``after`` null the feed is set up first (slot, publication, triggers), so that a full read begun after this call misses
        nothing; its first read gives ``keys=None`` at once. A position the system no longer has is answered in the same way, never by
        silently starting later. Changes of all sessions count, our own too: an echo is found equal and costs one look.

        Args:
            resource: the table.
            key: its key columns, as named by the system.
            name: of the feed, unique for a store and binding, letters, digits and underscores.
            after: the last stored position.

        Raises:
            DataRefused: the system cannot log (wal_level, no binlog, no right); the message says what to set.
        """
        ...

    def drop_feed(self, resource: str, *, name: str) -> None:
        """Take down what ``open_feed`` set up in the system; harmless when it is not there.

        Where a system keeps something for feeds, it goes by the name alone: the resource may be gone, and empty when nobody knows it.
        """
        ...

    def feed_lag(self, resource: str, *, name: str, after: str | None) -> int | None:
        """How far the system's log is ahead of ``after``: bytes or changes kept for us; ``None`` when it cannot say."""
        ...


@runtime_checkable
class Since(Protocol):
    """A connector whose system can list only the rows changed since a time. Deletes are not among them."""

    def scan_since(self, con: duckdb.DuckDBPyConnection, resource: str, moment: str) -> str | None:
        """As ``scan``, but only the rows the system says were changed at or after ``moment``; ``None`` when it is not asked that way.

        Args:
            con: where the rows become readable.
            resource: the table.
            moment: ISO 8601 with ``Z``.
        """
        ...

    def reading_seconds(self, resource: str) -> float:
        """Age of the first row of the last reading of the resource: no row of it is older than that."""
        ...


@runtime_checkable
class Resuming(Protocol):
    """A connector that keeps what it read of a long list, so that a later process goes on where one was stopped."""

    def keep_in(self, folder: Path) -> None:
        """Where to keep it: a folder of one workspace. Without one nothing outlives the process. Call it before the first scan.

        What is kept holds rows: it is private, and gone when the list is read, when it is too old, or when the folder is removed.
        """
        ...

    def older_seconds(self, resource: str) -> float:
        """How much older than its asking what was read since ``read_under`` may be: the reading was begun, and broke, so long before."""
        ...

    def read_under(self, resource: str, holder: str, mark: str) -> None:
        """Until something is written, ``scan`` and ``scan_since`` may go on with what was read for this holder under the same mark.

        Args:
            resource: the table.
            holder: for whom it is read; unique in the folder.
            mark: differs whenever rows read under another one must not be taken for those of now: what the holder agreed on since would
                be taken back by them. Empty: nothing is gone on with, and nothing kept.
        """
        ...


@runtime_checkable
class Placed(Protocol):
    """A connector whose system is a file or a folder, there or to be made."""

    place: Path


@runtime_checkable
class Digested(Protocol):
    """A connector whose system can compute digests of rows itself, so that unchanged rows need not travel."""

    def digest_rows(
        self,
        con: duckdb.DuckDBPyConnection,
        resource: str,
        key: Sequence[str],
        columns: Sequence[str],
        where: str = "",
        *,
        aside: str | None = None,
    ) -> str:
        """A relation with the key columns (as ``scan`` gives them) and ``_digest`` UBIGINT over ``columns``, of one consistent state.

        Rows with equal values have equal digests in every system of the same kind and native column types; different ones differ but for
        a chance of 2^-64. ``where`` is SQL of the map on the resource's columns; raises UsageError when the system cannot evaluate it.
        So is ``aside``: with it, rows for which it is true have no digest (null), nor have those with a value in ``columns`` that ``scan``
        would not give in the type of the others; an empty text says that there are only the latter.
        """
        ...

    def digest_buckets(self, resource: str, key: Sequence[str], columns: Sequence[str], buckets: int, where: str = "") -> pa.Table:
        """``bucket`` (0 ≤ n < buckets, by digest of the key alone), ``n`` rows, ``digest`` over all row digests of the bucket."""
        ...


@runtime_checkable
class Still(Protocol):
    """A connector that can hold on to a moment, so that what is read later fits what was read before."""

    def still(self, con: duckdb.DuckDBPyConnection, resources: Sequence[str]) -> AbstractContextManager[Connector]:
        """A connector, for reading only, that shows these resources as they all are now, for as long as the context lasts.

        Others may go on writing, where the system lets them; what they write is not seen.

        Args:
            con: of the engine whose connections will read.
            resources: all that will be read.

        Raises:
            UnknownName: no such resource.
            SystemChanged: when the context is left: the system could not hold on to that moment, and what was read is worth nothing.
        """
        ...


@runtime_checkable
class Versioned(Protocol):
    """A connector whose system knows which version of a row it holds, so that rows nobody wrote are told without looking at values."""

    def version_mark(self, resource: str, columns: Sequence[str]) -> str | None:
        """Under which mark versions may be compared: only those read after the same mark was given. ``None``: rows have no versions.

        Args:
            resource: the table.
            columns: those whose values are read; a change of anything else that makes them show other values changes the mark.
        """
        ...

    def version_rows(self, con: duckdb.DuckDBPyConnection, resource: str, key: Sequence[str], where: str = "") -> str:
        """A relation with the key columns (as ``scan`` gives them) and ``_digest`` UBIGINT, of one consistent state.

        Under one mark, rows of a key whose ``_digest`` is the same have the same values, but for a chance of 2^-64. One that was written
        with the values it had, or moved, has another. Not comparable between systems.

        Args:
            con: where the rows become readable.
            resource: the table.
            key: its key columns.
            where: as for ``Digested``.
        """
        ...

    def scan_versions(self, con: duckdb.DuckDBPyConnection, resource: str, keys: str) -> tuple[str, str]:
        """What ``Keyed.scan_keys`` gives, and the same rows with ``_version`` UBIGINT: ``_digest`` of ``version_rows``, read with them.

        The second is empty where that column would hide one of the resource's own.
        """
        ...

    def moment(self) -> str:
        """A stamp of now: whatever is read from now on and was not written since then, is as it is now."""
        ...

    def untouched(self, resource: str, stamp: str, rows: int) -> bool:
        """Whether the resource holds just so many rows, none of them written since ``stamp``.

        Args:
            resource: the table.
            stamp: of ``moment`` or of a fill, under the same mark.
            rows: as many as it held then, or as were filled in.
        """
        ...

    def written_rows(self, con: duckdb.DuckDBPyConnection, resource: str, key: Sequence[str], stamp: str, where: str = "") -> str:
        """A relation with the key columns, as ``version_rows`` has them, of the rows written since ``stamp`` and not deleted again."""
        ...


@runtime_checkable
class Summed(Protocol):
    """A ``Versioned`` connector whose system can add up the versions of all rows itself, so that none has to travel."""

    def rows_written(self, resource: str) -> int | None:
        """How many rows were ever written, as far as the system has counted: too few is no harm, since nothing is decided by it.

        It only says whether adding up is worth the try, or the versions are to be read at once.
        """
        ...

    def version_sum(self, resource: str, where: str = "") -> tuple[int, int]:
        """Number of rows, and the exclusive or of what ``version_rows`` gives as ``_digest``, of one consistent state."""
        ...


@dataclass(frozen=True, slots=True)
class Noting:
    """What is to be noted about a batch in the instant before it is committed.

    Args:
        writer: who writes; unique for a store, flow and binding, and the same from batch to batch.
        label: the same for people.
        marker: whether a row about the batch may be kept in the system, where it can answer in no other way.
        note: called inside the transaction, once nothing but the commit is left to do, with the receipt, why there is none (else empty),
            and what became of each row. Called again when the commit was refused and is tried with fewer rows: the last call holds.
    """

    writer: str
    label: str
    marker: bool
    note: Callable[[str, str, ApplyResult], None]


@runtime_checkable
class Receipted(Protocol):
    """A connector whose system can tell afterwards, exactly, whether a batch was committed."""

    def apply_noted(self, batch: ChangeBatch, noting: Noting) -> ApplyResult:
        """As ``apply``; what ``noting.note`` was told is kept before the batch becomes visible to anybody.

        A batch that was never noted was not committed. Whatever ``note`` raises takes the batch back.
        """
        ...

    def was_committed(self, receipt: str) -> bool | None:
        """Whether the batch of a receipt was committed; ``None`` when the system cannot tell any more.

        The answer is final: a transaction that is still open is waited for, and ended when it belongs to nobody.

        Raises:
            SystemUnreachable: no answer.
            SystemChanged: it is still open and cannot be ended now.
        """
        ...


@runtime_checkable
class Cascading(Protocol):
    """A connector whose system may delete or empty rows by itself, since they point at a row that is deleted."""

    def carried_on(self, batch: ChangeBatch) -> tuple[Carried, ...]:
        """What deletes would go on to, if they were carried out now; nothing is changed.

        Args:
            batch: of deletes, with their keys and nothing else.
        """
        ...


@runtime_checkable
class Giving(Receipted, Protocol):
    """A ``Receipted`` connector whose system can give rows their keys: a sequence, a default, an auto-increment."""

    def gives_key(self, resource: str, column: str) -> str:
        """Why the system gives no key in this column; empty when it does."""
        ...
