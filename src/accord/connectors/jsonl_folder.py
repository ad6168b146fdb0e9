"""A folder of JSON lines: one object per line, read as text digit by digit, written without touching unchanged lines."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import duckdb
import pyarrow as pa

from accord.connectors import json_lines
from accord.connectors.column_names import checked
from accord.connectors.decide import ROW, Staged
from accord.connectors.file_merge import LINE
from accord.connectors.folder import Folder
from accord.connectors.protocol import Capabilities
from accord.connectors.types import quote
from accord.connectors.unreadable import MARK, flags, restored
from accord.model.types import CanonicalType

_CHUNK_ROWS = 50_000


class JsonLinesConnector(Folder):
    """JSON lines in UTF-8. A member that is missing is null; columns and keys declared in the map are there even when no line has them."""

    kind: ClassVar[str] = "jsonl"
    capabilities: ClassVar[Capabilities] = Capabilities(sparse=True, formats=("jsonl",))
    endings = (".jsonl", ".ndjson")
    open_columns = True

    def load(self, con: duckdb.DuckDBPyConnection, resource: str, path: Path, table: str) -> None:
        """Read all lines; one that is no JSON object is refused with its number."""
        declared = self._resource(resource)
        names = dict.fromkeys((*declared.key, *declared.columns, *self._made.get(path, ())))
        chunks: list[list[dict[str, str | None]]] = [[]]
        marked = False
        for number, line in json_lines.records(path):
            row = json_lines.texts(line, f"{path}:{number}")
            marked = marked or MARK in line or ("\\u" in line and any(MARK in value for value in row.values() if value))
            if not row.keys() <= names.keys():
                names.update(dict.fromkeys(row))
                checked(tuple(names), f"{path}:{number}", capitals=False)
            if len(chunks[-1]) == _CHUNK_ROWS:
                chunks.append([])
            chunks[-1].append(row)
        schema = pa.schema([(name, pa.string()) for name in names])
        rows = pa.Table.from_batches([_batch(chunk, schema) for chunk in chunks], schema)
        rows = rows.append_column(LINE, pa.array(range(1, sum(map(len, chunks)) + 1), pa.int64()))
        con.register("arrow_lines", rows)
        more = "".join(f", {sql}" for sql in flags(con, "arrow_lines", list(names))) if marked else ""
        con.execute(f"CREATE TEMP TABLE {table} AS SELECT *{more} FROM arrow_lines")
        con.unregister("arrow_lines")

    def save(self, con: duckdb.DuckDBPyConnection, source: Path, target: Path, staged: Staged) -> None:
        """Copy the lines that stay; change the members of the batch in the others and leave the rest of their text alone."""
        names = tuple(dict.fromkeys((*staged.batch.key, *staged.batch.columns)))
        selected = ", ".join(map(quote, names))
        changed = {
            row[0]: dict(zip(names, row[1:], strict=True))
            for row in con.execute(f"SELECT {LINE}, {selected} FROM merged WHERE {ROW} IS NOT NULL ORDER BY {LINE}").fetchall()
        }
        kept = {row[0] for row in con.execute(f"SELECT {LINE} FROM merged").fetchall()}
        examples = _examples(source, names)
        with target.open("wb") as file:
            position = 0
            for position, (_, line) in enumerate(json_lines.records(source), 1):
                if position in changed:
                    values = json_lines.members(line)
                    for name in staged.batch.columns:
                        values[name] = json_lines.value_text(changed[position][name], staged.given[name], examples.get(name))
                    file.write(restored(json_lines.joined(values)))
                elif position in kept:
                    file.write(restored(line if line.endswith("\n") else line + "\n"))
            for line_number, row in changed.items():
                if line_number > position:
                    file.write(
                        restored(json_lines.joined({n: json_lines.value_text(v, staged.given[n], examples.get(n)) for n, v in row.items()}))
                    )

    def make(self, path: Path, columns: Mapping[str, CanonicalType]) -> None:
        """An empty file."""
        path.touch()


def _batch(rows: list[dict[str, str | None]], schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array([row.get(name) for row in rows], pa.string()) for name in schema.names], schema=schema)


def _examples(path: Path, names: tuple[str, ...]) -> dict[str, str]:
    """For each column the JSON text of its first value that is not null."""
    found: dict[str, str] = {}
    for _, line in json_lines.records(path):
        for name, value in json_lines.members(line).items():
            if name in names and value != "null":
                found.setdefault(name, value)
        if len(found) == len(names):
            break
    return found
