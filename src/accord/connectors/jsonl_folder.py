"""A folder of JSON lines: one object per line, read as text digit by digit, written without touching unchanged lines."""

from __future__ import annotations

from collections.abc import Container, Mapping
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
from accord.connectors.types import duckdb_type, quote
from accord.connectors.unreadable import ANEW, BROKEN, CUT_OFF, MARK, WHY_BROKEN, flags, is_flag, restored
from accord.model.errors import DataRefused
from accord.model.types import CanonicalType

_CHUNK_ROWS = 50_000


class JsonLinesConnector(Folder):
    """JSON lines in UTF-8. A member that is missing is null; columns and keys declared in the map are there even when no line has them."""

    kind: ClassVar[str] = "jsonl"
    capabilities: ClassVar[Capabilities] = Capabilities(sparse=True, formats=("jsonl",))
    endings = (".jsonl", ".ndjson")
    open_columns = True

    def load(self, con: duckdb.DuckDBPyConnection, resource: str, path: Path, table: str) -> None:
        """Read all lines; one that is no JSON object is kept apart from the others with its text (``unreadable.BROKEN``).

        Where the last line is cut off in the middle nobody knows what stood behind it, and where no line can be read it is a file of
        something else: both are refused with the line's number.
        """
        declared = self._resource(resource)
        expected = (*declared.key, *declared.columns, *self._made.get(path, ()))
        names: dict[str, None] = {}
        chunks: list[list[dict[str, str | None]]] = [[]]
        marked, good, refused = False, 0, None
        for number, line in json_lines.records(path):
            if len(chunks[-1]) == _CHUNK_ROWS:
                chunks.append([])
            try:
                row = json_lines.texts(line, f"{path}:{number}")
            except DataRefused as error:
                if not line.endswith("\n"):
                    raise DataRefused(f"{error.what}{CUT_OFF}", error.where, f"{error.expected}{ANEW}") from error
                refused = refused or error
                why = f"line {number} is no row of JSON lines: {error.what}; expected {json_lines.EXPECTED}"
                chunks[-1].append({BROKEN: line.rstrip("\r\n"), WHY_BROKEN: why})
                continue
            good += 1
            marked = marked or MARK in line or ("\\u" in line and any(MARK in value for value in row.values() if value))
            if not row.keys() <= names.keys():
                names.update(dict.fromkeys(row))
                checked(tuple(names), f"{path}:{number}", expected="one spelling of each member in all lines")
            chunks[-1].append(row)
        spelled = {name.casefold(): name for name in names}
        names = dict.fromkeys((*(spelled.get(name.casefold(), name) for name in expected), *names))
        if refused:
            if not good:
                raise refused
            names.update(dict.fromkeys((BROKEN, WHY_BROKEN)))
        schema = pa.schema([(name, pa.string()) for name in names])
        rows = pa.Table.from_batches([_batch(chunk, schema) for chunk in chunks], schema)
        rows = rows.append_column(LINE, pa.array(range(1, sum(map(len, chunks)) + 1), pa.int64()))
        con.register("arrow_lines", rows)
        more = "".join(f", {sql}" for sql in flags(con, "arrow_lines", [name for name in names if not is_flag(name)])) if marked else ""
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
        there = {row[0] for row in con.execute("DESCRIBE merged").fetchall()}
        broken = con.execute(f"SELECT {LINE} FROM merged WHERE {BROKEN} IS NOT NULL").fetchall() if BROKEN in there else []
        examples = _examples(source, names, {row[0] for row in broken})
        kinds = {**staged.given, **{name: duckdb_type(type_) for name, type_ in staged.batch.types.items()}}
        ending, own = "", "\n"
        with target.open("wb") as file:
            position = 0
            for position, (_, line) in enumerate(json_lines.records(source), 1):
                own = "\r\n" if line.endswith("\r\n") else "\n" if line.endswith("\n") else ending or "\n"
                ending = ending or own  # of the first line, for new ones
                if position in changed:
                    values = json_lines.members(line)
                    for name in staged.batch.columns:
                        values[name] = json_lines.value_text(changed[position][name], kinds[name], examples.get(name))
                    file.write(restored(json_lines.joined(values) + own))
                elif position in kept:
                    file.write(restored(line if line.endswith("\n") else line + own))
            for line_number, row in changed.items():
                if line_number > position:
                    values = {n: json_lines.value_text(v, kinds[n], examples.get(n)) for n, v in row.items()}
                    file.write(restored(json_lines.joined(values) + (ending or "\n")))

    def make(self, path: Path, columns: Mapping[str, CanonicalType]) -> None:
        """An empty file."""
        path.touch()


def _batch(rows: list[dict[str, str | None]], schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array([row.get(name) for row in rows], pa.string()) for name in schema.names], schema=schema)


def _examples(path: Path, names: tuple[str, ...], broken: Container[int]) -> dict[str, str]:
    """For each column the JSON text of its first value that is not null; ``broken``: the lines that are no rows, counted as in ``load``."""
    found: dict[str, str] = {}
    for position, (_, line) in enumerate(json_lines.records(path), 1):
        if position in broken:
            continue
        for name, value in json_lines.members(line).items():
            if name in names and value != "null":
                found.setdefault(name, value)
        if len(found) == len(names):
            break
    return found
