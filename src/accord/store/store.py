"""The store: event log, projections, segments and lease of one workspace behind one object."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Set
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, TypeVar

import duckdb
import pyarrow as pa

from accord.model.errors import AccordError, DataRefused, UsageError
from accord.model.event import Event, Head, ObjectRef, StoredEvent
from accord.store import lease as leases
from accord.store import letting_go, log
from accord.store.database import Database, Row, Rows, Transaction, Value
from accord.store.group import GroupCommit
from accord.store.migrate import migrate
from accord.store.projection import Projection, Projector, as_table, build, discover, outdated
from accord.store.scrub import scrub
from accord.store.sealing import Keyring, Marking, Sealer, Subject
from accord.store.segments import Segment, SegmentFault, SegmentFolder
from accord.store.sqlite import SqliteDatabase
from accord.store.turn import Ahead

_SHA = re.compile(r"[0-9a-f]{64}")
_DAY_SECONDS = 86_400.0
# By ranges around the roles that hold records, so that the database passes over those, however many there are.
_STATE = " UNION ALL ".join(
    f'SELECT role, sha, "position" FROM flow_state WHERE flow = ? AND {among}'
    for among in ("role < 'changes'", "role > 'changes' AND role < 'conflicts'", "role > 'conflicts'")
)
_STATE = f'SELECT role, sha FROM ({_STATE}) s ORDER BY role, "position"'
T = TypeVar("T")
Hook = Callable[[Transaction, Sequence[StoredEvent]], None]


class Lease:
    """A held lease; writes renew it by themselves, long work without writes may call ``renew``."""

    def __init__(self, holder: str, token: int, seconds: float, renew: Callable[[], None]) -> None:
        self.holder, self.token, self.seconds, self._renew = holder, token, seconds, renew

    def renew(self) -> None:
        """Let it last its full time again.

        Raises:
            LeaseHeld: it was taken over; stop.
        """
        self._renew()


class Store:
    """Everything Accord knows by itself; made by ``open_store``.

    One object may be used from several threads. Each writing method is one transaction: durable when it returns, or as if it had
    never been called.
    """

    def __init__(
        self,
        database: Database,
        segments: SegmentFolder,
        projections: Sequence[Projection],
        clock: leases.Clock,
        sealer: Sealer,
    ) -> None:
        self._database, self._segments, self._projections, self._clock = database, segments, tuple(projections), clock
        self._sealer, self._projector = sealer, Projector(projections)
        self._lease: Lease | None = None
        self._group = GroupCommit(self._transaction, self._append)
        self._hooks: list[Hook] = []

    @property
    def dialect(self) -> Literal["sqlite", "postgresql"]:
        """Which database holds it."""
        return self._database.dialect

    @property
    def where(self) -> str:
        """Path or URL (without password), for messages."""
        return self._database.where

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the database; closing twice is harmless."""
        self._database.close()

    def append(self, events: Iterable[Event]) -> Head:
        """Add events to the log and bring every projection forward: all of it or nothing, durable on return.

        An event whose id is in the log already, with the same content, is ignored, so repeating a call is harmless.

        Raises:
            TerminalError: an id stands for another event.
            UsageError: an event is not plain JSON, or lacks what a projection needs.
            LeaseHeld: the lease this store works under was taken over.
            StorageFull: the disk took no more.
        """
        checked = [log.checked(event) for event in events]
        with self._transaction() as tx:
            return self._append(tx, checked)

    def _append(self, tx: Transaction, checked: list[Event], fresh: Set[str] = frozenset()) -> Head:
        head, new = log.append(tx, checked, self._sealer, fresh)
        for batch in log.batches(new):
            self._projector.apply(tx, batch)
            for hook in self._hooks:
                hook(tx, batch)
        return head

    def protect(self, marking: Marking) -> None:
        """From now on seal what this finds in events before they enter the log; projections and readers get it open."""
        self._sealer.marking = marking

    def also(self, hook: Hook) -> None:
        """From now on carry out ``hook`` on what this object appends, in the same transaction: both happen, or neither.

        A rebuild does not call it: it is for what follows from an event once, such as a job in a queue. Given twice it is called once.
        """
        if hook not in self._hooks:
            self._hooks.append(hook)

    def transact(self, decide: Callable[[Rows], tuple[Iterable[Event], T]], *, ahead: Ahead | None = None, fresh: str = "") -> T:
        """Read, decide and append as one: nobody else writes between what ``decide`` reads and the events it gives.

        Calls of several threads that come together share one transaction, in which each sees what those before it decided. ``decide``
        may be called on another thread, and again where others made the transaction fail; it must read only through what it is given,
        and not call the store.

        Args:
            decide: reads projections and gives the events to append and what to return; when it raises, nothing is written.
            ahead: what it will read, as far as that is known: fetched at once for all that share the transaction.
            fresh: how ids of its events begin that were drawn by chance for this call alone: no repeat can have given them, so they are
                not looked for. One that is in the log all the same is refused with everything else.

        Returns:
            What ``decide`` gave as second, once the events are durable.

        Raises:
            As ``append``, and whatever ``decide`` raises.
        """
        return self._group.run(decide, ahead, fresh)

    def rows(self, sql: str, *values: Value) -> list[Row]:
        """Rows of a query on projections, in the SQL both databases share; for reading by key what ``table`` would give whole."""
        return self._database.rows(sql, *values)

    def read(
        self,
        *,
        after: int = 0,
        types: Sequence[str] | None = None,
        object: ObjectRef | None = None,  # noqa: A002 - the word of the log for what an event is about
        limit: int | None = None,
    ) -> Iterator[StoredEvent]:
        """Events in order, up to the head at the first ``next``.

        Args:
            after: sequence number to start behind.
            types: only these event types.
            object: only events about this object; its qualifier counts when it is not empty.
            limit: at most so many.
        """
        return log.read(self._database, self._sealer, after=after, types=types, about=object, limit=limit)

    def opened(self, rows: Rows, bodies: Sequence[str]) -> list[Event]:
        """The events of texts read within a transaction, with what is sealed in them open where the key is there."""
        return self._sealer.decode(rows, bodies)

    def head(self) -> Head:
        """The end of the log."""
        return log.read_head(self._database)

    def verify(self, *, through: Head | None = None) -> Head:
        """Compute the hash chain anew and return its head.

        Args:
            through: a head noted outside the store; a log rewritten as a whole shows only against one.

        Raises:
            LogTampered: naming the first event that does not verify.
        """
        return log.verify(self._database, through=through)

    def rebuild(self) -> None:
        """Compute every projection anew from the log."""
        with self._transaction() as tx:
            build(tx, self._projections, log.batches(log.read(tx, self._sealer)), dialect=self._database.dialect)

    def table(self, projection: str) -> pa.Table:
        """A projection (or view of one) as Arrow: times as timestamp[us, UTC], JSON as text.

        Raises:
            UnknownName: no such projection.
        """
        return as_table(self._database, self._projections, projection)

    def flow_state(self, flow: str) -> dict[str, tuple[str, ...]]:
        """Role and segments of what the flow agreed on last; empty before its first run. Records of what happened are no part of it."""
        state: dict[str, list[str]] = {}
        for role, sha in self._database.rows(_STATE, *[flow] * _STATE.count("?")):
            state.setdefault(role, []).append(sha)
        return {role: tuple(shas) for role, shas in state.items()}

    def flow_records(self, flow: str, role: str, *, after: int = 0, last: int | None = None) -> dict[int, str]:
        """Segments with what happened in a flow, by position, oldest first; most runs add one, so there may be very many.

        Args:
            flow: its name.
            role: ``changes`` or ``conflicts``.
            after: leave out those before this position.
            last: only so many of the newest.
        """
        query = 'SELECT "position", sha FROM flow_state WHERE flow = ? AND role = ? AND "position" >= ? ORDER BY "position" DESC'
        limit = "" if last is None else f" LIMIT {int(last)}"
        return {int(position): str(sha) for position, sha in reversed(self._database.rows(query + limit, flow, role, after))}

    def pending_intents(self, flow: str, targets: Collection[str] | None = None) -> tuple[StoredEvent, ...]:
        """``flow.intended`` events whose writes may have happened without being taken into the base, oldest first.

        An intent is settled by ``flow.run_finished`` of its own run, and target by target by a later run that moved that base.

        Args:
            flow: its name.
            targets: only intents that are open for one of these; of a target the map no longer names they stay open.
        """
        rows = self._database.rows("SELECT seq, target FROM intent WHERE flow = ? AND closed_seq IS NULL ORDER BY seq", flow)
        open_ = dict.fromkeys(seq for seq, target in rows if targets is None or target in targets)
        return tuple(stored for seq in open_ for stored in self.read(after=seq - 1, limit=1))

    def write_segment(self, table: pa.Table) -> Segment:
        """Write a table as a segment; it counts once an event names it. Equal tables are one segment."""
        return self._segments.write(table)

    def write_segment_from(self, con: duckdb.DuckDBPyConnection, sql: str) -> Segment:
        """Write the result of a DuckDB query as a segment without holding it in memory.

        ``sql`` is a SELECT; give it an ORDER BY where the order of rows is not fixed, so that equal results are one segment.
        """
        return self._segments.write_from(con, sql)

    def write_segment_batches(self, batches: pa.RecordBatchReader, told: Collection[str]) -> Segment:
        """Write rows that come as Arrow batches as a segment, which costs half of ``write_segment_from``.

        Args:
            batches: read to their end; no dictionaries among their columns.
            told: the columns that a few rows will be looked for by.
        """
        return self._segments.write_batches(batches, told)

    def read_segment(self, sha: str) -> Path:
        """The Parquet file of a segment.

        Raises:
            DataRefused: it is missing.
        """
        while not self._segments.there(sha):
            found = self._database.rows("SELECT replacement FROM erased_segment WHERE sha = ?", sha)
            if not found:
                break
            sha = str(found[0][0])  # rows of a person were taken out of it; the log names it as it was
        return self._segments.path(sha)

    segment_path = read_segment

    def segment_names(self) -> frozenset[str]:
        """The segments that are there, named by an event or not."""
        return self._segments.names()

    def event_bodies(self) -> Iterator[str]:
        """The text of every event as it is hashed, in order."""
        return log.bodies(self._database)

    def verify_segments(self) -> tuple[SegmentFault, ...]:
        """Segments the log rests on that are missing, and segments whose bytes changed; reads all of them.

        One that was erased is not missing: the event that says so names the one that stands for it, which must be there. One that was
        let go is not missed, and may be there still.
        """
        erased: dict[str, str] = dict(self._database.rows("SELECT sha, replacement FROM erased_segment"))
        there, asked = self._segments.names(), set()
        for (sha,) in self._database.rows("SELECT DISTINCT sha FROM segment"):
            while sha not in there and sha in erased:
                sha = erased[sha]
            asked.add(str(sha))
        missing = [SegmentFault(sha, "missing") for sha in sorted(asked - there)]
        return (*missing, *(SegmentFault(sha, "corrupt") for sha in sorted(there) if self._segments.corrupt(sha)))

    def segments_used(self) -> tuple[int, int]:
        """How many segments are there, and how many bytes they take; looks at each file."""
        return self._segments.used()

    def spent_segments(self, flow: str, *, at_least: int, at_most: int) -> list[str]:
        """Segments that ``segment.released`` of the flow may name, but for those of its open intents; none when they are too few."""
        return letting_go.spent(self._database, flow, at_least=at_least, at_most=at_most)

    def remove_released(self, *, before: datetime, age_seconds: float) -> int:
        """Take away the files of the oldest ``segment.released``, unless it is younger; returns what ``segment.removed`` has to say."""
        return letting_go.remove_oldest(self._database, self._segments, before=before, age_seconds=age_seconds)

    def has_segment(self, sha: str) -> bool:
        """Whether the file of a segment is there, or one that stands for it."""
        try:
            return self.read_segment(sha).is_file()
        except DataRefused:
            return False

    def unused_segments(self) -> tuple[str, ...]:
        """Segments that no event names, in whatever attribute: left by a crash, or just written and about to be named."""
        unnamed = set(self._segments.names())
        for body in log.bodies(self._database):
            unnamed.difference_update(_SHA.findall(body))
        return tuple(sorted(unnamed))

    def collect(self, *, older_than_seconds: float = _DAY_SECONDS) -> tuple[str, ...]:
        """Remove unused segments of at least that age, and what interrupted writers left; returns the segments removed.

        Raises:
            LeaseHeld: another process works on the store; it may be about to name a segment.
        """
        with self.lease("collect"):
            removed = [sha for sha in self.unused_segments() if self._segments.age_seconds(sha) >= older_than_seconds]
            for sha in removed:
                self._segments.remove(sha)
            self._segments.remove_partial(older_than_seconds)
        return tuple(removed)

    def pseudonyms(self, subjects: Iterable[Subject]) -> dict[Subject, str]:
        """The pseudonyms of those persons for whom something was sealed."""
        return self._sealer.keyring.known(self._database, subjects)

    def shred(self, subjects: Iterable[Subject], said: Callable[[Sequence[str]], Event]) -> None:
        """Shred the keys of persons: what was sealed for them can no longer be read. ``scrub`` has to follow.

        Args:
            subjects: who; those without a key are passed over.
            said: the event that goes into the log with it, given their pseudonyms.
        """
        who, keyring = list(subjects), self._sealer.keyring
        with self._transaction() as tx:
            self._append(tx, [log.checked(said(sorted(keyring.known(tx, who).values())))])
            old = keyring.shred(tx, keyring.known(tx, who).values())  # asked again: the event itself may name one of them
            tx.run("INSERT INTO erasure (kek) VALUES (?) ON CONFLICT (kek) DO NOTHING", old)

    def unscrubbed(self) -> bool:
        """Whether keys were shredded and what was computed from their values may still be there."""
        return bool(self._database.rows("SELECT 1 FROM erasure"))

    def scrub(self) -> None:
        """After ``shred``: destroy the key file of before, compute every projection anew, and leave no old page in the database.

        Raises:
            LeaseHeld: somebody reads the database; nothing is lost, and it has to be called again.
        """
        scrub(self._database, self._sealer.keyring, self.rebuild)

    def replace_segments(self, replaced: Mapping[str, tuple[str, int]], event: Event) -> None:
        """Take segments away for ever; who asks for one of them gets its replacement, and ``verify_segments`` does not miss it.

        Args:
            replaced: segment and the one with its other rows, which was written already, and the number of rows it lacks.
            event: of type ``segment.erased``, naming them as (sha, replacement, rows).
        """
        self.append([event])
        for sha, (replacement, _) in replaced.items():
            if sha != replacement:
                self._segments.remove(sha)

    @contextlib.contextmanager
    def lease(self, holder: str, *, seconds: float = leases.DEFAULT_SECONDS) -> Iterator[Lease]:
        """Be the one process that works on this store, until the block ends; inside one, the same lease is given again.

        A holder that died is taken over: its process is gone from this host, or, on another host, it let ``seconds`` pass without a
        write.

        Raises:
            LeaseHeld: another process works on it.
        """
        if self._lease is not None:
            yield self._lease
            return
        token = self._take(leases.WRITER, holder, seconds)
        self._lease = Lease(holder, token, seconds, self._renew)
        try:
            yield self._lease
        except BaseException:
            # A failing release must not hide why the work failed; the lease ends with the process anyway.
            with contextlib.suppress(AccordError):
                self._release(token)
            raise
        else:
            self._release(token)

    @contextlib.contextmanager
    def lease_named(self, name: str, holder: str, *, seconds: float = leases.DEFAULT_SECONDS) -> Iterator[Lease]:
        """Be the one process that does what ``name`` stands for, beside whoever holds the store's own lease.

        Writes do not look at it: whoever holds it calls ``renew`` within ``seconds`` and stops when that raises.

        Raises:
            LeaseHeld: another process does it.
        """

        def renew() -> None:
            with self._database.write() as tx:
                leases.check(tx, token, where=self.where, name=name)
                leases.renew(tx, token, clock=self._clock, seconds=seconds, name=name)

        token = self._take(name, holder, seconds)
        try:
            yield Lease(holder, token, seconds, renew)
        finally:
            # The work is done or failed by itself; a lease that could not be given back ends with the process.
            with contextlib.suppress(AccordError):
                self._give_back(name, token)

    def holder(self, name: str = leases.WRITER) -> str:
        """Who holds a lease now, for a sentence; ``""`` when nobody does."""
        return leases.holder_of(self._database, leases.ProcessId.own(), clock=self._clock, name=name)

    def _take(self, name: str, holder: str, seconds: float) -> int:
        token = 0
        try:
            with self._database.write() as tx:
                token = leases.take(tx, holder, leases.ProcessId.own(), clock=self._clock, seconds=seconds, where=self.where, name=name)
                leases.hold(name, token)
        except BaseException:
            if token:
                leases.let_go(name, token)  # it may be in the store all the same, where the answer of the commit was lost
            raise
        return token

    def _release(self, token: int) -> None:
        self._lease = None
        self._give_back(leases.WRITER, token)

    def _give_back(self, name: str, token: int) -> None:
        try:
            with self._database.write() as tx:
                leases.release(tx, token, name=name)
        finally:
            leases.let_go(name, token)

    def _renew(self) -> None:
        with self._transaction():
            pass  # every transaction under a lease checks and renews it

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[Transaction]:
        with self._database.write(at_once=False) as tx:
            if self._lease is not None:
                leases.check(tx, self._lease.token, where=self.where)
                leases.renew(tx, self._lease.token, clock=self._clock, seconds=self._lease.seconds)
            yield tx


