"""Parquet files that other programs wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from accord.connectors.protocol import ChangeBatch
from accord.model.types import CanonicalType


def test_a_column_of_no_type_takes_the_type_of_its_first_values(tmp_path: Path, opened: Any, rows_of: Any) -> None:
    """So pandas and Arrow write a column in which they saw no value; it was an integer here, and no text had room in it."""
    empty = pa.nulls(2)
    pq.write_table(pa.table({"id": ["1", "2"], "name": empty, "size": empty, "note": empty}), tmp_path / "things.parquet")
    connector = opened("parquet", str(tmp_path))
    row = {"_op": ["update"], "id": ["1"], "name": ["one"], "size": ["5"], "_old_name": [None], "_old_size": [None]}
    batch = ChangeBatch("things", ("id",), ("name", "size"), pa.table(row), "b", types={"size": CanonicalType("integer")})

    result = connector.apply(batch)

    assert result.updated == 1
    types = {field.name: str(field.type) for field in pq.read_schema(tmp_path / "things.parquet")}
    assert types == {"id": "string", "name": "string", "size": "int64", "note": "null"}
    blank = {"name": None, "size": None, "note": None}
    assert rows_of(connector, "things") == [{"id": "1", "name": "one", "size": 5, "note": None}, {"id": "2"} | blank]
    assert connector.apply(batch).unchanged == 1
