"""What one cycle of a flow works with: its sides, its keys and the DuckDB tables of each stage."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa

from accord.connectors.protocol import Connector, Feed
from accord.connectors.types import duckdb_type, quote
from accord.model.entity import Entity
from accord.model.event import StoredEvent
from accord.model.figure import Finding
from accord.model.flow import Binding, Flow
from accord.model.integration_map import IntegrationMap
from accord.model.types import CanonicalType
from accord.store import Store
from accord.sync.mapping.fields import FieldCode

Progress = Callable[[str], None]


@dataclass(slots=True)
class Log:
    """A feed drained for this run: ``position`` is stored with its effect and acknowledged after."""

    feed: Feed
    position: str | None
    keys: int | None  # in table ``told_<i>``; None: every row has to be compared
    reason: str = ""
    earlier: str = ""  # as ``KeyChanges`` has it


@dataclass(slots=True)
class Side:
    """One binding as captured: its compiled mapping and the tables that hold its rows.

    Tables, by index: ``cap_`` every row read (canonical fields, ``raw.`` columns), ``bad_`` refused rows with reasons, ``cur_`` the
    accepted ones, ``qkey_`` keys whose row is refused, ``base_`` the last agreed values, ``pend_`` what unfinished runs meant to write.
    """

    index: int
    binding: Binding
    connector: Connector
    may_exist: bool
    codes: dict[str, FieldCode] = field(default_factory=dict)
    columns: dict[str, str] = field(default_factory=dict)
    lacking: tuple[str, ...] = ()
    rows: int = 0
    overlaid: bool = False
    doubled: bool | None = None  # whether some key stands twice in the capture, once that was asked
    relation: str = ""  # what was scanned, in the system's own columns
    unreadable: frozenset[str] = frozenset()  # columns of ``relation`` that cannot be read in some row
    broken: bool = False  # ``relation`` has lines that are no rows
    withheld: tuple[str, ...] = ()  # fields not read or written for now, because their column is another than before
    taken: tuple[str, ...] = ()  # columns that are others than at the last run, which had these names
    declared: Mapping[str, str] = field(default_factory=dict)  # its columns with their types, as judged before anything is written
    token: str | None = None  # the resource's change token, when it was the same before and after the capture
    swept: bool = False  # read whole in a run over part of the keys
    known: bool = False  # the flow's last run read its resource
    unmet: bool = False  # no run of the flow has read its resource yet: what it does not show is no loss
    part: bool = False  # ``cap_`` holds only the rows of keys in ``active``
    mark: str = ""  # under which the versions of its rows were read; empty: digests of values
    digested: bool = False  # its system computed digests of all its rows before they were read
    summed: bool = False  # and only told that together they are as they are kept
    fresh: frozenset[str] = frozenset()  # fields that it reads for the first time, or in another way: their base says nothing
    widened: frozenset[str] = frozenset()  # fields that may be written from now on
    elsewhere: bool = False  # its rows are read from another place than at the flow's last run
    earlier: str = ""  # what shows that its system stands at an earlier state than the flow's last run left
    restored: bool = False  # a person says so: what it shows is no edit, and is brought up to what was agreed
    open: frozenset[str] = frozenset()  # fields about which some row of ``merged`` is in an open conflict
    moving: frozenset[str] = frozenset()  # fields that may have to be written to some row that is there
    unseen: frozenset[str] = frozenset()  # fields of which some row was agreed on and not shown here
    missed: bool = False  # some row was agreed on, not made here, and stands here now

    @property
    def name(self) -> str:
        """The binding's name."""
        return self.binding.name

    @property
    def readable(self) -> bool:
        """Whether its rows are believed."""
        return self.binding.direction != "write"

    @property
    def writable(self) -> bool:
        """Whether it may be written."""
        return self.binding.direction != "read"

    def leaves(self, deletes: str) -> str:
        """SQL over ``merged``: the key was deleted here and, by the flow's rule for deletes, stays so while others keep it."""
        gone = f"_gone_{self.index}"
        return gone if deletes == "propagate" or not self.may_exist else f"({gone} OR _del_{self.index})"

    def based(self, field: str) -> str:
        """SQL over ``merged``: what was agreed with this side about the row tells whether its value of the field is an edit."""
        return "false" if field in self.fresh else f"_ba_{self.index}"

    def new(self, field: str) -> str:
        """SQL over ``merged``: this side shows the row, or this field of it, for the first time."""
        return f"_in_{self.index}" if field in self.fresh else f"_new_{self.index}"

    def table(self, kind: str) -> str:
        """The name of one of this side's tables."""
        return f"{kind}_{self.index}"

    @property
    def known_columns(self) -> list[str]:
        """Its columns as the next run knows them: without those that took another's name, which were then not there."""
        return sorted(set(self.columns) - set(self.taken))

    @property
    def fields(self) -> tuple[str, ...]:
        """Canonical fields this side provides, keys included, in the entity's order."""
        return tuple(self.codes)

    def own_base(self, cycle: Cycle) -> None:
        """Make ``base_<i>`` a table of this run, which may then differ from what the store holds."""
        if not self.overlaid:
            cycle.sql(f"DROP VIEW {self.table('base')}")
            cycle.sql(f"CREATE TABLE {self.table('base')} AS SELECT * FROM {self.table('stored_base')}")
            self.overlaid = True

    def contested(self, field: str) -> str:
        """SQL over ``merged`` (m), the capture (r) and the base (b): this side is party to an open conflict about the field."""
        if field not in self.open or not self.codes[field].readable:
            return "false"  # nobody disagrees, or it is never believed
        f = quote(field)
        edited = f"(({self.based(field)} AND r.{f} IS DISTINCT FROM b.{f}) OR ({self.new(field)} AND r.{f} IS NOT NULL))"
        return f"(m.{quote('h.' + field)} AND {edited})"

    def sharing(self) -> dict[str, tuple[str, ...]]:
        """Of each field, the fields that are written to a column of it, itself first."""
        columns = {name: _columns_of(code) for name, code in self.codes.items()}
        written: dict[str, list[str]] = {}
        for name, mine in columns.items():
            for column in mine if self.codes[name].writable else ():
                written.setdefault(column, []).append(name)
        found = {}
        for name, mine in columns.items():
            others = {other for column in mine for other in written.get(column, ()) if other != name}
            found[name] = (name, *((f for f in self.codes if f in others) if others else ()))
        return found

    def written(self, keys: tuple[str, ...]) -> tuple[FieldCode, ...]:
        """The fields that may be written, one per column (or all of a column's, where they write it together), keys left out."""
        found: dict[str, FieldCode] = {}
        first: dict[str, FieldCode] = {}
        for code in self.codes.values():
            if code.writable and code.name not in keys and first.setdefault(code.column, code).write == code.write:
                found[code.name] = code
        return tuple(found.values())


