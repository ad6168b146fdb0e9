"""Short ways to open a system, to write a batch of texts and to read a resource."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from accord.connectors.duck import borrowed_duck
from accord.connectors.protocol import ApplyResult, ChangeBatch, Connector
from accord.connectors.registry import open_connector
from accord.model.system import System

Rows = Sequence[Mapping[str, Any]]
Opener = Callable[..., Connector]


@pytest.fixture
def opened(tmp_path: Path) -> Opener:
    """Opens a system under the test's own folder."""

    def make(kind: str, at: str = ".", **declared: Any) -> Connector:
        return open_connector(System("sys", kind, at, **declared), base=tmp_path)

    return make


@pytest.fixture
def rows_of() -> Callable[..., list[dict[str, Any]]]:
    """Every row of a resource as our own scan gives it."""

    def read(connector: Connector, resource: str) -> list[dict[str, Any]]:
        with borrowed_duck(threads=2) as con:
            found = con.execute(f"SELECT * FROM {connector.scan(con, resource)}")
            names = [column[0] for column in found.description]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    return read


@pytest.fixture
def types_of() -> Callable[..., dict[str, str]]:
    """The DuckDB type of every column as our own scan gives it."""

    def read(connector: Connector, resource: str) -> dict[str, str]:
        with borrowed_duck(threads=2) as con:
            return {row[0]: row[1] for row in con.execute(f"DESCRIBE {connector.scan(con, resource)}").fetchall()}

    return read


@pytest.fixture
def change() -> Callable[..., ApplyResult]:
    """Applies rows of texts: ``change(connector, "t", "update", [{"id": "1", "a": "new"}], [{"a": "old"}])``."""

    def apply(
        connector: Connector,
        resource: str,
        op: str,
        rows: Rows,
        old: Rows = (),
        type_: Any = None,
    ) -> ApplyResult:
        type_ = type_ or pa.string()
        columns = tuple(name for name in rows[0] if name != "id")
        data: dict[str, Any] = {"_op": pa.array([op] * len(rows)), "id": pa.array([row["id"] for row in rows])}
        for name in columns:
            data[name] = pa.array([row[name] for row in rows], type_)
            data["_old_" + name] = pa.array([before[name] for before in old] or [None] * len(rows), type_)
        return connector.apply(ChangeBatch(resource, ("id",), columns, pa.table(data), "test"))

    return apply
