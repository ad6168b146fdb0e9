"""A folder of Parquet files: typed as the files are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from accord.connectors.column_names import checked
from accord.connectors.decide import Staged, type_of
from accord.connectors.duck import borrowed_duck
from accord.connectors.file_merge import LINE
from accord.connectors.folder import Folder
from accord.connectors.protocol import Capabilities
from accord.connectors.types import duckdb_type, literal, path_literal, quote
from accord.connectors.unreadable import ANEW, flagged, flags, is_flag, of_bytes
from accord.model.errors import DataRefused
from accord.model.system import ColumnDescription
from accord.model.types import CanonicalType

_NATIVE: Final = ("integer", "number", "double", "boolean", "date", "timestamp")  # whose texts DuckDB reads as what they were


class ParquetConnector(Folder):
    """Parquet files; written back whole, with the column types they had."""

    kind: ClassVar[str] = "parquet"
    capabilities: ClassVar[Capabilities] = Capabilities(typed=True, formats=("parquet",))
    endings = (".parquet", ".pq")

    def load(self, con: duckdb.DuckDBPyConnection, resource: str, path: Path, table: str) -> None:
        """Read the file with its own types; a column of none, which holds no value, can hold texts."""
        try:
            # DuckDB would rename columns that differ in capitals only, so the names are looked at as the file has them.
            schema = pq.read_schema(path)
            checked(schema.names, str(path), expected="different column names")
            texts = ", ".join(f"CAST({name} AS VARCHAR) AS {name}" for name in map(quote, _untyped(schema)))
            shown = f"* REPLACE ({texts})" if texts else "*"
            rows = f"SELECT row_number() OVER () AS {LINE}, {shown} FROM read_parquet({path_literal(path)})"
            try:
                con.execute(f"CREATE TEMP TABLE {table} AS {rows}")
            except duckdb.InvalidInputException as error:
                if "Invalid string encoding" not in str(error):
                    raise
                _load_marked(con, path, table)
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            raise DataRefused(str(error).splitlines()[0].rstrip("."), str(path), f"a Parquet file{ANEW}") from error

    def declared_types(self, resource: str) -> Mapping[str, str]:
        """The types of the file, in Arrow's words."""
        path = self._existing(resource)
        try:
            schema = pq.read_schema(path)
        except (pa.ArrowException, OSError) as error:
            raise DataRefused(str(error).splitlines()[0].rstrip("."), str(path), f"a Parquet file{ANEW}") from error
        return {field.name: str(field.type) for field in schema}

    def save(self, con: duckdb.DuckDBPyConnection, source: Path, target: Path, staged: Staged) -> None:
        """Write all rows with the types and the order of columns they had."""
        columns = [row[0] for row in con.execute("DESCRIBE merged").fetchall()]
        if flagged(columns):
            raise DataRefused("it holds text that is not UTF-8, which would be lost", str(source), "UTF-8, or direction: read")
        names = {name: quote(name) for name in columns if not name.startswith("_accord_")}
        kept = []
        for name in _untyped(pq.read_schema(source)):
            type_ = staged.batch.types.get(name, CanonicalType("text"))
            if con.execute(f"SELECT 1 FROM merged WHERE {quote(name)} IS NOT NULL LIMIT 1").fetchone() is None:
                kept.append(name)
            elif type_.name in _NATIVE:  # it gets the type of its first values
                names[name] = f"CAST({quote(name)} AS {duckdb_type(type_)}) AS {quote(name)}"
        rows = f"SELECT {', '.join(names.values())} FROM merged ORDER BY {LINE}"
        con.execute(f"COPY ({rows}) TO {literal(str(target))} (FORMAT parquet, COMPRESSION zstd)")
        if kept:  # of no type they stay, which DuckDB cannot write
            table = pq.read_table(target)
            for name in kept:
                table = table.set_column(table.column_names.index(name), name, pa.nulls(table.num_rows))
            pq.write_table(table, target, compression="zstd")

    def make(self, path: Path, columns: Mapping[str, CanonicalType]) -> None:
        """A file with these columns and no rows."""
        with borrowed_duck() as con:
            selected = ", ".join(f"CAST(NULL AS {duckdb_type(type_)}) AS {quote(name)}" for name, type_ in columns.items())
            con.execute(f"COPY (SELECT {selected} LIMIT 0) TO {literal(str(path))} (FORMAT parquet, COMPRESSION zstd)")

    def columns(self, con: duckdb.DuckDBPyConnection, table: str, resource: str) -> tuple[ColumnDescription, ...]:
        """Columns with the types of the file."""
        found = [row[:2] for row in con.execute(f"DESCRIBE {table}").fetchall() if row[0] != LINE and not is_flag(row[0])]
        return tuple(ColumnDescription(name, kind, type_of(kind)) for name, kind in found)


def _untyped(schema: pa.Schema) -> list[str]:
    """Columns of no type, as programs write them that saw no value of a column."""
    return [field.name for field in schema if pa.types.is_null(field.type)]


def _load_marked(con: duckdb.DuckDBPyConnection, path: Path, table: str) -> None:
    """Read a file in which some texts are none: those columns as bytes beside the others as DuckDB reads them."""
    schema = pq.read_schema(path)
    texts = [field.name for field in schema if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)]
    columns = pq.read_table(path, columns=texts)
    con.register("arrow_bytes", pa.table({name: columns[name].cast(pa.large_binary()) for name in texts}))
    others = [quote(field.name) for field in schema if field.name not in texts]
    rest = f"SELECT {', '.join(others) or '1'} FROM read_parquet({path_literal(path)})"
    picked = ", ".join(f"{of_bytes('b.' + quote(n))} AS {quote(n)}" if n in texts else f"r.{quote(n)}" for n in schema.names)
    rows = f"SELECT row_number() OVER () AS {LINE}, {picked} FROM ({rest}) r POSITIONAL JOIN arrow_bytes b"
    con.execute(f"CREATE OR REPLACE TEMP TABLE marked AS {rows}")
    con.unregister("arrow_bytes")
    more = "".join(f", {sql}" for sql in flags(con, "marked", texts))
    con.execute(f"CREATE TEMP TABLE {table} AS SELECT *{more} FROM marked")
    con.execute("DROP TABLE marked")
