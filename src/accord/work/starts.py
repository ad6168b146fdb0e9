"""Instances that a change of an entity starts: once for each key whose agreed row comes to meet the condition of a start.

Nothing is hooked into the synchronization. After it, the agreed rows that meet the condition are compared with the keys known already,
set-based and in DuckDB; each that is left is one transaction that starts the instance and notes the key. So it does not matter whether
a run was whole or partial, or whether the process died between the run and this: the next look finds what is left, and no key twice.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa

from accord.connectors.duck import borrowed_duck
from accord.connectors.types import duckdb_type, literal, quote
from accord.model.entity import Entity
from accord.model.errors import AccordError, LogTampered, StorageFull, TransientError
from accord.model.event import Event, ObjectRef
from accord.model.integration_map import IntegrationMap
from accord.model.process import Process, Start
from accord.model.types import CanonicalType
from accord.store import Store
from accord.store.folding import folded
from accord.work.engine import Work
from accord.work.expression import plain
from accord.work.forms import check_variables
from accord.work.moves import Moves

_KEY = "_start_key"
_MARK = "_start_mark"  # SHA-256 of the key: what is kept for good names no row, which may be about a person who is erased one day
_PLAIN_KEY = re.compile(r"[A-Za-z0-9._-]{1,80}")
_KNOWN = "SELECT known FROM work_start WHERE process = ? AND start = ? AND rule = ? AND key = ''"
_MADE = "SELECT key FROM work_start WHERE process = ? AND start = ? AND state = 'made'"
_REFUSED = "SELECT key, reason FROM work_start WHERE process = ? AND start = ? AND rule = ? AND state = 'refused'"
_LIVE = "SELECT body FROM live_change WHERE flow = ? AND kind = 'applied' ORDER BY seq, number"


@dataclass(frozen=True, slots=True)
class Begun:
    """A key that started an instance, or did not: then ``reason`` says why."""

    process: str
    start: str
    key: str
    instance: str = ""
    reason: str = ""

    @property
    def sentence(self) -> str:
        """What a change of an entity led to, in words."""
        if self.reason:
            return f"not started: process '{self.process}' by {self.start} {self.key}: {self.reason}".replace("  ", " ")
        return f"started: {self.instance}"


def start_from_entities(work: Work, *, entities: Collection[str] | None = None, by: str = "accord") -> list[Begun]:
    """Start what the agreed rows call for; call it after flows have run.

    The first look at a start only notes which keys meet its condition already, unless the map says ``existing: start``.

    Args:
        work: the processes and the store.
        entities: only starts by these; default: all.
        by: who starts them.

    Returns:
        What was started, and what was refused for the first time or for another reason than before; a start whose condition fails is
        refused without a key.
    """
    found: list[Begun] = []
    watched = [w for w in _watched(work.map) if entities is None or w.start.entity in entities]
    if not watched:
        return found
    with borrowed_duck() as con:
        for name in dict.fromkeys(w.start.entity for w in watched):
            if not _agreed(con, work.map, work.store, name):
                continue
            for one in watched:
                if one.start.entity == name:
                    found += _look(con, work, one, by)
    return found


@dataclass(frozen=True, slots=True)
class _Watched:
    process: Process
    start: Start
    entity: Entity

    @property
    def rule(self) -> str:
        """Another entity or condition is another start, with rows of its own that were there before."""
        return hashlib.sha256(json.dumps([self.start.entity, self.start.when]).encode()).hexdigest()[:16]

    @property
    def name(self) -> tuple[str, str, str]:
        return self.process.name, self.start.name, self.rule


def _watched(map_: IntegrationMap) -> Iterator[_Watched]:
    for process in map_.processes.values():
        for start in process.starts.values():
            if start.entity in map_.entities:
                yield _Watched(process, start, map_.entities[start.entity])


def _agreed(con: duckdb.DuckDBPyConnection, map_: IntegrationMap, store: Store, name: str) -> bool:
    """Make the view ``agreed`` of an entity's rows, with the key as JSON text; false when no flow of it has ever come to an end."""
    entity, parts = map_.entities[name], []
    for order, flow in enumerate(f for f in map_.flows.values() if f.entity == name):
        if not store.rows("SELECT 1 FROM flow_status WHERE flow = ? AND last_success_at IS NOT NULL", flow.name):
            continue
        parts.append(f"SELECT *, {order} AS _order FROM ({_rows_of(con, store, entity, flow.name, order)})")
    if not parts:
        return False
    keys = ", ".join(map(quote, entity.key))
    key = f"to_json([{', '.join(f'CAST({quote(k)} AS VARCHAR)' for k in entity.key)}])"
    con.execute(
        f"CREATE OR REPLACE TEMP VIEW agreed AS SELECT * EXCLUDE (_order), CAST({key} AS VARCHAR) AS {_KEY}, sha256({_KEY}) AS {_MARK} "
        f"FROM ({' UNION ALL '.join(parts)}) QUALIFY row_number() OVER (PARTITION BY {keys} ORDER BY _order) = 1"
    )
    return True


