"""XES (IEEE 1849) as an event log: read as a stream, entities and document types refused."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, cast
from xml.etree.ElementTree import Element, ParseError

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import iterparse

from accord.connectors.types import path_literal
from accord.measure.logs.parsed import Raw
from accord.model.errors import DataRefused
from accord.model.process import Log

_BATCH_ROWS = 50_000
_MAX_SILENCE_BYTES = 4_000_000
_LIFECYCLE, _INSTANCE = "lifecycle:transition", "concept:instance"


def read_xes(con: duckdb.DuckDBPyConnection, path: Path, log: Log, folder: Path) -> Raw:
    """The events of an XES file as text; attributes of the case are called ``case:<key>``.

    Columns default to the standard extensions: ``case:concept:name``, ``concept:name``, ``time:timestamp``, ``org:resource``,
    ``org:group``. At most one trace and one batch of rows are in memory at a time.

    Args:
        con: where the relation is made.
        path: ``.xes`` or ``.xes.gz``.
        log: the mapping; fields left empty get the standard's names.
        folder: an empty folder of the caller's for the rows on their way; removed by the caller.

    Raises:
        DataRefused: not well-formed, cut off, or with a document type or entities; with file and line where there is one.
    """
    log = replace(
        log,
        case=log.case or "case:concept:name",
        activity=log.activity or "concept:name",
        time=log.time or "time:timestamp",
    )
    defaults = {"resource": "org:resource", "team": "org:group"}
    wanted = [log.case, log.activity, log.time, *filter(None, (log.start, log.resource, log.team)), *log.objects.values(), *log.attributes]
    columns = list(dict.fromkeys([*wanted, *defaults.values(), _LIFECYCLE, _INSTANCE]))
    target = folder / "events.parquet"
    seen = _write(path, target, columns)
    if not seen:
        raise DataRefused("there is no event in it", str(path), "an XES file with <trace> and <event>")
    given = {name: getattr(log, name) or (column if column in seen else "") for name, column in defaults.items()}
    log = replace(log, resource=given["resource"], team=given["team"])
    # A column no event carries is a wrong name in the mapping, which the later check of names then reports with what there is.
    types = {name: "VARCHAR" for name in columns if name in seen} | dict.fromkeys(seen, "VARCHAR")
    con.execute(
        "CREATE OR REPLACE TEMP VIEW raw AS SELECT file_row_number + 1 AS seq, * EXCLUDE (file_row_number) "
        f"FROM read_parquet({path_literal(target)}, file_row_number = true)"
    )
    extra = tuple((name, column) for name, column in (("lifecycle", _LIFECYCLE), ("instance", _INSTANCE)) if column in seen)
    return Raw("raw", types, log, extra)


def _write(path: Path, target: Path, columns: list[str]) -> set[str]:
    schema = pa.schema([(name, pa.string()) for name in columns])
    seen: set[str | None] = set()
    try:
        with _opened(path) as source, pq.ParquetWriter(target, schema) as writer:
            batch: dict[str, list[str | None]] = {name: [] for name in columns}
            for number, event in enumerate(_events(_Fed(source, path)), start=1):
                seen.update(event)
                for name, values in batch.items():
                    values.append(event.get(name))
                if number % _BATCH_ROWS == 0:
                    writer.write_table(pa.table(batch, schema))
                    batch = {name: [] for name in columns}
            writer.write_table(pa.table(batch, schema))
    except DefusedXmlException as error:
        raise DataRefused("the file declares a document type or entities", str(path), "plain XES; these are refused for safety") from error
    except ParseError as error:
        line = error.position[0]
        raise DataRefused(f"this is no well-formed XML ({error.msg})", f"{path}:{line}", "an XES file, whole to its end") from error
    except (LookupError, ValueError) as error:  # an encoding that nobody knows, or that XML cannot be read in
        raise DataRefused(f"it is written in an encoding that cannot be read ({error})", str(path), "an XES file in UTF-8") from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataRefused(f"the packed file cannot be unpacked ({error})", str(path), "a whole .xes.gz file") from error
    return {name for name in seen if name is not None}


def _opened(path: Path) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(path, "rb")) if path.suffix == ".gz" else path.open("rb")


class _Fed:
    """A file that refuses to be read on when nothing was found in much of it: a token without end is parsed anew with each block."""

    def __init__(self, source: IO[bytes], path: Path) -> None:
        self._source, self._path, self._since = source, path, 0

    def read(self, size: int) -> bytes:
        block = self._source.read(size)
        self._since += len(block)
        if self._since > _MAX_SILENCE_BYTES:
            what = f"{_MAX_SILENCE_BYTES:,} bytes without an element"
            raise DataRefused(what, str(self._path), "an XES file, whose values are short texts")
        return block

    def found(self) -> None:
        """Start counting anew."""
        self._since = 0


def _events(source: _Fed) -> Iterator[dict[str | None, str | None]]:
    root: Element | None = None
    inside = False
    for what, element in cast("Iterator[tuple[str, Any]]", iterparse(cast("IO[bytes]", source), events=("start", "end"), forbid_dtd=True)):
        source.found()
        if what == "start":
            root = element if root is None else root
            inside = inside or _tag(element) == "trace"
            continue
        if _tag(element) == "event" and not inside:
            yield _attributes(element)  # belongs to no case, which the check of rows will say
        if _tag(element) != "trace":
            continue
        inside = False
        case: dict[str | None, str | None] = {f"case:{key}": value for key, value in _attributes(element).items() if key is not None}
        for child in element:
            if _tag(child) == "event":
                yield case | _attributes(child)
        if root is not None:
            root.clear()  # what was read is let go, or a large log would fill the memory


def _attributes(element: Element) -> dict[str | None, str | None]:
    # Children without a key are events; they share one entry that nobody asks for.
    return {child.get("key"): child.get("value") for child in element}


def _tag(element: Element) -> str:
    return element.tag.rsplit("}", 1)[-1]
