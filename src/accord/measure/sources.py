"""What measuring reads: the map, and through the store the agreed rows, change records and imported logs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from accord.connectors.types import duckdb_type, literal, quote
from accord.measure.carried_out import carried_out
from accord.model.errors import UnknownName
from accord.model.integration_map import IntegrationMap
from accord.model.types import CanonicalType
from accord.store import Store
from accord.store.kept_as import kept_as


@dataclass(frozen=True, slots=True)
class View:
    """A view before it is made: its SELECT, the views that one reads, why it may be empty, and tables it reads beside files."""

    sql: str
    needs: tuple[str, ...] = ()
    why_empty: str = ""
    tables: Mapping[str, pa.Table] = field(default_factory=dict)


@dataclass(frozen=True)
class Sources:
    """The inputs of one measurement; ``now`` is the moment it is taken, UTC."""

    map: IntegrationMap
    store: Store
    now: datetime
    opened: set[Path] = field(default_factory=set, repr=False, compare=False)
    _cache: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def segments(self, flow: str, role: str) -> tuple[Path, ...]:
        """The Parquet files a flow's state, or its records, hold for a role; none before its first run.

        For ``golden`` of a flow that never ran: the rows the last assessment saw in its systems (``entity.observed``).
        """
        stands = self.stands(flow)
        if role == "changes" or role == "conflicts":
            return tuple(map(self.segment, self.store.flow_records(stands, role).values()))
        shas = self.store.flow_state(stands).get(role, ())
        if not shas and role == "golden" and flow in self.observed():
            shas = (self.observed()[flow],)
        return tuple(map(self.segment, shas))

    def stands(self, flow: str) -> str:
        """The name under which what a flow left stands: until its first run under a new one, the one it had before."""
        if "kept" not in self._cache:
            self._cache["kept"] = kept_as(self.map, self.store)
        kept: Mapping[str, str] = self._cache["kept"]
        return kept.get(flow, flow)

    def segment(self, sha: str) -> Path:
        """The Parquet file of a segment; only files asked for here can be read by a query."""
        path = self.store.read_segment(sha)
        self.opened.add(path)
        return path

    def observed(self) -> Mapping[str, str]:
        """Flow: segment with the rows its systems held when they were last assessed."""
        if "observed" not in self._cache:
            seen = (e.event.attributes for e in self.store.read(types=["entity.observed"]))
            self._cache["observed"] = {str(a["flow"]): str(a["sha"]) for a in seen}
        found: Mapping[str, str] = self._cache["observed"]
        return found

    def work(self) -> Mapping[str, pa.Table]:
        """What the processes that Accord carries out left, as the tables ``work …``; none when there are none."""
        if "work" not in self._cache:
            self._cache["work"] = carried_out(self.store)
        found: Mapping[str, pa.Table] = self._cache["work"]
        return found

    def simulated(self) -> tuple[datetime, ...]:
        """When simulated people began to carry out processes, for each time they did."""
        if "simulated" not in self._cache:
            seen = self.store.read(types=["work.simulated"])
            self._cache["simulated"] = tuple(datetime.fromisoformat(str(e.event.attributes["since"])) for e in seen)
        found: tuple[datetime, ...] = self._cache["simulated"]
        return found

    def logs(self) -> Mapping[str, Mapping[str, Any]]:
        """The newest import of each log, by the log's name, as its ``log.imported`` event tells."""
        if "logs" not in self._cache:
            self._cache["logs"] = {str(e.event.attributes["log"]): e.event.attributes for e in self.store.read(types=["log.imported"])}
        found: Mapping[str, Mapping[str, Any]] = self._cache["logs"]
        return found


def parquet(paths: Iterable[Path]) -> str:
    """A relation over Parquet files, columns matched by name."""
    return f"read_parquet([{', '.join(literal(str(p)) for p in paths)}], union_by_name = true)"


def parquet_columns(paths: Iterable[Path]) -> frozenset[str]:
    """The columns any of these files holds."""
    return frozenset(name for path in paths for name in pq.read_schema(path).names)


def empty(columns: Mapping[str, str]) -> str:
    """A SELECT with these columns and no row."""
    return "SELECT " + ", ".join(f"CAST(NULL AS {type_}) AS {quote(name)}" for name, type_ in columns.items()) + " WHERE false"


def typed(columns: Mapping[str, str], expressions: Mapping[str, str], rest: str) -> str:
    """A SELECT of all columns in order and type; those without an expression are null. ``rest`` is what follows the list."""
    items = ", ".join(f"CAST({expressions.get(name, 'NULL')} AS {type_}) AS {quote(name)}" for name, type_ in columns.items())
    return f"SELECT {items} {rest}"


def own_work(sources: Sources, columns: Mapping[str, str], table: str, *, why_empty: str = "no process was carried out") -> View:
    """A view over one of the tables of ``Sources.work``, whose columns have the names of the view's."""
    if not sources.work():
        return View(empty(columns), why_empty="no process was carried out")
    rows = typed(columns, {name: quote(name) for name in columns}, f"FROM {quote(table)}")
    return View(rows, why_empty=why_empty, tables=sources.work())


def entity_columns(integration_map: IntegrationMap, entity: str) -> dict[str, str]:
    """Field: DuckDB type, of an entity.

    Raises:
        UnknownName: the map has no such entity.
    """
    if entity not in integration_map.entities:
        raise UnknownName("entity", entity, integration_map.entities)
    fields = integration_map.entities[entity].fields
    return {name: duckdb_type(CanonicalType.parse(f.type)) for name, f in fields.items()}