def _rows_of(con: duckdb.DuckDBPyConnection, store: Store, entity: Entity, flow: str, order: int) -> str:
    """SQL of what a flow agreed on: its segments, and over them what went the short way since."""
    kinds = {f.name: duckdb_type(CanonicalType.parse(f.type)) for f in entity.fields.values()}
    typed = ", ".join(f"TRY_CAST({quote(f)} AS {kind}) AS {quote(f)}" for f, kind in kinds.items())
    rows = f"SELECT {', '.join(f'CAST(NULL AS {kind}) AS {quote(f)}' for f, kind in kinds.items())} WHERE false"
    paths = [store.read_segment(sha) for sha in store.flow_state(flow).get("golden", ())]
    if paths:
        stored = folded(paths, entity.key)
        there = {str(row[0]) for row in con.execute(f"DESCRIBE {stored}").fetchall()}
        # A field the map gained since the last run is in no segment yet.
        columns = ", ".join(
            f"{'TRY_CAST(' + quote(f) if f in there else 'CAST(NULL'} AS {kind}) AS {quote(f)}" for f, kind in kinds.items()
        )
        rows = f"SELECT {columns} FROM ({stored})"
    live = {tuple(row["key"]): row["golden"] for row in (json.loads(body) for (body,) in store.rows(_LIVE, flow))}
    if not live:
        return rows
    full = [dict(zip(entity.key, key, strict=True)) | (values or {}) for key, values in live.items()]
    table = pa.table({f: pa.array([row.get(f) for row in full], pa.string()) for f in kinds})
    con.register("live_given", table.append_column("_gone", pa.array([values is None for values in live.values()])))
    con.execute(f"CREATE OR REPLACE TEMP TABLE live_{order} AS SELECT {typed}, _gone FROM live_given")
    con.unregister("live_given")
    using = f"USING ({', '.join(map(quote, entity.key))})"
    return f"SELECT * FROM ({rows}) ANTI JOIN live_{order} {using} UNION ALL SELECT * EXCLUDE (_gone) FROM live_{order} WHERE NOT _gone"


def _look(con: duckdb.DuckDBPyConnection, work: Work, one: _Watched, by: str) -> list[Begun]:
    where = f"WHERE ({one.start.when})" if one.start.when else ""
    known = work.store.rows(_KNOWN, *one.name)
    if not known:
        _note_known(con, work, one, where if one.start.existing == "skip" else "WHERE false")
        known = work.store.rows(_KNOWN, *one.name)
    made = pa.table({_MARK: pa.array([mark for (mark,) in work.store.rows(_MADE, one.process.name, one.start.name)], pa.string())})
    con.register("start_made", made)
    before = f"read_parquet({literal(str(work.store.read_segment(known[0][0])))})"
    met = f"(SELECT * FROM agreed {where})"
    query = f"SELECT * FROM {met} ANTI JOIN {before} USING ({_MARK}) ANTI JOIN start_made USING ({_MARK}) ORDER BY {_KEY}"
    try:
        rows = con.execute(query).to_arrow_table().to_pylist()
    except duckdb.Error as error:
        # The others are looked at all the same.
        return [Begun(*one.name[:2], "", reason=f"the condition {one.start.when} fails: {str(error).splitlines()[0]}")]
    finally:
        con.unregister("start_made")
    refused: dict[str, str] = dict(work.store.rows(_REFUSED, *one.name)) if rows else {}
    return [begun for row in rows if (begun := _begin(work, one, row, by, refused)) is not None]