def _columns_of(code: FieldCode) -> set[str]:
    return {c.lower() for c in (code.column, *(column for column, _ in code.more)) if c}


@dataclass(frozen=True, slots=True)
class Ahead:
    """How a plan that nobody has carried out yet would change the agreed rows of a flow.

    Args:
        came: rows that would be there as they are not now, with the key and the fields that other flows look at.
        gone: keys of rows that would not be there any more.
        known: these are all; else it shows only once the plan is carried out.
    """

    came: pa.Table
    gone: pa.Table
    known: bool


@dataclass(slots=True)
class Cycle:
    """The state of one run of one flow; ``now`` is given by the caller, time passed since is measured."""

    con: duckdb.DuckDBPyConnection
    store: Store
    map: IntegrationMap
    flow: Flow
    entity: Entity
    run: str
    now: datetime
    sides: list[Side]
    progress: Progress
    findings: list[Finding] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)
    intended: bool = False
    newest: dict[str, dict[str, datetime]] = field(default_factory=dict)  # side → field with freshness → its newest value
    shapes: dict[str, object] = field(default_factory=dict)  # side → its columns with types, as the last event of the run keeps them
    partial: bool = False  # about the keys of table ``scope`` only; outside it every side shows what its base holds
    looked: int = 0  # keys in ``scope``
    limited: bool = False  # told to let all but some keys be
    restated: bool = False  # the map or the program changed: what is stored may have another shape than what is written
    notes: dict[str, Any] = field(default_factory=dict)  # what the run's last event keeps for the next run
    sizes: dict[str, int] = field(default_factory=dict)  # role → rows agreed, as the last run left them
    logs: dict[str, Log] = field(default_factory=dict)  # side → its log as drained by this run
    intents: list[StoredEvent] = field(default_factory=list)  # of runs that never finished, oldest first
    catalog: str = ""  # name of the database that holds this cycle's tables, once it was asked for
    outcomes: dict[int, dict[str, str | None]] = field(default_factory=dict)  # intent → target → the rows it left; None: not written
    links: list[str] = field(default_factory=list)  # segments of links that a dry run found out and keeps to itself
    made: dict[str, int] = field(default_factory=dict)  # table → the rows it was made with
    failed: tuple[int, int] | None = None  # how many segments of change records state ``failed`` covers, and table ``failed``, once made
    foreseen: Mapping[str, Ahead] = field(default_factory=dict)  # of a dry run: flow → what the plans before this one would change
    ahead: Ahead | None = None  # what this dry run would change in what is agreed
    contract: str = ""  # fingerprint of the contract that the next run is held against
    keep_contract: bool = False  # the log may not hold that contract yet
    resumed: bool = False  # ``base_`` and ``golden0`` hold what an unfinished run, or an earlier round, had agreed on

    @property
    def keys(self) -> tuple[str, ...]:
        """Key fields of the entity."""
        return self.entity.key

    @property
    def fields(self) -> tuple[str, ...]:
        """All fields of the entity, keys included."""
        return tuple(self.entity.fields)

    @property
    def seconds(self) -> float:
        """Seconds since the cycle began."""
        return time.monotonic() - self.began

    def clock(self) -> datetime:
        """The time now, counted from ``now``."""
        return self.now + timedelta(seconds=self.seconds)

    def sql(self, text: str, parameters: Mapping[str, object] | None = None) -> list[tuple[object, ...]]:
        """Run one statement and give its rows."""
        return list(self.con.execute(text, dict(parameters) if parameters else None).fetchall())

    def count(self, text: str, parameters: Mapping[str, object] | None = None) -> int:
        """The single number a query gives, or how many rows a statement made."""
        row = self.con.execute(text, dict(parameters) if parameters else None).fetchone()
        return int(row[0]) if row and row[0] is not None else 0

    def make(self, table: str, query: str, parameters: Mapping[str, object] | None = None) -> int:
        """Make a table of what a query gives and say how many rows those are."""
        self.made[table] = self.count(f"CREATE OR REPLACE TABLE {table} AS {query}", parameters)
        return self.made[table]

    def make_empty(self, table: str, columns: Mapping[str, str]) -> None:
        """The same without a row."""
        self.sql(f"CREATE OR REPLACE TABLE {table} ({', '.join(f'{quote(c)} {t}' for c, t in columns.items())})")
        self.made[table] = 0

    def rows(self, table: str) -> int:
        """How many rows a table of ``make`` was made with."""
        return self.made[table]

    def has(self, table: str) -> bool:
        """Whether this cycle made such a table, or a view of that name."""
        if not self.catalog:
            self.catalog = quote(str(self.sql("SELECT current_database()")[0][0]))
        try:
            # The catalog's own list of tables costs ten times as much. Without the whole name a variable of that name would be taken.
            self.con.execute(f"SELECT 1 FROM {self.catalog}.main.{quote(table)} LIMIT 0")
        except duckdb.CatalogException:
            return False
        return True

    def using(self) -> str:
        """``USING (…)`` of the key."""
        return f"USING ({names(self.keys)})"

    def side(self, name: str) -> Side | None:
        """The side of that binding, or ``None``."""
        return next((s for s in self.sides if s.name == name), None)


