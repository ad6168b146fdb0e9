"""A folder of Parquet files: typed as the files are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from accord.connectors.column_names import checked
from accord.connectors.decide import Staged, type_of
from accord.connectors.duck import open_duck
from accord.connectors.file_merge import LINE
from accord.connectors.folder import Folder
from accord.connectors.protocol import Capabilities
from accord.connectors.types import duckdb_type, literal, path_literal, quote
from accord.model.errors import DataRefused
from accord.model.system import ColumnDescription
from accord.model.types import CanonicalType


class ParquetConnector(Folder):
    """Parquet files; written back whole, with the column types they had."""

    kind: ClassVar[str] = "parquet"
    capabilities: ClassVar[Capabilities] = Capabilities(typed=True, formats=("parquet",))
    endings = (".parquet", ".pq")

    def load(self, con: duckdb.DuckDBPyConnection, resource: str, path: Path, table: str) -> None:
        """Read the file with its own types."""
        try:
            # DuckDB would rename columns that differ in capitals only, so the names are looked at as the file has them.
            checked(pq.read_schema(path).names, str(path), expected="different column names")
            con.execute(f"CREATE TEMP TABLE {table} AS SELECT row_number() OVER () AS {LINE}, * FROM read_parquet({path_literal(path)})")
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            raise DataRefused(str(error).splitlines()[0].rstrip("."), str(path), "a Parquet file") from error

    def declared_types(self, resource: str) -> Mapping[str, str]:
        """The types of the file, in Arrow's words."""
        path = self._existing(resource)
        try:
            schema = pq.read_schema(path)
        except (pa.ArrowException, OSError) as error:
            raise DataRefused(str(error).splitlines()[0].rstrip("."), str(path), "a Parquet file") from error
        return {field.name: str(field.type) for field in schema}

    def save(self, con: duckdb.DuckDBPyConnection, source: Path, target: Path, staged: Staged) -> None:
        """Write all rows with the types and the order of columns they had."""
        names = ", ".join(quote(row[0]) for row in con.execute("DESCRIBE merged").fetchall() if not row[0].startswith("_accord_"))
        con.execute(f"COPY (SELECT {names} FROM merged ORDER BY {LINE}) TO {literal(str(target))} (FORMAT parquet, COMPRESSION zstd)")

    def make(self, path: Path, columns: Mapping[str, CanonicalType]) -> None:
        """A file with these columns and no rows."""
        con = open_duck(threads=1)
        try:
            selected = ", ".join(f"CAST(NULL AS {duckdb_type(type_)}) AS {quote(name)}" for name, type_ in columns.items())
            con.execute(f"COPY (SELECT {selected} LIMIT 0) TO {literal(str(path))} (FORMAT parquet, COMPRESSION zstd)")
        finally:
            con.close()

    def columns(self, con: duckdb.DuckDBPyConnection, table: str, resource: str) -> tuple[ColumnDescription, ...]:
        """Columns with the types of the file."""
        found = [row[:2] for row in con.execute(f"DESCRIBE {table}").fetchall() if row[0] != LINE]
        return tuple(ColumnDescription(name, kind, type_of(kind)) for name, kind in found)