def _note_known(con: duckdb.DuckDBPyConnection, work: Work, one: _Watched, where: str) -> None:
    """Rows that met the condition before anybody looked have not come to meet it."""
    segment = work.store.write_segment_from(con, f"SELECT {_MARK} FROM agreed {where} ORDER BY {_MARK}").sha
    process, start, rule = one.name
    body = {"process": process, "start": start, "rule": rule, "entity": one.start.entity, "when": one.start.when, "known": segment}

    def decide(moves: Moves) -> None:
        if not moves.rows.rows(_KNOWN, *one.name):
            about = (ObjectRef("process", process),)
            moves.events.append(Event(uuid.uuid4().hex, "start.watched", moves.now, f"process:{process}", body, about))

    work.command(decide, by="accord")


def _begin(work: Work, one: _Watched, row: Mapping[str, Any], by: str, refused: Mapping[str, str]) -> Begun | None:
    """Start one instance; ``None`` when another process did it meanwhile, or it was refused for the same reason before."""
    process, start, rule = one.name
    key, mark = str(row[_KEY]), str(row[_MARK])
    secret = any(one.entity.fields[k].personal for k in one.entity.key)
    instance = f"{process}-{start}-{_slug(key, mark, secret=secret)}"
    holder = f"process '{process}', start '{start}', key {key}"

    def decide(moves: Moves) -> bool:
        if moves.rows.rows("SELECT 1 FROM work_start WHERE process = ? AND start = ? AND key = ? AND state = 'made'", process, start, mark):
            return False
        variables = _variables(one, row)
        check_variables(one.process.variables, variables, holder=holder)
        if moves.rows.rows("SELECT 1 FROM work_instance WHERE instance = ?", instance):
            return False
        made = moves.start(moves.definitions.current(process), instance, case=_case(key), variables=variables)
        moves.emit("start.made", made, start=start, rule=rule, key=mark, entity=one.start.entity)
        return True

    try:
        return Begun(process, start, key, instance) if work.command(decide, by=by) else None
    except (TransientError, StorageFull, LogTampered):
        raise  # says nothing about the row
    except AccordError as error:
        # An error quotes values, and the log keeps it: of a row about a person it says only that there was one.
        personal = any(field.personal for field in one.entity.fields.values())
        reason = f"{type(error).__name__}: the row does not fit what the process declares" if personal else str(error)
        if refused.get(mark) == reason:
            return None
        body = {"process": process, "start": start, "rule": rule, "key": mark, "entity": one.start.entity, "reason": reason}
        about = (ObjectRef("process", process), ObjectRef(one.start.entity, mark if secret else _case(key)))
        work.store.append([Event(uuid.uuid4().hex, "start.refused", work.now(), f"process:{process}", body, about)])
        return Begun(process, start, key, reason=str(error))


def _variables(one: _Watched, row: Mapping[str, Any]) -> dict[str, Any]:
    """The row's fields that the process declares, or all of them where it declares none; without those that are empty."""
    names: Sequence[str] = [f for f in one.entity.fields if not one.process.variables or f in one.process.variables]
    return {name: plain(row[name]) for name in names if row[name] is not None}


def _case(key: str) -> str:
    return "/".join(str(part) for part in json.loads(key))


def _slug(key: str, mark: str, *, secret: bool) -> str:
    """The key as part of an id; a personal one, or one with other signs than those of a name, becomes a digest."""
    text = _case(key)
    return text if not secret and len(json.loads(key)) == 1 and _PLAIN_KEY.fullmatch(text) else "~" + mark[:24]
