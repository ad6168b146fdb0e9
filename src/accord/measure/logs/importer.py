"""Import a foreign event log: read, check, pair, write a segment, tell the log of events."""

from __future__ import annotations

import hashlib
import json
import re
import stat
import tempfile
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from accord.connectors.duck import open_duck
from accord.connectors.types import literal
from accord.measure.logs.lifecycle import pair_lifecycle
from accord.measure.logs.ocel import read_ocel_json, read_ocel_sqlite
from accord.measure.logs.parsed import parse
from accord.measure.logs.result import BadRow, ImportResult
from accord.measure.logs.tabular import lines_of, read_csv, read_parquet
from accord.measure.logs.xes import read_xes
from accord.model.errors import DataRefused, SystemChanged, SystemUnreachable, UnknownName, UsageError
from accord.model.event import Event, ObjectRef
from accord.model.integration_map import IntegrationMap
from accord.model.process import Log
from accord.store import Store
from accord.store.room import no_room

BAD_SHARE_REFUSED = 0.1
_KIND_OF_ERROR = re.compile(r"^[A-Z][A-Za-z ]* Error: ")
_SHOWN = 5
_ENDINGS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".csv.gz": "csv",
    ".parquet": "parquet",
    ".xes": "xes",
    ".xes.gz": "xes",
    ".sqlite": "ocel-sqlite",
    ".db": "ocel-sqlite",
    ".jsonocel": "ocel-json",
    ".json": "ocel-json",
}


def import_log(log: Log, store: Store, *, base: Path, now: datetime, run: str) -> ImportResult:
    """Read a foreign log into a segment and append ``log.imported``; the same file with the same mapping again changes nothing.

    Rows without a case, activity or readable time are kept back in a segment of their own, with the reason. When they are more than
    a tenth of all, the mapping is most likely wrong and nothing is imported.

    Args:
        log: where the file is and how its columns are read.
        store: where the segment and the event go.
        base: folder a relative path starts at.
        now: when the import takes place, UTC.
        run: the run it belongs to.

    Raises:
        SystemUnreachable: there is no such file, or it may not be read.
        SystemChanged: the file was written to while it was read.
        StorageFull: the disk took no more.
        UnknownName: a column or object type of the mapping is not in the file.
        UsageError: the format is neither given nor known by the file's ending.
        DataRefused: the file is not what it claims to be, holds no event, or too many bad rows; with file and line.
    """
    path = base / log.path
    kind = log_format(log)
    before_reading = _stamp(log, path)
    fingerprint = _fingerprint(log, path)
    standing = _last_import(store, log.name)
    if standing is not None and standing["fingerprint"] == fingerprint:
        return _result(log, standing, changed=False)
    with open_duck() as con, tempfile.TemporaryDirectory(prefix="accord-log-") as scratch:
        try:
            notes = _read(con, kind, path, log, Path(scratch))
        except duckdb.Error as error:
            raise DataRefused(_first_line(error), str(path), f"a readable {kind} file") from error
        except OSError as error:
            if full := no_room(error, scratch):
                raise full from error
            raise SystemUnreachable(f"log {log.name}", str(path), error.strerror or str(error)) from error
        if _stamp(log, path) != before_reading:
            raise SystemChanged(f"log {log.name}", log.path, "the file was written to")
        attributes = _write(con, store, kind, path, log, notes)
    attributes |= {"log": log.name, "source": log.path, "fingerprint": fingerprint, "run": run}
    event = Event(f"log:{log.name}:{fingerprint[:24]}:{run}", "log.imported", now, "measure", attributes, (ObjectRef("log", log.name),))
    store.append([event])
    return _result(log, attributes, changed=True)


def import_logs(integration_map: IntegrationMap, store: Store, *, base: Path, now: datetime, run: str) -> tuple[ImportResult, ...]:
    """Import every log of a map, in its order; see ``import_log``."""
    return tuple(import_log(log, store, base=base, now=now, run=run) for log in integration_map.logs.values())


def log_format(log: Log) -> str:
    """The format of a log: as declared, or by the ending of its file.

    Raises:
        UsageError: neither says.
    """
    if log.format:
        return log.format
    name = Path(log.path).name.lower()
    for ending, kind in sorted(_ENDINGS.items(), key=lambda item: -len(item[0])):
        if name.endswith(ending):
            return kind
    raise UsageError(
        f"log '{log.name}': the format of '{log.path}' is not known by its ending.",
        place=log.place,
        expected=f"Expected one of {', '.join(_ENDINGS)}, or format: {', '.join(sorted(set(_ENDINGS.values())))}.",
    )


def _stamp(log: Log, path: Path) -> tuple[int, ...]:
    try:
        found = path.stat()
    except OSError as error:
        raise SystemUnreachable(f"log {log.name}", str(path), error.strerror or str(error)) from error
    if not stat.S_ISREG(found.st_mode):
        raise SystemUnreachable(f"log {log.name}", str(path), "it is no regular file")
    return (found.st_ino, found.st_size, found.st_mtime_ns)


