"""Opens the standard views for a measurement: DuckDB over the segments of the store, read only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Self

import duckdb
import pyarrow as pa
import sqlglot
from sqlglot import exp

from accord.connectors.duck import open_duck
from accord.connectors.types import literal, quote
from accord.measure.sources import Sources, View
from accord.measure.views import STANDARD_VIEWS, build_view
from accord.model.errors import UnknownName
from accord.model.integration_map import IntegrationMap
from accord.store import Store

# Views that several KPIs read and that cost a sort: computed once per measurement.
_MATERIALIZED = frozenset({"handoff", "completeness"})


class Measure:
    """One measurement of a map at one moment: the standard views in ``con``, over what the store holds.

    Nothing is written: neither a system nor our own state. Use as a context manager, or ``close()`` it.
    """

    def __init__(self, sources: Sources, con: duckdb.DuckDBPyConnection) -> None:
        self.sources, self.con = sources, con
        self._views: dict[str, View] = {}
        self._computed: set[str] = set()
        self._registered: set[str] = set()
        for name in (*(f"entity_{e}" for e in sources.map.entities), *STANDARD_VIEWS):
            self._make(name)
        # From here on no query reaches any file but the segments the views stand on, whatever it says.
        con.execute(f"SET allowed_paths = [{', '.join(literal(str(path)) for path in sorted(sources.opened))}]")
        con.execute("SET enable_external_access = false")
        con.execute("SET lock_configuration = true")

    @property
    def map(self) -> IntegrationMap:
        """The map that is measured."""
        return self.sources.map

    @property
    def now(self) -> datetime:
        """The moment of measuring, UTC."""
        return self.sources.now

    def ensure(self, names: Iterable[str]) -> None:
        """Make these views, and compute once those that cost a sort and are read by many.

        Raises:
            UnknownName: a name is neither a standard view nor an entity of the map.
        """
        for name in names:
            self._make(name)
            if name in _MATERIALIZED and name not in self._computed:
                self._computed.add(name)
                rows = quote(f"{name} rows")
                self.con.execute(f"CREATE TEMP TABLE {rows} AS FROM {quote(name)}")
                self.con.execute(f"CREATE OR REPLACE TEMP VIEW {quote(name)} AS FROM {rows}")

    def _make(self, name: str) -> None:
        if name in self._views:
            return
        if name not in STANDARD_VIEWS and name.removeprefix("entity_") not in self.map.entities:
            raise UnknownName("view", name, [*STANDARD_VIEWS, *(f"entity_{e}" for e in self.map.entities)])
        view = build_view(name, self.sources)
        for need in view.needs:
            self._make(need)
        for table, rows in view.tables.items():
            if table not in self._registered:
                self._registered.add(table)
                self.con.register(table, rows)
        self.con.execute(f"CREATE TEMP VIEW {quote(name)} AS {view.sql}")
        self._views[name] = view

    def arrow(self, sql: str, parameters: dict[str, Any] | None = None) -> pa.Table:
        """The rows of a query over the standard views, with ``$name`` parameters; the views it names are computed once."""
        own = set()
        tables = set()
        for statement in sqlglot.parse(sql, dialect="duckdb"):
            if statement is not None:
                own |= {cte.alias_or_name for cte in statement.find_all(exp.CTE)}
                tables |= {t.name for t in statement.find_all(exp.Table) if t.name in STANDARD_VIEWS or t.name.startswith("entity_")}
        self.ensure(sorted(tables - own))
        # A cursor would not see temporary views, so the one connection is used.
        return self.con.execute(sql, parameters).to_arrow_table() if parameters else self.con.execute(sql).to_arrow_table()

    def why_empty(self, names: Sequence[str]) -> str:
        """A reason why a query over these views found nothing."""
        return self.empty_view(names) or "there are rows, but none that fits"

    def empty_view(self, names: Sequence[str]) -> str:
        """Which of these views is empty, and why; an empty text when all hold rows."""
        for name in names:
            self.ensure([name])
            if self.con.execute(f"SELECT 1 FROM {quote(name)} LIMIT 1").fetchone() is None:
                return f"{self._root_cause(name)} ({name} is empty)"
        return ""

    def _root_cause(self, name: str) -> str:
        for need in self._views[name].needs:
            if self.con.execute(f"SELECT 1 FROM {quote(need)} LIMIT 1").fetchone() is None:
                return self._root_cause(need)
        return self._views[name].why_empty or "nothing was recorded"

    def close(self) -> None:
        """Let go of the connection."""
        self.con.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def open_measure(integration_map: IntegrationMap, store: Store, *, now: datetime) -> Measure:
    """A measurement of a map over what its store holds.

    Args:
        integration_map: what should be; its names are the names of the views.
        store: the event log and its segments.
        now: the moment of measuring, UTC; overdue is judged against it.
    """
    return Measure(Sources(integration_map, store, now), open_duck())