def _utc_now() -> datetime:
    return datetime.now(UTC)


def open_store(
    url: str | Path,
    *,
    segments: Path,
    projections: Sequence[Projection] | None = None,
    clock: Callable[[], datetime] = _utc_now,
    keys: Path | None = None,
) -> Store:
    """Open a store, making or migrating it where needed.

    Args:
        url: path of an SQLite file, ``sqlite:///path``, or ``postgresql://…``.
        segments: folder for bulk data; made with the first segment.
        projections: default: all found in ``store/projections``.
        clock: gives the time by which leases of a store in a file expire; in PostgreSQL it is the server's.
        keys: folder for the key that seals personal values; default: ``keys`` beside the segments. Made with the first such value.

    Raises:
        UsageError: a URL of another kind.
        SystemUnreachable: no such server, or a file that cannot be written to.
        DataRefused: written by a newer Accord, or not a store.
    """
    database = _database(str(url))
    sealer = Sealer(Keyring(keys or Path(segments).parent / "keys"))
    try:
        migrate(database)
        found = discover() if projections is None else tuple(projections)
        if outdated(database, found):
            with database.write() as tx:
                build(tx, found, log.batches(log.read(tx, sealer)), dialect=database.dialect)
    except BaseException:
        database.close()
        raise
    # Only those on one host have one clock by themselves.
    leased_by = leases.Clock.of_server() if database.dialect == "postgresql" else leases.Clock.of_host(clock)
    return Store(database, SegmentFolder(Path(segments)), found, leased_by, sealer)


def _database(url: str) -> Database:
    if url.startswith(("postgresql://", "postgres://")):
        from accord.store.postgres import PostgresDatabase  # its driver takes a tenth of a second, which SQLite should not wait

        return PostgresDatabase(url)
    path = url.removeprefix("sqlite:///")
    if "://" in path or not path or path == ":memory:":
        raise UsageError(f"'{url}' is no place for a store.", expected="Expected the path of an SQLite file or postgresql://….")
    return SqliteDatabase(Path(path))