def _fingerprint(log: Log, path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
            size = file.tell()
    except OSError as error:
        raise SystemUnreachable(f"log {log.name}", str(path), error.strerror or str(error)) from error
    if not size:
        raise DataRefused("the file is empty", str(path), "an event log with at least one event")
    mapping = {key: value for key, value in asdict(log).items() if key not in ("place", "path")}
    digest.update(json.dumps(mapping, sort_keys=True).encode())
    return digest.hexdigest()


def _last_import(store: Store, name: str) -> dict[str, Any] | None:
    found = None
    for stored in store.read(types=["log.imported"], object=ObjectRef("log", name)):
        found = dict(stored.event.attributes)
    return found


def _read(con: duckdb.DuckDBPyConnection, kind: str, path: Path, log: Log, scratch: Path) -> tuple[str, ...]:
    if kind == "ocel-sqlite":
        return read_ocel_sqlite(con, path, log)
    if kind == "ocel-json":
        return read_ocel_json(con, path, log)
    if kind == "xes":
        raw = read_xes(con, path, log, scratch)
    else:
        raw = read_csv(con, path, log) if kind == "csv" else read_parquet(con, path, log)
    parse(con, raw)
    return pair_lifecycle(con) if any(name == "lifecycle" for name, _ in raw.extra) else ()


def _write(con: duckdb.DuckDBPyConnection, store: Store, kind: str, path: Path, log: Log, notes: tuple[str, ...]) -> dict[str, Any]:
    ocel = kind.startswith("ocel")
    total, bad = _one(con, "SELECT count(*), count(reason) FROM parsed")
    if not total:
        raise DataRefused("there is no event in it", str(path), "an event log with at least one event")
    bad_rows = _bad_rows(con, kind, path, log)
    if bad > total * BAD_SHARE_REFUSED:
        where = "; ".join(f"line {b.line}: {b.reason}" for b in bad_rows)
        raise DataRefused(
            f"{bad:,} of {total:,} rows cannot be used ({where})",
            str(path),
            "a case, an activity and a time in each row; look at the columns and the time_format of the mapping",
        )
    object_type = _object_type(con, log) if ocel else log.object_type
    identity = "source_id" if ocel else f"concat({literal(log.name)}, ':', seq)"
    segment = store.write_segment_from(
        con,
        f"SELECT {identity} AS event_id, seq, activity, time, case_id, resource, team, start_at, attributes, objects "
        "FROM parsed WHERE reason IS NULL ORDER BY seq",
    )
    case = (
        f"(SELECT unnest(objects) AS o FROM parsed WHERE reason IS NULL) WHERE o.type = {literal(object_type)}"
        if ocel
        else "parsed WHERE reason IS NULL"
    )
    (cases,) = _one(con, f"SELECT count(DISTINCT {'o.id' if ocel else 'case_id'}) FROM {case}")
    first, last = _one(con, "SELECT CAST(min(time) AS VARCHAR), CAST(max(time) AS VARCHAR) FROM parsed WHERE reason IS NULL")
    if ocel and not object_type:
        notes = (*notes, "no object type was chosen as the case; name one with object_type")
    quarantine = None
    if bad:
        quarantine = store.write_segment_from(con, "SELECT * EXCLUDE (objects) FROM parsed WHERE reason IS NOT NULL ORDER BY seq").sha
    return {
        "sha": segment.sha,
        "events": segment.rows,
        "cases": cases,
        "first": first,
        "last": last,
        "ocel": ocel,
        "object_type": object_type,
        "quarantined": bad,
        "quarantine": quarantine,
        "bad_rows": [[b.line, b.reason] for b in bad_rows],
        "notes": list(notes),
    }


def _bad_rows(con: duckdb.DuckDBPyConnection, kind: str, path: Path, log: Log) -> tuple[BadRow, ...]:
    rows = con.execute(f"SELECT seq, reason FROM parsed WHERE reason IS NOT NULL ORDER BY seq LIMIT {_SHOWN}").fetchall()
    lines = lines_of(path, log.separator, [seq for seq, _ in rows]) if kind == "csv" and rows else {}
    return tuple(BadRow(lines.get(seq, seq), reason) for seq, reason in rows)


def _object_type(con: duckdb.DuckDBPyConnection, log: Log) -> str:
    known = [t for (t,) in con.execute("SELECT DISTINCT type FROM ocel_object WHERE type IS NOT NULL ORDER BY 1").fetchall()]
    if log.object_type in known:
        return log.object_type
    if log.object_type == Log.__dataclass_fields__["object_type"].default:
        return ""  # nobody chose one
    raise UnknownName("object type", log.object_type, known, place=log.place, holder=f"log '{log.name}'")


def _one(con: duckdb.DuckDBPyConnection, sql: str) -> tuple[Any, ...]:
    row = con.execute(sql).fetchone()
    assert row is not None  # an aggregate always gives one row
    return row


def _first_line(error: duckdb.Error) -> str:
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    # «Invalid Input Error: » is DuckDB's own order of things, and what follows the first line is our query.
    return _KIND_OF_ERROR.sub("", first).rstrip(". ")


def _result(log: Log, attributes: dict[str, Any], *, changed: bool) -> ImportResult:
    first, last = (datetime.fromisoformat(attributes[k]) if attributes[k] else None for k in ("first", "last"))
    return ImportResult(
        log=log.name,
        changed=changed,
        events=attributes["events"],
        cases=attributes["cases"],
        sha=attributes["sha"],
        source=attributes["source"],
        first=first,
        last=last,
        quarantined=attributes["quarantined"],
        bad_rows=tuple(BadRow(line, reason) for line, reason in attributes["bad_rows"]),
        notes=tuple(attributes["notes"]),
    )