def storage_type(entity: Entity, name: str) -> str:
    """The DuckDB type a field is kept in; JSON as its canonical text."""
    type_ = CanonicalType.parse(entity.fields[name].type)
    return "VARCHAR" if type_.name == "json" else duckdb_type(type_)


def names(columns: Iterable[str], alias: str = "") -> str:
    """Column names as a list for SQL."""
    prefix = f"{alias}." if alias else ""
    return ", ".join(prefix + quote(c) for c in columns)


def join_on(keys: Iterable[str], left: str, right: str) -> str:
    """``left.k = right.k AND …``."""
    return " AND ".join(f"{left}.{quote(k)} = {right}.{quote(k)}" for k in keys)


def key_json(keys: Iterable[str], alias: str = "") -> str:
    """SQL giving the key as JSON text; every value as text, so that nothing is rounded."""
    prefix = f"{alias}." if alias else ""
    packed = ", ".join(f"{quote(k)} := CAST({prefix}{quote(k)} AS VARCHAR)" for k in keys)
    return f"CAST(to_json(struct_pack({packed})) AS VARCHAR)"


def only_rows(cycle: Cycle, side: Side) -> str:
    """SQL of a side's captured rows, without those whose key stands twice: they say nothing about what became of a write."""
    cap, keys = side.table("cap"), names(cycle.keys)
    if side.doubled is None:
        side.doubled = bool(cycle.count(f"SELECT count(*) - count(DISTINCT ({keys})) FROM {cap}"))
    if not side.doubled:
        return f"SELECT * FROM {cap}"
    return f"SELECT * FROM {cap} ANTI JOIN (SELECT {keys} FROM {cap} GROUP BY ALL HAVING count(*) > 1) twice {cycle.using()}"
