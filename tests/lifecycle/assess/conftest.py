"""Canonical rows of made-up systems, as tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import duckdb
import pytest

from accord.connectors.duck import open_duck
from accord.connectors.types import duckdb_type, quote
from accord.lifecycle.assess.defects import create_table
from accord.lifecycle.observe import BROKEN, RAW, BoundRows, Observation
from accord.model.flow import Flow
from accord.model.integration_map import IntegrationMap
from accord.model.types import CanonicalType

Rows = Sequence[Mapping[str, object]]


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    connection = open_duck()
    yield connection
    connection.close()


@pytest.fixture
def observe(con: duckdb.DuckDBPyConnection) -> Callable[..., Observation]:
    """Make an observation from raw texts per flow and binding; canonical values are what DuckDB reads the texts as."""

    def make(integration_map: IntegrationMap, rows: Mapping[tuple[str, str], Rows]) -> Observation:
        create_table(con)
        bound = []
        for (flow_name, binding_name), given in rows.items():
            flow: Flow = integration_map.flows[flow_name]
            binding, entity = flow.bindings[binding_name], integration_map.entities[flow.entity]
            fields = tuple(binding.fields)
            table = quote(f"{flow_name}.{binding_name}")
            raw = ", ".join(f"{quote(RAW + f)} VARCHAR" for f in fields)
            con.execute(f"CREATE TABLE {quote('raw ' + table)} (_row INTEGER, {raw})")
            for number, row in enumerate(given, start=1):
                con.execute(
                    f"INSERT INTO {quote('raw ' + table)} VALUES (?{', ?' * len(fields)})",
                    [number, *(None if row.get(f) is None else str(row[f]) for f in fields)],
                )
            types = {f: duckdb_type(CanonicalType.parse(entity.fields[f].type)) for f in fields}
            read = ", ".join(f"try_cast({quote(RAW + f)} AS {types[f]}) AS {quote(f)}" for f in fields)
            broken = ", ".join(f"{quote(RAW + f)} IS NOT NULL AND {quote(f)} IS NULL AS {quote(BROKEN + f)}" for f in fields)
            con.execute(f"CREATE TABLE {table} AS SELECT *, {read}, {broken} FROM {quote('raw ' + table)}")
            bound.append(BoundRows(flow, binding, entity, table, fields, len(given)))
        return Observation(con, tuple(bound))

    return make
